//! What each call does to the books, and what it answers.

use std::collections::BTreeMap;

use rand::RngExt;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{objects, refused};
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call};
use crate::books::{Books, Order, PaymentStatus};
use crate::form::Form;
use crate::refunds::{Wanted, make};
use crate::wire::{Acted, Asked, News, Wire, events};
use crate::{major, payments};

pub(super) fn act(
    books: &mut Books,
    asked: &Asked,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let id = asked.id.as_deref().unwrap_or_default();
    match asked.call {
        Call::Create => return create(books, &asked.form, now).into(),
        Call::List => return recon(books, &asked.form).into(),
        _ => {}
    }
    let Some(order) = books.orders.get(id).cloned() else {
        return refused(404, "order_not_found").into();
    };
    match asked.call {
        Call::FetchOrder => Answer::ok(objects::order(books, &order)).into(),
        Call::ListOrderPayments => {
            let payments = order
                .payments
                .iter()
                .filter_map(|id| books.payments.get(id));
            Answer::ok(payments.map(objects::payment).collect()).into()
        }
        Call::Cancel => end(books, id).into(),
        Call::Confirm => pay(books, asked, &order, behaviour, now),
        Call::Capture => authorization(books, &asked.form, &order, behaviour),
        Call::Refund => refund(books, &asked.form, &order, behaviour, now),
        Call::FetchRefund => match asked
            .form
            .get("refund_id")
            .and_then(|id| known(books, &order, id))
        {
            Some(refund) => Answer::ok(refund).into(),
            None => refused(404, "refund_not_found").into(),
        },
        Call::ListRefunds => {
            let payments = order
                .payments
                .iter()
                .filter_map(|id| books.payments.get(id));
            let refunds = payments.flat_map(|payment| books.refunds_of(payment));
            Answer::ok(
                refunds
                    .map(|refund| objects::refund(books, refund))
                    .collect(),
            )
            .into()
        }
        _ => refused(404, "not_found").into(),
    }
}

fn create(books: &mut Books, form: &Form, now: OffsetDateTime) -> Answer {
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let (id, currency) = (text("order_id"), text("order_currency"));
    let amount = form.get("order_amount").and_then(major::minor);
    let Some(amount) = amount.filter(|&amount| amount > 0) else {
        return refused(400, "order_amount_invalid");
    };
    let customer = form.map("customer_details");
    if !(3..=45).contains(&id.len())
        || currency.len() != 3
        || !customer.contains_key("customer_phone")
    {
        return refused(400, "request_invalid");
    }
    if books.orders.contains_key(&id) {
        return refused(409, "order_already_exists");
    }
    let order = Order {
        id,
        amount,
        currency,
        receipt: None,
        notes: form.map("order_tags"),
        manual: books.cashfree_reserves,
        ended: false,
        created: now.unix_timestamp(),
        payments: Vec::new(),
        calls: Vec::new(),
    };
    let body = objects::order(books, &order);
    books.orders.insert(order.id.clone(), order);
    Answer::ok(body)
}

fn end(books: &mut Books, id: &str) -> Answer {
    let Some(order) = books.orders.get(id) else {
        return refused(404, "order_not_found");
    };
    let busy = order
        .payments
        .iter()
        .filter_map(|id| books.payments.get(id))
        .any(|payment| {
            matches!(
                payment.status,
                PaymentStatus::Succeeded
                    | PaymentStatus::RequiresCapture
                    | PaymentStatus::Processing
            )
        });
    if busy {
        return refused(400, "order_inactive");
    }
    if let Some(order) = books.orders.get_mut(id) {
        order.ended = true;
    }
    Answer::ok(
        books
            .orders
            .get(id)
            .map_or(Value::Null, |order| objects::order(books, order)),
    )
}

/// The customer, on Cashfree's own page. With `again` an order that is paid or ended is paid all the same.
fn pay(
    books: &mut Books,
    asked: &Asked,
    order: &Order,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let open = objects::order(books, order)["order_status"] == json!("ACTIVE");
    if !open && asked.form.get("again").is_none() {
        return refused(400, "order_inactive").into();
    }
    let payment = rand::rng()
        .random_range(5_000_000_000_u64..9_000_000_000)
        .to_string();
    let _ = payments::begin(books, &order.id, payment.clone(), Wire::Cashfree, now);
    let declined = asked.form.get("method") == Some("declined");
    let happened = payments::press(books, &payment, declined, behaviour);
    Acted {
        answer: shown(books, &payment),
        happened,
    }
}

fn authorization(books: &mut Books, form: &Form, order: &Order, behaviour: &Behaviour) -> Acted {
    let reserved = order.payments.iter().find(|id| {
        books
            .payments
            .get(*id)
            .is_some_and(|row| row.status == PaymentStatus::RequiresCapture)
    });
    let Some(id) = reserved.cloned() else {
        return refused(400, "authorization_invalid").into();
    };
    let happened = match form.get("action") {
        Some("CAPTURE") => payments::capture(books, &id, behaviour),
        Some("VOID") => {
            if let Some(row) = books.payments.get_mut(&id) {
                row.status = PaymentStatus::Canceled;
            }
            events(books, &id, &News::Cancelled)
        }
        _ => return refused(400, "action_invalid").into(),
    };
    Acted {
        answer: shown(books, &id),
        happened,
    }
}

/// It returns an order's money: that of its first captured payment.
fn refund(
    books: &mut Books,
    form: &Form,
    order: &Order,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let id = form.get("refund_id").unwrap_or_default();
    if !(3..=40).contains(&id.len()) || !id.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return refused(400, "refund_id_invalid").into();
    }
    if known(books, order, id).is_some() {
        return refused(409, "refund_already_exists").into();
    }
    let captured = order.payments.iter().find(|id| {
        books
            .payments
            .get(*id)
            .is_some_and(|row| row.status == PaymentStatus::Succeeded)
    });
    let Some(payment) = captured.cloned() else {
        return refused(400, "order_not_paid").into();
    };
    let wanted = Wanted {
        payment,
        amount: Some(
            form.get("refund_amount")
                .and_then(major::minor)
                .unwrap_or(0),
        ),
        metadata: BTreeMap::new(),
        reason: form.get("refund_note").map(str::to_owned),
        receipt: Some(id.to_owned()),
    };
    match make(books, wanted, behaviour, now) {
        Ok((refund, happened)) => {
            let made = books
                .refunds
                .get(&refund)
                .map(|refund| objects::refund(books, refund));
            Acted {
                answer: Answer::ok(made.unwrap_or_default()),
                happened,
            }
        }
        Err(_) => refused(400, "refund_amount_invalid").into(),
    }
}

fn known(books: &Books, order: &Order, id: &str) -> Option<Value> {
    order
        .payments
        .iter()
        .filter_map(|id| books.payments.get(id))
        .flat_map(|payment| books.refunds_of(payment))
        .find(|refund| refund.receipt.as_deref().unwrap_or(&refund.id) == id)
        .map(|refund| objects::refund(books, refund))
}

/// The reconciliation list: what was paid and returned within a time.
fn recon(books: &Books, form: &Form) -> Answer {
    let bound = |name: &str| {
        let text = form.map("filters").remove(name)?;
        Some(
            OffsetDateTime::parse(&text, &Rfc3339)
                .ok()?
                .unix_timestamp(),
        )
    };
    let (Some(since), Some(until)) = (bound("start_date"), bound("end_date")) else {
        return refused(400, "request_invalid");
    };
    let pagination = form.map("pagination");
    let number = |name: &str| {
        pagination
            .get(name)
            .and_then(|text| text.parse::<usize>().ok())
    };
    let (from, limit) = (number("cursor").unwrap_or(0), number("limit").unwrap_or(10));
    let payments = books
        .payment_order
        .iter()
        .filter_map(|id| books.payments.get(id));
    let payments = payments
        .filter(|row| row.wire == Wire::Cashfree && row.status == PaymentStatus::Succeeded)
        .map(|row| {
            let event = json!({
                "event_type": "PAYMENT", "event_status": "SUCCESS",
                "event_amount": major::number(row.received), "event_currency": row.currency,
                "order_id": row.order, "cf_payment_id": row.id,
            });
            (row.created, event)
        });
    let refunds = books
        .refund_order
        .iter()
        .filter_map(|id| books.refunds.get(id));
    let refunds = refunds
        .filter(|refund| books.wire_of(&refund.payment) == Wire::Cashfree)
        .map(|refund| {
            let object = objects::refund(books, refund);
            let event = json!({
                "event_type": "REFUND", "event_status": object["refund_status"],
                "event_amount": object["refund_amount"], "event_currency": refund.currency,
                "order_id": object["order_id"], "cf_payment_id": refund.payment,
                "refund_id": object["refund_id"],
            });
            (refund.created, event)
        });
    let rows: Vec<Value> = payments
        .chain(refunds)
        .filter(|(created, _)| (since..until).contains(created))
        .map(|(_, event)| event)
        .collect();
    let page: Vec<&Value> = rows.iter().skip(from).take(limit).collect();
    let next = from + page.len();
    let cursor = (next < rows.len()).then(|| next.to_string());
    Answer::ok(json!({ "cursor": cursor, "limit": limit, "data": page }))
}

fn shown(books: &Books, id: &str) -> Answer {
    Answer::ok(books.payments.get(id).map_or(Value::Null, objects::payment))
}

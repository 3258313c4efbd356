//! What each call does to the books, and what it answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::objects;
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call};
use crate::books::{Books, Order, Payment, PaymentStatus, fresh_id};
use crate::form::Form;
use crate::payments;
use crate::refunds::{NoRefund, Wanted, make};
use crate::wire::{Acted, Asked, News, Wire, events};

pub(super) fn act(
    books: &mut Books,
    asked: &Asked,
    fresh: &str,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let id = asked.id.as_deref().unwrap_or_default();
    let of_razorpay = |payment: &&Payment| payment.wire == Wire::Razorpay;
    match asked.call {
        Call::Create => create(books, &asked.form, fresh, now),
        Call::FetchOrder => match books.orders.get(id) {
            Some(order) => Answer::ok(objects::order(books, order)).into(),
            None => missing().into(),
        },
        Call::ListOrders => {
            let receipt = asked.form.get("receipt");
            let orders = books.orders.values().filter(|order| {
                receipt.is_none_or(|wanted| {
                    order
                        .receipt
                        .as_deref()
                        .is_some_and(|text| text.contains(wanted))
                })
            });
            let orders = orders.map(|order| (order.created, objects::order(books, order)));
            list(&asked.form, newest_first(orders.collect()))
        }
        Call::ListOrderPayments => match books.orders.get(id) {
            Some(order) => {
                let payments = order
                    .payments
                    .iter()
                    .filter_map(|id| books.payments.get(id));
                let items: Vec<_> = payments
                    .map(|payment| objects::payment(books, payment))
                    .collect();
                Answer::ok(objects::collection(&items)).into()
            }
            None => missing().into(),
        },
        Call::Confirm => pay(books, asked, id, behaviour, now),
        Call::Fetch => match books.payments.get(id).filter(of_razorpay) {
            Some(payment) => Answer::ok(objects::payment(books, payment)).into(),
            None => missing().into(),
        },
        Call::List => {
            let payments = books
                .payment_order
                .iter()
                .filter_map(|id| books.payments.get(id));
            let payments = payments
                .filter(of_razorpay)
                .map(|payment| (payment.created, objects::payment(books, payment)));
            list(&asked.form, newest_first(payments.collect()))
        }
        Call::Capture => capture(books, &asked.form, id, behaviour),
        Call::Refund => refund(books, &asked.form, id, behaviour, now),
        Call::FetchRefund => match books.refunds.get(id) {
            Some(refund) if books.wire_of(&refund.payment) == Wire::Razorpay => {
                Answer::ok(objects::refund(refund)).into()
            }
            _ => missing().into(),
        },
        Call::ListRefunds => {
            if asked.id.is_some() && !books.payments.contains_key(id) {
                return missing().into();
            }
            let refunds = books
                .refund_order
                .iter()
                .filter_map(|id| books.refunds.get(id));
            let refunds = refunds
                .filter(|refund| books.wire_of(&refund.payment) == Wire::Razorpay)
                .filter(|refund| asked.id.is_none() || refund.payment == id)
                .map(|refund| (refund.created, objects::refund(refund)));
            list(&asked.form, newest_first(refunds.collect()))
        }
        // It has neither.
        Call::Cancel | Call::ListEvents => missing().into(),
    }
}

fn create(books: &mut Books, form: &Form, fresh: &str, now: OffsetDateTime) -> Acted {
    let amount = form.get("amount").and_then(|text| text.parse::<i64>().ok());
    let Some(amount) = amount.filter(|&amount| amount > 0) else {
        return bad_request("The amount must be an integer.").into();
    };
    let currency = form.get("currency").unwrap_or_default().to_owned();
    if currency.len() != 3 || !currency.bytes().all(|c| c.is_ascii_uppercase()) {
        return bad_request("The currency is invalid").into();
    }
    let receipt = form.get("receipt").map(str::to_owned);
    if receipt.as_ref().is_some_and(|receipt| receipt.len() > 40) {
        return bad_request("The receipt may not be greater than 40 characters.").into();
    }
    let order = Order {
        id: fresh.to_owned(),
        amount,
        currency,
        receipt,
        notes: form.map("notes"),
        manual: form.get("payment_capture") == Some("0"),
        ended: false,
        created: now.unix_timestamp(),
        payments: Vec::new(),
        calls: Vec::new(),
    };
    let body = objects::order(books, &order);
    books.orders.insert(order.id.clone(), order);
    Answer::ok(body).into()
}

/// The customer, on Razorpay's own page: a try to pay an order.
fn pay(
    books: &mut Books,
    asked: &Asked,
    id: &str,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let Some(order) = books.orders.get_mut(id) else {
        return missing().into();
    };
    let payment = fresh_id("pay");
    order.payments.push(payment.clone());
    let row = Payment {
        id: payment.clone(),
        wire: Wire::Razorpay,
        order: Some(order.id.clone()),
        own_notes: asked.form.map("notes"),
        place: books.payment_order.len(),
        amount: order.amount,
        received: 0,
        currency: order.currency.clone(),
        status: PaymentStatus::RequiresPaymentMethod,
        metadata: order.notes.clone(),
        description: None,
        client_secret: String::new(),
        created: now.unix_timestamp(),
        declined: false,
        cancellation_reason: None,
        charge: None,
        manual: order.manual,
        disputes: Vec::new(),
        refunds: Vec::new(),
        calls: Vec::new(),
    };
    books.payment_order.push(payment.clone());
    books.payments.insert(payment.clone(), row);
    let happened = match asked.form.get("method") {
        Some("declined") => payments::decline(books, &payment),
        _ if behaviour.bank_is_slow => {
            if let Some(row) = books.payments.get_mut(&payment) {
                row.status = PaymentStatus::Processing;
            }
            events(books, &payment, &News::Processing)
        }
        _ => payments::agree(books, &payment, behaviour),
    };
    Acted {
        answer: shown(books, &payment),
        happened,
    }
}

fn capture(books: &mut Books, form: &Form, id: &str, behaviour: &Behaviour) -> Acted {
    let Some(payment) = books.payments.get(id) else {
        return missing().into();
    };
    match payment.status {
        PaymentStatus::RequiresCapture => {}
        PaymentStatus::Succeeded => {
            return bad_request("This payment has already been captured").into();
        }
        _ => {
            let message =
                "Only payments which have been authorized and not yet captured can be captured";
            return bad_request(message).into();
        }
    }
    if form.get("amount") != Some(payment.amount.to_string().as_str())
        || form.get("currency") != Some(&payment.currency)
    {
        let message = "Capture amount must be equal to the amount authorized";
        return bad_request(message).into();
    }
    let happened = payments::capture(books, id, behaviour);
    Acted {
        answer: shown(books, id),
        happened,
    }
}

fn refund(
    books: &mut Books,
    form: &Form,
    id: &str,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let wanted = Wanted {
        payment: id.to_owned(),
        // What is no number is no positive one either.
        amount: form.get("amount").map(|text| text.parse().unwrap_or(0)),
        metadata: form.map("notes"),
        reason: None,
        receipt: form.get("receipt").map(str::to_owned),
    };
    match make(books, wanted, behaviour, now) {
        Ok((refund, happened)) => {
            let made = books.refunds.get(&refund).map(objects::refund);
            Acted {
                answer: Answer::ok(made.unwrap_or_default()),
                happened,
            }
        }
        Err(NoRefund::NoPayment) => missing().into(),
        Err(NoRefund::NotCaptured) => {
            bad_request("The payment status should be captured for action to be taken").into()
        }
        Err(NoRefund::NothingLeft { .. }) => {
            bad_request("The payment has been fully refunded already").into()
        }
        Err(NoRefund::NotPositive) => bad_request("The amount must be at least 1.").into(),
        Err(NoRefund::TooMuch { .. }) => {
            bad_request("The total refund amount is greater than the refund payment amount").into()
        }
    }
}

fn shown(books: &Books, id: &str) -> Answer {
    let payment = books.payments.get(id);
    Answer::ok(payment.map_or(Value::Null, |payment| objects::payment(books, payment)))
}

fn newest_first(mut items: Vec<(i64, Value)>) -> Vec<(i64, Value)> {
    // Those of the same second too.
    items.reverse();
    items.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
    items
}

/// A page of `items` (created, entity): `from` and `to` count themselves.
fn list(form: &Form, items: Vec<(i64, Value)>) -> Acted {
    let number = |name: &str, otherwise: i64| match form.get(name).map(str::parse::<i64>) {
        None => Ok(otherwise),
        Some(Ok(number)) if number >= 0 => Ok(number),
        Some(_) => Err(bad_request(&format!("{name} must be an integer."))),
    };
    let page = || {
        let (from, to) = (number("from", 0)?, number("to", i64::MAX)?);
        let (count, skip) = (number("count", 10)?, number("skip", 0)?);
        if count > 100 {
            return Err(bad_request("The count may not be greater than 100."));
        }
        let page: Vec<Value> = items
            .iter()
            .filter(|(created, _)| (from..=to).contains(created))
            .map(|(_, item)| item.clone())
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(usize::try_from(count).unwrap_or(100))
            .collect();
        Ok(Answer::ok(objects::collection(&page)))
    };
    page().unwrap_or_else(|refused| refused).into()
}

pub(super) fn bad_request(description: &str) -> Answer {
    error(400, "BAD_REQUEST_ERROR", description)
}

fn missing() -> Answer {
    bad_request("The id provided does not exist")
}

pub(super) fn error(status: u16, code: &str, description: &str) -> Answer {
    let metadata: BTreeMap<String, String> = BTreeMap::new();
    Answer {
        status,
        body: json!({ "error": {
            "code": code, "description": description, "source": "NA", "step": "NA", "reason": "NA",
            "metadata": metadata,
        } }),
        retry_after: None,
    }
}

//! What each call does to the books, and what it answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{MERCHANT, error, psp_reference};
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call};
use crate::books::{Books, Order, PaymentStatus};
use crate::form::Form;
use crate::payments;
use crate::refunds::{Wanted, make};
use crate::wire::{Acted, Asked, Wire};

pub(super) fn act(
    books: &mut Books,
    asked: &Asked,
    fresh: &str,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let id = asked.id.as_deref().unwrap_or_default();
    match asked.call {
        Call::Create => create(books, &asked.form, fresh, now).into(),
        Call::FetchOrder => match books.orders.get(id) {
            Some(link) => Answer::ok(shown(books, link)).into(),
            None => missing().into(),
        },
        Call::Cancel => end(books, id).into(),
        Call::Confirm => pay(books, asked, id, behaviour, now),
        Call::Refund => refund(books, &asked.form, id, behaviour, now),
        // It cannot be asked for anything else.
        _ => missing().into(),
    }
}

fn create(books: &mut Books, form: &Form, fresh: &str, now: OffsetDateTime) -> Answer {
    let amount = form.map("amount");
    let value = amount
        .get("value")
        .and_then(|text| text.parse::<i64>().ok());
    let (Some(value), Some(currency), Some(reference), Some(merchant)) = (
        value.filter(|&value| value > 0),
        amount.get("currency"),
        form.get("reference").filter(|text| text.len() <= 80),
        form.get("merchantAccount"),
    ) else {
        return error(422, "130", "Required field is missing");
    };
    let mut notes = form.map("metadata");
    if notes.len() > 20 || notes.keys().any(|key| key.len() > 20) {
        return error(422, "177", "Metadata size exceeds limit");
    }
    notes.insert(MERCHANT.to_owned(), merchant.to_owned());
    let link = Order {
        id: fresh.to_owned(),
        amount: value,
        currency: currency.clone(),
        receipt: Some(reference.to_owned()),
        notes,
        manual: false,
        ended: false,
        created: now.unix_timestamp(),
        payments: Vec::new(),
        calls: Vec::new(),
    };
    let body = shown(books, &link);
    books.orders.insert(link.id.clone(), link);
    Answer {
        status: 201,
        ..Answer::ok(body)
    }
}

/// How a link stands: by what was paid with it.
fn status(books: &Books, link: &Order) -> &'static str {
    let any = |wanted: PaymentStatus| {
        let payments = link.payments.iter().filter_map(|id| books.payments.get(id));
        payments.into_iter().any(|payment| payment.status == wanted)
    };
    if any(PaymentStatus::Succeeded) {
        "completed"
    } else if any(PaymentStatus::Processing) {
        "paymentPending"
    } else if link.ended {
        "expired"
    } else {
        "active"
    }
}

fn shown(books: &Books, link: &Order) -> Value {
    json!({
        "id": link.id,
        "amount": { "value": link.amount, "currency": link.currency },
        "merchantAccount": link.notes.get(MERCHANT),
        "reference": link.receipt,
        "status": status(books, link),
        "url": format!("https://test.adyen.link/{}", link.id),
    })
}

fn end(books: &mut Books, id: &str) -> Answer {
    let Some(link) = books.orders.get(id) else {
        return missing();
    };
    if status(books, link) != "active" {
        return error(422, "29_101", "This payment link cannot be updated");
    }
    if let Some(link) = books.orders.get_mut(id) {
        link.ended = true;
    }
    Answer::ok(
        books
            .orders
            .get(id)
            .map_or(Value::Null, |link| shown(books, link)),
    )
}

/// The shopper, on the page of the link. With `again` a link that is paid or ended is paid all the same.
fn pay(
    books: &mut Books,
    asked: &Asked,
    id: &str,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let Some(link) = books.orders.get(id) else {
        return missing().into();
    };
    if status(books, link) != "active" && asked.form.get("again").is_none() {
        return error(422, "29_102", "This payment link is not active").into();
    }
    let payment = psp_reference();
    let _ = payments::begin(books, id, payment.clone(), Wire::Adyen, now);
    let declined = asked.form.get("method") == Some("declined");
    let happened = payments::press(books, &payment, declined, behaviour);
    Acted {
        answer: Answer::ok(json!({ "id": payment })),
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
    let amount = form.map("amount");
    let wanted = Wanted {
        payment: id.to_owned(),
        amount: Some(
            amount
                .get("value")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
        ),
        metadata: BTreeMap::new(),
        reason: form.get("merchantRefundReason").map(str::to_owned),
        receipt: form.get("reference").map(str::to_owned),
    };
    let Ok((refund, happened)) = make(books, wanted, behaviour, now) else {
        return error(
            422,
            "167",
            "Original pspReference required for this operation",
        )
        .into();
    };
    let body = json!({
        "merchantAccount": form.get("merchantAccount"),
        "amount": books.refunds.get(&refund).map(|row| json!({ "value": row.amount, "currency": row.currency })),
        "paymentPspReference": id,
        "pspReference": refund,
        "reference": form.get("reference"),
        // Whatever becomes of it.
        "status": "received",
    });
    Acted {
        answer: Answer {
            status: 201,
            ..Answer::ok(body)
        },
        happened,
    }
}

fn missing() -> Answer {
    error(404, "0", "not found")
}

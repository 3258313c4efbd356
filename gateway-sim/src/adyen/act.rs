//! What each call does to the books, and what it answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{MERCHANT, Told, error, psp_reference};
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
        Call::Cancel if books.payments.contains_key(id) => {
            modify(books, &asked.form, id, "CANCELLATION", behaviour)
        }
        Call::Cancel => end(books, id).into(),
        Call::Capture => modify(books, &asked.form, id, "CAPTURE", behaviour),
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
        manual: form.get("manualCapture") == Some("true"),
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
    let authorised = [
        PaymentStatus::RequiresCapture,
        PaymentStatus::Succeeded,
        PaymentStatus::Canceled,
    ];
    if authorised.into_iter().any(any) {
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

/// Takes a reservation, or gives it up. Whatever comes of it is told by webhook.
fn modify(
    books: &mut Books,
    form: &Form,
    id: &str,
    kind: &'static str,
    behaviour: &Behaviour,
) -> Acted {
    let Some(row) = books.payments.get_mut(id) else {
        return unknown_payment();
    };
    let capture = kind == "CAPTURE";
    let amount = form.map("amount");
    let value = amount
        .get("value")
        .and_then(|text| text.parse::<i64>().ok());
    if capture && (value.is_none() || amount.get("currency") != Some(&row.currency)) {
        return error(422, "138", "Currency Code or amount is not valid").into();
    }
    let wanted = value.unwrap_or(row.amount);
    let done = row.status == PaymentStatus::RequiresCapture && wanted == row.amount;
    if done && capture {
        let _ = payments::capture(books, id, behaviour);
    } else if done {
        row.status = PaymentStatus::Canceled;
    }
    let amount = match books.payments.get(id) {
        Some(row) if done && capture => row.received,
        _ => wanted,
    };
    let own = psp_reference();
    let told = Told {
        kind,
        own: &own,
        amount,
        reference: form.get("reference").unwrap_or_default(),
        success: done,
    };
    let mut body = json!({
        "merchantAccount": form.get("merchantAccount"),
        "paymentPspReference": id,
        "pspReference": own,
        "reference": form.get("reference"),
        "status": "received",
    });
    if capture {
        body["amount"] = json!(form.map("amount"));
        body["amount"]["value"] = json!(wanted);
    }
    Acted {
        answer: Answer {
            status: 201,
            ..Answer::ok(body)
        },
        happened: told.about(books, id),
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
        return unknown_payment();
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

fn unknown_payment() -> Acted {
    error(
        422,
        "167",
        "Original pspReference required for this operation",
    )
    .into()
}

fn missing() -> Answer {
    error(404, "0", "not found")
}

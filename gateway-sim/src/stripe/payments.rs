//! Payment intents: opened, paid or declined, cancelled.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

use super::answer::{error, invalid, missing};
use super::objects;
use crate::answer::Answer;
use crate::behaviour::Behaviour;
use crate::books::{Books, Payment, PaymentStatus, fresh_id};
use crate::payments;
use crate::wire::{Acted, Asked, News, Wire, events};

pub(super) fn create(books: &mut Books, asked: &Asked, id: &str, now: OffsetDateTime) -> Acted {
    let Some(amount) = asked.form.get("amount") else {
        return invalid(Some("parameter_missing"), "Missing required param: amount.").into();
    };
    let Some(amount) = amount.parse::<i64>().ok().filter(|&amount| amount > 0) else {
        return invalid(
            Some("parameter_invalid_integer"),
            "Invalid positive integer: amount",
        )
        .into();
    };
    let currency = asked.form.get("currency").unwrap_or_default().to_owned();
    if currency.len() != 3 || !currency.bytes().all(|c| c.is_ascii_lowercase()) {
        return invalid(
            None,
            "Invalid currency: it must be three lower-case letters",
        )
        .into();
    }
    let payment = Payment {
        id: id.to_owned(),
        wire: Wire::Stripe,
        order: None,
        own_notes: BTreeMap::new(),
        place: books.payment_order.len(),
        amount,
        received: 0,
        currency,
        status: PaymentStatus::RequiresPaymentMethod,
        metadata: asked.form.map("metadata"),
        description: asked.form.get("description").map(str::to_owned),
        client_secret: fresh_id(&format!("{id}_secret")),
        created: now.unix_timestamp(),
        declined: false,
        cancellation_reason: None,
        charge: None,
        manual: asked.form.get("capture_method") == Some("manual"),
        disputes: Vec::new(),
        refunds: Vec::new(),
        calls: Vec::new(),
    };
    let body = objects::payment(&payment);
    books.payment_order.push(id.to_owned());
    books.payments.insert(id.to_owned(), payment);
    Answer::ok(body).into()
}

pub(super) fn fetch(books: &Books, id: &str) -> Acted {
    match books.payments.get(id) {
        Some(payment) => Answer::ok(objects::payment(payment)).into(),
        None => missing("payment_intent", id).into(),
    }
}

pub(super) fn confirm(books: &mut Books, asked: &Asked, id: &str, behaviour: &Behaviour) -> Acted {
    let Some(payment) = books.payments.get_mut(id) else {
        return missing("payment_intent", id).into();
    };
    if payment.status != PaymentStatus::RequiresPaymentMethod {
        return unexpected(payment, "confirm").into();
    }
    match asked.form.get("payment_method") {
        Some("pm_card_chargeDeclined") => {
            let happened = payments::decline(books, id);
            let error = error(
                402,
                "card_error",
                Some("card_declined"),
                "Your card was declined.",
            )
            .with("decline_code", "generic_decline".into())
            .with("payment_intent", shown(books, id));
            Acted {
                answer: error,
                happened,
            }
        }
        Some(method) if method.starts_with("pm_card_") => {
            let happened = if behaviour.bank_is_slow {
                payment.declined = false;
                payment.status = PaymentStatus::Processing;
                events(books, id, &News::Processing)
            } else {
                payments::agree(books, id, behaviour)
            };
            Acted {
                answer: Answer::ok(shown(books, id)),
                happened,
            }
        }
        Some(method) => missing("PaymentMethod", method).into(),
        None => invalid(
            Some("parameter_missing"),
            "Missing required param: payment_method.",
        )
        .into(),
    }
}

pub(super) fn cancel(books: &mut Books, asked: &Asked, id: &str) -> Acted {
    let Some(payment) = books.payments.get_mut(id) else {
        return missing("payment_intent", id).into();
    };
    let cancellable = matches!(
        payment.status,
        PaymentStatus::RequiresPaymentMethod | PaymentStatus::RequiresCapture
    );
    if !cancellable {
        return unexpected(payment, "cancel").into();
    }
    payment.status = PaymentStatus::Canceled;
    payment.cancellation_reason = asked.form.get("cancellation_reason").map(str::to_owned);
    Acted {
        happened: events(books, id, &News::Cancelled),
        answer: Answer::ok(shown(books, id)),
    }
}

pub(super) fn take(books: &mut Books, id: &str, behaviour: &Behaviour) -> Acted {
    let Some(payment) = books.payments.get_mut(id) else {
        return missing("payment_intent", id).into();
    };
    if payment.status != PaymentStatus::RequiresCapture {
        return unexpected(payment, "capture").into();
    }
    Acted {
        happened: payments::capture(books, id, behaviour),
        answer: Answer::ok(shown(books, id)),
    }
}

fn shown(books: &Books, id: &str) -> Value {
    books.payments.get(id).map_or(Value::Null, objects::payment)
}

fn unexpected(payment: &Payment, verb: &str) -> Answer {
    let object = objects::payment(payment);
    let message = format!("You cannot {verb} this PaymentIntent because of its status.");
    invalid(Some("payment_intent_unexpected_state"), &message).with("payment_intent", object)
}

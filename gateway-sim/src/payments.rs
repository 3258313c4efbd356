//! Payment intents: opened, paid or declined, cancelled.

use time::OffsetDateTime;

use crate::act::{Acted, Asked, Happened};
use crate::answer::Answer;
use crate::behaviour::Behaviour;
use crate::books::{Books, Dispute, DisputeStatus, Payment, PaymentStatus, fresh_id};
use crate::wire;

pub(crate) fn create(books: &mut Books, asked: &Asked, id: &str, now: OffsetDateTime) -> Acted {
    let Some(amount) = asked.form.get("amount") else {
        return Answer::invalid(Some("parameter_missing"), "Missing required param: amount.")
            .into();
    };
    let Some(amount) = amount.parse::<i64>().ok().filter(|&amount| amount > 0) else {
        return Answer::invalid(
            Some("parameter_invalid_integer"),
            "Invalid positive integer: amount",
        )
        .into();
    };
    let currency = asked.form.get("currency").unwrap_or_default().to_owned();
    if currency.len() != 3 || !currency.bytes().all(|c| c.is_ascii_lowercase()) {
        return Answer::invalid(
            None,
            "Invalid currency: it must be three lower-case letters",
        )
        .into();
    }
    let payment = Payment {
        id: id.to_owned(),
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
    let body = wire::payment(&payment);
    books.payment_order.push(id.to_owned());
    books.payments.insert(id.to_owned(), payment);
    Answer::ok(body).into()
}

pub(crate) fn fetch(books: &Books, id: &str) -> Acted {
    match books.payments.get(id) {
        Some(payment) => Answer::ok(wire::payment(payment)).into(),
        None => Answer::missing("payment_intent", id).into(),
    }
}

pub(crate) fn confirm(books: &mut Books, asked: &Asked, id: &str, behaviour: &Behaviour) -> Acted {
    let Some(payment) = books.payments.get_mut(id) else {
        return Answer::missing("payment_intent", id).into();
    };
    if payment.status != PaymentStatus::RequiresPaymentMethod {
        return unexpected(payment, "confirm").into();
    }
    match asked.form.get("payment_method") {
        Some("pm_card_chargeDeclined") => {
            payment.declined = true;
            let object = wire::payment(payment);
            let error = Answer::error(
                402,
                "card_error",
                Some("card_declined"),
                "Your card was declined.",
            )
            .with("decline_code", "generic_decline".into())
            .with("payment_intent", object.clone());
            Acted {
                answer: error,
                happened: vec![Happened::new("payment_intent.payment_failed", id, object)],
            }
        }
        Some(method) if method.starts_with("pm_card_") => {
            payment.declined = false;
            let kind = if behaviour.bank_is_slow {
                payment.status = PaymentStatus::Processing;
                "payment_intent.processing"
            } else {
                finish(payment, behaviour)
            };
            let object = wire::payment(payment);
            Acted {
                answer: Answer::ok(object.clone()),
                happened: vec![Happened::new(kind, id, object)],
            }
        }
        Some(method) => Answer::missing("PaymentMethod", method).into(),
        None => Answer::invalid(
            Some("parameter_missing"),
            "Missing required param: payment_method.",
        )
        .into(),
    }
}

/// The bank has finished with a payment that was processing.
pub(crate) fn settle(
    books: &mut Books,
    id: &str,
    succeeded: bool,
    behaviour: &Behaviour,
) -> Option<Happened> {
    let payment = books.payments.get_mut(id)?;
    if payment.status != PaymentStatus::Processing {
        return None;
    }
    let kind = if succeeded {
        finish(payment, behaviour)
    } else {
        payment.status = PaymentStatus::RequiresPaymentMethod;
        payment.declined = true;
        "payment_intent.payment_failed"
    };
    Some(Happened::new(kind, id, wire::payment(payment)))
}

pub(crate) fn cancel(books: &mut Books, asked: &Asked, id: &str) -> Acted {
    let Some(payment) = books.payments.get_mut(id) else {
        return Answer::missing("payment_intent", id).into();
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
    let object = wire::payment(payment);
    Acted {
        answer: Answer::ok(object.clone()),
        happened: vec![Happened::new("payment_intent.canceled", id, object)],
    }
}

pub(crate) fn take(books: &mut Books, id: &str, behaviour: &Behaviour) -> Acted {
    let Some(payment) = books.payments.get_mut(id) else {
        return Answer::missing("payment_intent", id).into();
    };
    if payment.status != PaymentStatus::RequiresCapture {
        return unexpected(payment, "capture").into();
    }
    capture(payment, behaviour);
    let object = wire::payment(payment);
    Acted {
        answer: Answer::ok(object.clone()),
        happened: vec![Happened::new("payment_intent.succeeded", id, object)],
    }
}

/// The customer's bank disputes a payment, or has decided. A dispute that is decided may be decided again.
pub(crate) fn dispute(
    books: &mut Books,
    id: &str,
    status: DisputeStatus,
    amount: Option<i64>,
    now: OffsetDateTime,
) -> Option<Happened> {
    let payment = books.payments.get_mut(id)?;
    if payment.status != PaymentStatus::Succeeded {
        return None;
    }
    let kind = match (payment.disputes.first_mut(), status) {
        (None, _) => {
            payment.disputes.push(Dispute {
                id: fresh_id("dp"),
                amount: amount.unwrap_or(payment.received),
                status,
                created: now.unix_timestamp(),
            });
            "charge.dispute.created"
        }
        (Some(dispute), status) if dispute.status != status => {
            dispute.status = status;
            "charge.dispute.closed"
        }
        (Some(_), _) => return None,
    };
    let object = payment
        .disputes
        .first()
        .map(|dispute| wire::dispute(payment, dispute))?;
    Some(Happened::new(kind, id, object))
}

/// The bank agrees: the money is taken, or only reserved.
fn finish(payment: &mut Payment, behaviour: &Behaviour) -> &'static str {
    if payment.manual {
        payment.status = PaymentStatus::RequiresCapture;
        return "payment_intent.amount_capturable_updated";
    }
    capture(payment, behaviour);
    "payment_intent.succeeded"
}

fn capture(payment: &mut Payment, behaviour: &Behaviour) {
    payment.status = PaymentStatus::Succeeded;
    payment.received = behaviour.amount_received.unwrap_or(payment.amount);
    if let Some(currency) = &behaviour.currency_received {
        payment.currency.clone_from(currency);
    }
    payment.charge = Some(fresh_id("ch"));
}

fn unexpected(payment: &Payment, verb: &str) -> Answer {
    let object = wire::payment(payment);
    let message = format!("You cannot {verb} this PaymentIntent because of its status.");
    Answer::invalid(Some("payment_intent_unexpected_state"), &message)
        .with("payment_intent", object)
}

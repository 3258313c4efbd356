//! Refunds: made, and what the bank makes of them.

use time::OffsetDateTime;

use crate::act::{Acted, Asked, Happened};
use crate::answer::Answer;
use crate::behaviour::{Behaviour, RefundFate};
use crate::books::{Books, PaymentStatus, Refund, RefundStatus, fresh_id};
use crate::form::Form;
use crate::wire;

pub(crate) fn create(
    books: &mut Books,
    asked: &Asked,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    make(books, &asked.form, behaviour, now)
}

/// Makes a refund, whoever asks: an API call, or somebody at the dashboard.
pub(crate) fn make(
    books: &mut Books,
    form: &Form,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let Some(id) = form.get("payment_intent") else {
        let message = "One of the following params should be provided: payment_intent or charge.";
        return Answer::invalid(Some("parameter_missing"), message).into();
    };
    let Some(payment) = books.payments.get(id) else {
        return Answer::missing("payment_intent", id).into();
    };
    let (PaymentStatus::Succeeded, Some(charge)) = (payment.status, payment.charge.clone()) else {
        let message =
            format!("This PaymentIntent ({id}) does not have a successful charge to refund.");
        return Answer::invalid(None, &message).into();
    };
    let left = payment.received - books.refunded(payment);
    if left <= 0 {
        let message = format!("Charge {charge} has already been refunded.");
        return Answer::invalid(Some("charge_already_refunded"), &message).into();
    }
    let amount = match form.get("amount").map(str::parse::<i64>) {
        None => left,
        Some(Ok(amount)) if amount > 0 => amount,
        Some(_) => {
            return Answer::invalid(
                Some("parameter_invalid_integer"),
                "Invalid positive integer: amount",
            )
            .with("param", "amount".into())
            .into();
        }
    };
    if amount > left {
        let message = format!(
            "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        );
        return Answer::invalid(None, &message)
            .with("param", "amount".into())
            .into();
    }
    let status = match behaviour.refund {
        RefundFate::Succeeds => RefundStatus::Succeeded,
        RefundFate::Pending | RefundFate::Fails => RefundStatus::Pending,
    };
    let refund = Refund {
        id: fresh_id("re"),
        place: books.refund_order.len(),
        payment: id.to_owned(),
        charge,
        amount,
        currency: payment.currency.clone(),
        status,
        metadata: form.map("metadata"),
        reason: form.get("reason").map(str::to_owned),
        created: now.unix_timestamp(),
    };
    let object = wire::refund(&refund);
    let (payment_id, refund_id) = (id.to_owned(), refund.id.clone());
    books.refund_order.push(refund_id.clone());
    books.refunds.insert(refund_id.clone(), refund);
    if let Some(payment) = books.payments.get_mut(&payment_id) {
        payment.refunds.push(refund_id.clone());
    }
    let mut happened = vec![Happened::new("refund.created", &payment_id, object.clone())];
    if let Some(payment) = books.payments.get(&payment_id) {
        let charge = wire::charge(payment, books.refunded(payment));
        happened.push(Happened::new("charge.refunded", &payment_id, charge));
    }
    if behaviour.refund == RefundFate::Fails {
        happened.extend(settle(books, &refund_id, RefundStatus::Failed));
    }
    Acted {
        answer: Answer::ok(object),
        happened,
    }
}

pub(crate) fn fetch(books: &Books, id: &str) -> Acted {
    match books.refunds.get(id) {
        Some(refund) => Answer::ok(wire::refund(refund)).into(),
        None => Answer::missing("refund", id).into(),
    }
}

/// The bank has finished with a refund, or it has come back after all.
pub(crate) fn settle(books: &mut Books, id: &str, status: RefundStatus) -> Option<Happened> {
    let refund = books.refunds.get_mut(id)?;
    // A failed refund stays failed.
    if refund.status == RefundStatus::Failed || refund.status == status {
        return None;
    }
    refund.status = status;
    let kind = if status == RefundStatus::Failed {
        "refund.failed"
    } else {
        "refund.updated"
    };
    Some(Happened::new(kind, &refund.payment, wire::refund(refund)))
}

//! Stripe's calls about refunds.

use time::OffsetDateTime;

use super::answer::{invalid, missing};
use super::objects;
use crate::answer::Answer;
use crate::behaviour::Behaviour;
use crate::books::Books;
use crate::refunds::{NoRefund, Wanted, make};
use crate::wire::{Acted, Asked};

pub(super) fn create(
    books: &mut Books,
    asked: &Asked,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let form = &asked.form;
    let Some(id) = form.get("payment_intent") else {
        let message = "One of the following params should be provided: payment_intent or charge.";
        return invalid(Some("parameter_missing"), message).into();
    };
    let wanted = Wanted {
        payment: id.to_owned(),
        // What is no number is no positive one either.
        amount: form.get("amount").map(|text| text.parse().unwrap_or(0)),
        metadata: form.map("metadata"),
        reason: form.get("reason").map(str::to_owned),
        receipt: None,
    };
    let refused = match make(books, wanted, behaviour, now) {
        Ok((refund, happened)) => {
            let object = books.refunds.get(&refund).map(objects::refund);
            // As it was made: what the bank made of it right after is told by events alone.
            return Acted {
                answer: Answer::ok(happened.first().map_or_else(
                    || object.unwrap_or_default(),
                    |created| created.object.clone(),
                )),
                happened,
            };
        }
        Err(refused) => refused,
    };
    match refused {
        NoRefund::NoPayment => missing("payment_intent", id),
        NoRefund::NotCaptured => {
            let message =
                format!("This PaymentIntent ({id}) does not have a successful charge to refund.");
            invalid(None, &message)
        }
        NoRefund::NothingLeft { charge } => {
            let message = format!("Charge {charge} has already been refunded.");
            invalid(Some("charge_already_refunded"), &message)
        }
        NoRefund::NotPositive => invalid(
            Some("parameter_invalid_integer"),
            "Invalid positive integer: amount",
        )
        .with("param", "amount".into()),
        NoRefund::TooMuch { amount, left } => {
            let message = format!(
                "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            );
            invalid(None, &message).with("param", "amount".into())
        }
    }
    .into()
}

pub(super) fn fetch(books: &Books, id: &str) -> Acted {
    match books.refunds.get(id) {
        Some(refund) => Answer::ok(objects::refund(refund)).into(),
        None => missing("refund", id).into(),
    }
}

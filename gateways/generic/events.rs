//! The body: `{"id"?, "type", "payment_id", "booking_id"?, "refund_id"?, "amount": {"minor", "currency"}}`.

use std::borrow::Cow;

use boxoffice_saga::fact::{Fact, PaymentState, Reading, RefundState};
use boxoffice_saga::money::Money;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::legible;
use crate::port::Unreadable;
use crate::readings::Item;
use crate::reference::{Loose, Metadata};
use crate::speaker::Speaker;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    payment_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    refund_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    booking_id: Loose<'a>,
    #[serde(default)]
    amount: Option<Money>,
}

/// What a body says; its event's id is `id` where that is known from elsewhere.
pub(crate) fn read(speaker: &Speaker, id: Option<&str>, body: &[u8]) -> Item {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    let event_id = match id.or(event.id.as_deref()) {
        Some(id) => legible::id(id, "the event's id")?,
        None => hex::encode(Sha256::digest(body)),
    };
    let payment = |state| {
        let reference = Metadata::of_booking(&event.booking_id).reference();
        speaker.payment(payment_id(&event), reference, state, amount(&event)?, None)
    };
    let fact = match &*event.kind {
        "payment.succeeded" => payment(PaymentState::Captured)?,
        "payment.failed" => payment(PaymentState::Failed)?,
        "refund.succeeded" => refund(speaker, &event, RefundState::Succeeded)?,
        "refund.failed" => refund(speaker, &event, RefundState::Failed)?,
        _ => Fact::Nothing,
    };
    Ok(Reading {
        event_id,
        kind: legible::words(&event.kind, 100),
        occurred_at: None,
        fact,
    })
}

fn refund(speaker: &Speaker, event: &Event<'_>, state: RefundState) -> Result<Fact, Unreadable> {
    let payment = payment_id(event);
    let amount = amount(event)?;
    // Without an id of its own, payment and amount name the refund, so that its failure and its success are
    // about one. Who refunds the same amount of one payment twice must send `refund_id`.
    let derived = format!("{payment}:refund:{}", amount.minor);
    let id = event.refund_id.as_deref().unwrap_or(&derived);
    let metadata = Metadata::of_booking(&event.booking_id);
    speaker.refund(id, payment, &metadata, state, amount)
}

fn payment_id<'a>(event: &'a Event<'_>) -> &'a str {
    event.payment_id.as_deref().unwrap_or_default()
}

fn amount(event: &Event<'_>) -> Result<Money, Unreadable> {
    event
        .amount
        .filter(|amount| amount.minor >= 0)
        .ok_or(Unreadable::Value { what: "the amount" })
}

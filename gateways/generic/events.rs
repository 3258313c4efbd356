//! The body: `{"id"?, "type", "payment_id", "booking_id"?, "refund_id"?, "amount": {"minor", "currency"}}`.

use std::borrow::Cow;

use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reading, RefundFact, RefundState};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::money::Money;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::legible;
use crate::port::Unreadable;
use crate::reference::{Loose, Metadata};

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

pub(super) fn read(
    account: &GatewayAccount,
    live: bool,
    body: &[u8],
) -> Result<Reading, Unreadable> {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    let event_id = match &event.id {
        Some(id) => legible::id(id, "the event's id")?,
        None => hex::encode(Sha256::digest(body)),
    };
    let fact = match &*event.kind {
        "payment.succeeded" => payment(account, live, &event, PaymentState::Captured)?,
        "payment.failed" => payment(account, live, &event, PaymentState::Failed)?,
        "refund.succeeded" => refund(account, live, &event, RefundState::Succeeded)?,
        "refund.failed" => refund(account, live, &event, RefundState::Failed)?,
        _ => Fact::Nothing,
    };
    Ok(Reading {
        event_id,
        kind: legible::words(&event.kind, 100),
        occurred_at: None,
        fact,
    })
}

fn payment(
    account: &GatewayAccount,
    live: bool,
    event: &Event<'_>,
    state: PaymentState,
) -> Result<Fact, Unreadable> {
    Ok(Fact::Payment(PaymentFact {
        account: account.clone(),
        gateway_payment_id: payment_id(event)?,
        opened_as: None,
        reference: Metadata::of_booking(&event.booking_id).reference(),
        state,
        amount: amount(event)?,
        live,
        reason: None,
    }))
}

fn refund(
    account: &GatewayAccount,
    live: bool,
    event: &Event<'_>,
    state: RefundState,
) -> Result<Fact, Unreadable> {
    let payment = payment_id(event)?;
    let amount = amount(event)?;
    // Without an id of its own, payment and amount name the refund, so that its failure and its success are
    // about one. Who refunds the same amount of one payment twice must send `refund_id`.
    let id = match &event.refund_id {
        Some(id) => legible::id(id, "refund_id")?,
        None => legible::id(&format!("{payment}:refund:{}", amount.minor), "payment_id")?,
    };
    Ok(Fact::Refund(RefundFact {
        account: account.clone(),
        gateway_refund_id: id,
        gateway_payment_id: payment,
        reference: Metadata::of_booking(&event.booking_id).reference(),
        refund: None,
        generation: None,
        state,
        amount,
        live,
        reason: None,
    }))
}

fn payment_id(event: &Event<'_>) -> Result<String, Unreadable> {
    legible::id(
        event.payment_id.as_deref().unwrap_or_default(),
        "payment_id",
    )
}

fn amount(event: &Event<'_>) -> Result<Money, Unreadable> {
    event
        .amount
        .filter(|amount| amount.minor >= 0)
        .ok_or(Unreadable::Value { what: "the amount" })
}

//! Square's events.
//!
//! | kind | fact |
//! |---|---|
//! | `payment.created`, `payment.updated` | the payment, by its `status` |
//! | `refund.created`, `refund.updated` | the refund, by its `status` |
//! | everything else | nothing |
//!
//! Our reference is the payment's `reference_id`, if it is one of our booking ids: merchants put other things there.
//! (developer.squareup.com/reference/square/objects/Payment, …/PaymentRefund)

use std::borrow::Cow;

use boxoffice_saga::fact::{Fact, PaymentState, Reading, RefundState};
use boxoffice_saga::money::Money;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::amount;
use crate::legible;
use crate::port::Unreadable;
use crate::readings::Item;
use crate::reference::{Loose, Metadata};
use crate::speaker::Speaker;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    payment: Option<Payment<'a>>,
    #[serde(borrow, default)]
    refund: Option<Refund<'a>>,
}

#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    amount_money: Amount<'a>,
    /// With what the customer gave on top.
    #[serde(borrow, default)]
    total_money: Option<Amount<'a>>,
    #[serde(borrow, default)]
    reference_id: Loose<'a>,
}

#[derive(Deserialize)]
struct Refund<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    payment_id: Cow<'a, str>,
    #[serde(borrow)]
    amount_money: Amount<'a>,
}

#[derive(Deserialize)]
struct Amount<'a> {
    amount: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

impl Amount<'_> {
    fn money(&self) -> Result<Money, Unreadable> {
        amount::whole(self.amount, &self.currency)
    }
}

pub(super) fn read(speaker: &Speaker, body: &[u8]) -> Item {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    let fact = match &*event.kind {
        "payment.created" | "payment.updated" => payment(speaker, &event)?,
        "refund.created" | "refund.updated" => refund(speaker, &event)?,
        _ => Fact::Nothing,
    };
    Ok(Reading {
        event_id: legible::id(&event.event_id, "event_id")?,
        kind: legible::words(&event.kind, 100),
        occurred_at: None,
        fact,
    })
}

fn payment(speaker: &Speaker, event: &Event<'_>) -> Result<Fact, Unreadable> {
    let payment = object(event)?.payment.ok_or(Unreadable::Value {
        what: "an event without its payment",
    })?;
    let state = match &*payment.status {
        "PENDING" => PaymentState::Processing,
        "APPROVED" => PaymentState::Authorised,
        "COMPLETED" => PaymentState::Captured,
        "CANCELED" => PaymentState::Cancelled,
        "FAILED" => PaymentState::Failed,
        _ => return Ok(Fact::Nothing),
    };
    let amount = payment
        .total_money
        .as_ref()
        .unwrap_or(&payment.amount_money);
    let reference = Metadata::of_booking(&payment.reference_id.if_ours()).reference();
    speaker.payment(&payment.id, reference, state, amount.money()?, None)
}

fn refund(speaker: &Speaker, event: &Event<'_>) -> Result<Fact, Unreadable> {
    let refund = object(event)?.refund.ok_or(Unreadable::Value {
        what: "an event without its refund",
    })?;
    let state = match &*refund.status {
        "PENDING" => RefundState::Pending,
        "COMPLETED" => RefundState::Succeeded,
        "REJECTED" | "FAILED" => RefundState::Failed,
        _ => return Ok(Fact::Nothing),
    };
    let (id, payment) = (&refund.id, &refund.payment_id);
    let amount = refund.amount_money.money()?;
    speaker.refund(id, payment, &Metadata::default(), state, amount)
}

fn object<'a>(event: &Event<'a>) -> Result<Object<'a>, Unreadable> {
    let data = event.data.ok_or(Unreadable::Value {
        what: "an event without its data",
    })?;
    let data: Data<'a> =
        serde_json::from_str(data.get()).map_err(|error| Unreadable::shape(&error))?;
    Ok(data.object)
}

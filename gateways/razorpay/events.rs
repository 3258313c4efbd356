//! Razorpay's events: the envelope, and of the entities inside only what the kind calls for.
//!
//! | kind | fact |
//! |---|---|
//! | `payment.authorized`, `.captured`, `.failed` | the payment |
//! | `order.paid` | the payment that paid it |
//! | `refund.created`, `.processed`, `.failed` | the refund, as its own status has it: `created` may be `processed` already |
//! | `payment.dispute.*` | the dispute |
//! | everything else | nothing, recorded and counted |
//!
//! A refund that Razorpay makes by itself of a payment that nobody captured in time moves no money of ours: nothing.

use std::borrow::Cow;

use boxoffice_saga::fact::{Fact, PaymentState, Reading, Reference};
use boxoffice_saga::identity::GatewayAccount;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::objects::{Dispute, Order, Payment, Refund};
use crate::header;
use crate::legible;
use crate::port::Unreadable;

/// The header that bears the event's id. The signature does not cover it.
pub(super) const EVENT_ID: &str = "x-razorpay-event-id";

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "event")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
    /// Raw, so that it is looked into only for kinds that we know, and without recursion.
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    payment: Option<Held<'a>>,
    #[serde(borrow, default)]
    order: Option<Held<'a>>,
    #[serde(borrow, default)]
    refund: Option<Held<'a>>,
    #[serde(borrow, default)]
    dispute: Option<Held<'a>>,
}

#[derive(Deserialize)]
struct Held<'a> {
    #[serde(borrow)]
    entity: &'a RawValue,
}

pub(super) fn read(
    account: &GatewayAccount,
    live: bool,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Reading, Unreadable> {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    Ok(Reading {
        event_id: event_id(headers, body),
        kind: legible::words(&event.kind, 100),
        occurred_at: event.created_at.and_then(moment),
        fact: fact(account, live, &event)?,
    })
}

/// The id in the header; without a usable one, the body's hash.
fn event_id(headers: &HeaderMap, body: &[u8]) -> String {
    header::only(headers, EVENT_ID)
        .ok()
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|text| legible::id(text, "the event's id").ok())
        .unwrap_or_else(|| hex::encode(Sha256::digest(body)))
}

/// Unix seconds. Anything else is no moment, and no matter.
fn moment(raw: &RawValue) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(raw.get().parse().ok()?).ok()
}

fn fact(account: &GatewayAccount, live: bool, event: &Event<'_>) -> Result<Fact, Unreadable> {
    let state = match &*event.kind {
        "payment.authorized" => PaymentState::Authorised,
        "payment.captured" | "order.paid" => PaymentState::Captured,
        "payment.failed" => PaymentState::Failed,
        "refund.created" | "refund.processed" | "refund.failed" => {
            return refund(account, live, event);
        }
        kind if kind.starts_with("payment.dispute.") => {
            let dispute: Dispute<'_> =
                entity(payload(event)?.dispute, "an event without its dispute")?;
            return dispute.fact(account, live).map(Fact::Dispute);
        }
        _ => return Ok(Fact::Nothing),
    };
    let payload = payload(event)?;
    let payment: Payment<'_> = entity(payload.payment, "an event without its payment")?;
    if state == PaymentState::Captured && payment.state() != Some(PaymentState::Captured) {
        return Err(Unreadable::Value {
            what: "a payment that was captured but has another status",
        });
    }
    let order = match payload.order {
        Some(order) => {
            let order: Order<'_> = inside(order.entity)?;
            order.reference()
        }
        None => Reference::Absent,
    };
    payment.fact(account, state, order, live).map(Fact::Payment)
}

fn refund(account: &GatewayAccount, live: bool, event: &Event<'_>) -> Result<Fact, Unreadable> {
    let payload = payload(event)?;
    let refund: Refund<'_> = entity(payload.refund, "an event without its refund")?;
    let of = payload
        .payment
        .map(|held| inside::<Payment<'_>>(held.entity));
    if of.is_some_and(|payment| payment.is_ok_and(|payment| payment.never_captured())) {
        return Ok(Fact::Nothing);
    }
    refund.fact(account, live).map(Fact::Refund)
}

fn payload<'a>(event: &Event<'a>) -> Result<Payload<'a>, Unreadable> {
    let raw = event.payload.ok_or(Unreadable::Value {
        what: "an event without its payload",
    })?;
    inside(raw)
}

fn entity<'a, T: Deserialize<'a>>(
    held: Option<Held<'a>>,
    what: &'static str,
) -> Result<T, Unreadable> {
    inside(held.ok_or(Unreadable::Value { what })?.entity)
}

fn inside<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Unreadable> {
    serde_json::from_str(raw.get()).map_err(|error| Unreadable::shape(&error))
}

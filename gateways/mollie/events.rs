//! Mollie's events. Amounts are decimal texts.
//!
//! | what comes | fact |
//! |---|---|
//! | `payment.*`, with the payment in it | the payment, by its `status` |
//! | `refund.*`, with the refund in it | the refund, by its `status` |
//! | `payment.*` without the payment, and the form `id=tr_…` | a hint |
//! | everything else | nothing |
//!
//! Our reference is in the entity's `metadata`. (docs.mollie.com/reference/payments-api-webhooks)

use std::borrow::Cow;

use boxoffice_saga::fact::{Fact, HintFact, PaymentState, Reading, Reference, RefundState};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::amount;
use crate::legible;
use crate::port::Unreadable;
use crate::readings::Item;
use crate::reference::Metadata;
use crate::speaker::Speaker;

/// The longest id that a hint may bear. Mollie's have some twenty characters.
const LONGEST_HINT: usize = 64;

/// An event with its entity, or the entity alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    resource: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    entity_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "_embedded")]
    embedded: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Embedded<'a> {
    #[serde(borrow, default)]
    entity: Option<&'a RawValue>,
}

/// A payment or a refund.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity<'a> {
    #[serde(borrow)]
    resource: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    mode: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    payment_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    amount: Option<Amount<'a>>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Amount<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

pub(super) fn read(speaker: &Speaker, body: &[u8]) -> Item {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Value {
        what: "a body that is not UTF-8",
    })?;
    let event: Event<'_> = serde_json::from_str(text).map_err(|error| Unreadable::shape(&error))?;
    if event.resource != "event" {
        // The entity alone: the same entity in the same state is the same event.
        return Ok(Reading {
            event_id: hex::encode(Sha256::digest(body)),
            kind: legible::words(&event.resource, 100),
            occurred_at: None,
            fact: entity(speaker, text)?,
        });
    }
    let kind = event.kind.as_deref().unwrap_or_default();
    let payment = kind.starts_with("payment.");
    let embedded: Option<Embedded<'_>> = match event.embedded {
        Some(raw) if payment || kind.starts_with("refund.") => {
            Some(serde_json::from_str(raw.get()).map_err(|error| Unreadable::shape(&error))?)
        }
        _ => None,
    };
    let fact = match (embedded.and_then(|inside| inside.entity), &event.entity_id) {
        (Some(raw), _) => entity(speaker, raw.get())?,
        (None, Some(id)) if payment => hint_at(speaker, id)?,
        _ => Fact::Nothing,
    };
    Ok(Reading {
        event_id: legible::id(&event.id, "the event's id")?,
        kind: legible::words(kind, 100),
        occurred_at: None,
        fact,
    })
}

/// The id that stands in an unsigned form, if the body is one.
pub(super) fn hinted(body: &[u8]) -> Option<&str> {
    let id = std::str::from_utf8(body.strip_prefix(b"id=")?).ok()?;
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    ((1..=LONGEST_HINT).contains(&id.len()) && id.bytes().all(plain)).then_some(id)
}

pub(super) fn hint(speaker: &Speaker, id: &str) -> Item {
    Ok(Reading {
        event_id: format!("hint:{id}"),
        kind: "hint".to_owned(),
        occurred_at: None,
        // Of an order or a subscription it is too: nobody knows these as payments, so nothing comes of it.
        fact: hint_at(speaker, id)?,
    })
}

fn hint_at(speaker: &Speaker, id: &str) -> Result<Fact, Unreadable> {
    Ok(Fact::Hint(HintFact {
        account: speaker.account.clone(),
        gateway_payment_id: legible::id(id, "the payment's id")?,
        reference: Reference::Absent,
    }))
}

/// What a payment or a refund says, as it stands in a webhook or in an answer.
pub(super) fn entity(speaker: &Speaker, json: &str) -> Result<Fact, Unreadable> {
    let entity: Entity<'_> =
        serde_json::from_str(json).map_err(|error| Unreadable::shape(&error))?;
    match &*entity.resource {
        "payment" => payment(speaker, &entity),
        "refund" => refund(speaker, &entity),
        _ => Ok(Fact::Nothing),
    }
}

fn payment(speaker: &Speaker, entity: &Entity<'_>) -> Result<Fact, Unreadable> {
    let state = match &*entity.status {
        "open" => PaymentState::Open,
        "pending" => PaymentState::Processing,
        "authorized" => PaymentState::Authorised,
        "paid" => PaymentState::Captured,
        "canceled" | "expired" => PaymentState::Cancelled,
        "failed" => PaymentState::Failed,
        _ => return Ok(Fact::Nothing),
    };
    speaker.in_mode(entity.live())?;
    let reference = entity.metadata.reference();
    speaker.payment(&entity.id, reference, state, entity.money()?, None)
}

fn refund(speaker: &Speaker, entity: &Entity<'_>) -> Result<Fact, Unreadable> {
    let state = match &*entity.status {
        "queued" | "pending" | "processing" => RefundState::Pending,
        "refunded" => RefundState::Succeeded,
        "failed" | "canceled" => RefundState::Failed,
        _ => return Ok(Fact::Nothing),
    };
    speaker.in_mode(entity.live())?;
    let payment = entity.payment_id.as_deref().unwrap_or_default();
    let amount = entity.money()?;
    // Only below its payment can it be asked for.
    let id = format!("{payment}:{}", entity.id);
    speaker.refund(&id, payment, &entity.metadata, state, amount)
}

impl Entity<'_> {
    fn live(&self) -> Option<bool> {
        self.mode.as_deref().map(|mode| mode == "live")
    }

    fn money(&self) -> Result<boxoffice_saga::money::Money, Unreadable> {
        let amount = self
            .amount
            .as_ref()
            .ok_or(Unreadable::Value { what: "the amount" })?;
        amount::decimal(&amount.value, &amount.currency)
    }
}

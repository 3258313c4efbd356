//! Where things are in a body whose shape is configured.

use std::borrow::Cow;
use std::collections::BTreeMap;

use boxoffice_saga::fact::{Fact, PaymentState, Reading, RefundState};
use boxoffice_saga::money::Money;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::pointer::{find, is_pointer, text};
use crate::port::Unreadable;
use crate::readings::Item;
use crate::reference::{Loose, Metadata};
use crate::speaker::Speaker;
use crate::{amount, legible};

/// Pointers (RFC 6901) to what is read of a body, for example `/data/object/id`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// The event's id. Default: the body's SHA-256 is it.
    #[serde(default)]
    pub id: Option<String>,
    /// The kind of event.
    pub kind: String,
    /// What the gateway's kinds mean; the others are of no interest.
    pub kinds: BTreeMap<String, Meaning>,
    /// The gateway's id of the payment.
    pub payment_id: String,
    /// Our booking. Default: no event bears it.
    #[serde(default)]
    pub booking_id: Option<String>,
    /// The gateway's id of the refund, in events that are about one.
    #[serde(default)]
    pub refund_id: Option<String>,
    /// The amount.
    pub amount: String,
    /// How it is written: `minor` (the default: a whole number of minor units) or `decimal` (`450.00`).
    #[serde(default)]
    pub amount_is: AmountIs,
    /// The currency: a pointer, or the one that all amounts are in, for example `INR`.
    pub currency: String,
}

/// What a kind of event means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Meaning {
    /// The money of a payment is taken.
    #[serde(rename = "payment.succeeded")]
    PaymentSucceeded,
    /// A payment failed.
    #[serde(rename = "payment.failed")]
    PaymentFailed,
    /// A refund is done.
    #[serde(rename = "refund.succeeded")]
    RefundSucceeded,
    /// A refund did not happen, or came back.
    #[serde(rename = "refund.failed")]
    RefundFailed,
}

/// How amounts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountIs {
    /// A whole number of minor units.
    #[default]
    Minor,
    /// Major units, with a point.
    Decimal,
}

impl Fields {
    /// # Errors
    /// In words, what cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        let optional = [&self.id, &self.booking_id, &self.refund_id];
        let pointers = [&self.kind, &self.payment_id, &self.amount];
        for pointer in pointers.into_iter().chain(optional.into_iter().flatten()) {
            if !is_pointer(pointer) {
                return Err(format!(
                    "{pointer:?} in `fields` is no pointer: write it as /data/id"
                ));
            }
        }
        if !is_pointer(&self.currency)
            && self
                .currency
                .parse::<boxoffice_saga::money::Currency>()
                .is_err()
        {
            return Err("`currency` in `fields` is neither a pointer nor three letters".into());
        }
        let returns =
            |meaning: &Meaning| matches!(meaning, Meaning::RefundSucceeded | Meaning::RefundFailed);
        if self.kinds.values().any(returns) && self.refund_id.is_none() {
            return Err("`fields` has kinds about refunds, and so needs `refund_id`".into());
        }
        Ok(())
    }

    pub(super) fn read(&self, speaker: &Speaker, body: &[u8]) -> Item {
        let json = std::str::from_utf8(body).map_err(|_| Unreadable::Value {
            what: "a body that is not UTF-8",
        })?;
        let event_id = match &self.id {
            Some(id) => legible::id(&needed(json, id, "the event's id")?, "the event's id")?,
            None => hex::encode(Sha256::digest(body)),
        };
        let kind = needed(json, &self.kind, "the kind of event")?;
        let fact = match self.kinds.get(&*kind) {
            Some(meaning) => self.fact(speaker, *meaning, json)?,
            None => Fact::Nothing,
        };
        Ok(Reading {
            event_id,
            kind: legible::words(&kind, 100),
            occurred_at: None,
            fact,
        })
    }

    fn fact(&self, speaker: &Speaker, meaning: Meaning, json: &str) -> Result<Fact, Unreadable> {
        let payment = needed(json, &self.payment_id, "the payment's id")?;
        let booking = match &self.booking_id {
            Some(pointer) => find(json, pointer)?.map_or(Loose::Nothing, loose),
            None => Loose::Nothing,
        };
        let metadata = Metadata::of_booking(&booking);
        let amount = self.money(json)?;
        let paid = |state| speaker.payment(&payment, metadata.reference(), state, amount, None);
        let returned = |state| {
            let pointer = self.refund_id.as_deref().unwrap_or_default();
            let refund = needed(json, pointer, "the refund's id")?;
            speaker.refund(&refund, &payment, &metadata, state, amount)
        };
        match meaning {
            Meaning::PaymentSucceeded => paid(PaymentState::Captured),
            Meaning::PaymentFailed => paid(PaymentState::Failed),
            Meaning::RefundSucceeded => returned(RefundState::Succeeded),
            Meaning::RefundFailed => returned(RefundState::Failed),
        }
    }

    fn money(&self, json: &str) -> Result<Money, Unreadable> {
        let currency = if is_pointer(&self.currency) {
            needed(json, &self.currency, "the currency")?
        } else {
            Cow::Borrowed(&*self.currency)
        };
        let written = needed(json, &self.amount, "the amount")?;
        match self.amount_is {
            AmountIs::Decimal => amount::decimal(&written, &currency),
            AmountIs::Minor => {
                let whole = written.bytes().all(|c| c.is_ascii_digit());
                let minor = written.parse().ok().filter(|_| whole);
                amount::whole(
                    minor.ok_or(Unreadable::Value { what: "the amount" })?,
                    &currency,
                )
            }
        }
    }
}

fn needed<'a>(
    json: &'a str,
    pointer: &str,
    what: &'static str,
) -> Result<Cow<'a, str>, Unreadable> {
    find(json, pointer)?
        .and_then(text)
        .ok_or(Unreadable::Value { what })
}

fn loose(value: &RawValue) -> Loose<'_> {
    serde_json::from_str(value.get()).unwrap_or(Loose::Other)
}

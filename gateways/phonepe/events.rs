//! PhonePe's events: those about an order are hints, everything else is nothing.
//!
//! Our id of the payment is the order's `merchantOrderId`, under which the gateway is asked; our booking stands in
//! `metaInfo.udf1`.

use std::borrow::Cow;

use boxoffice_saga::fact::{Fact, HintFact, Reading};
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
    event: Loose<'a>,
    /// What older webhooks have instead.
    #[serde(borrow, default, rename = "type")]
    kind: Loose<'a>,
    #[serde(borrow, default)]
    payload: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order<'a> {
    #[serde(borrow)]
    merchant_order_id: Cow<'a, str>,
    #[serde(borrow, default)]
    meta_info: Option<MetaInfo<'a>>,
}

#[derive(Deserialize)]
struct MetaInfo<'a> {
    #[serde(borrow, default)]
    udf1: Loose<'a>,
}

pub(super) fn read(speaker: &Speaker, body: &[u8]) -> Item {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    let kind = event.event.text().or(event.kind.text()).unwrap_or_default();
    let fact = match kind {
        "checkout.order.completed"
        | "checkout.order.failed"
        | "pg.order.completed"
        | "pg.order.failed" => hint(speaker, &event)?,
        _ => Fact::Nothing,
    };
    Ok(Reading {
        event_id: hex::encode(Sha256::digest(body)),
        kind: legible::words(kind, 100),
        occurred_at: None,
        fact,
    })
}

fn hint(speaker: &Speaker, event: &Event<'_>) -> Result<Fact, Unreadable> {
    let payload = event.payload.ok_or(Unreadable::Value {
        what: "an event without its order",
    })?;
    let order: Order<'_> =
        serde_json::from_str(payload.get()).map_err(|error| Unreadable::shape(&error))?;
    let named = order.meta_info.map(|info| info.udf1.if_ours());
    Ok(Fact::Hint(HintFact {
        account: speaker.account.clone(),
        gateway_payment_id: legible::id(&order.merchant_order_id, "merchantOrderId")?,
        reference: Metadata::of_booking(&named.unwrap_or_default()).reference(),
    }))
}

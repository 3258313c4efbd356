//! Cashfree's webhooks: the envelope, and of the objects inside only what the kind calls for.
//!
//! | kind | fact |
//! |---|---|
//! | `PAYMENT_SUCCESS_WEBHOOK`, `PAYMENT_FAILED_WEBHOOK`, `PAYMENT_USER_DROPPED_WEBHOOK` | the payment, by its status |
//! | `REFUND_STATUS_WEBHOOK` | the refund |
//! | `AUTO_REFUND_STATUS_WEBHOOK` | the refund that Cashfree made by itself |
//! | `DISPUTE_CREATED`, `DISPUTE_UPDATED`, `DISPUTE_CLOSED` | the dispute, unless it only asks for papers |
//! | everything else | nothing, recorded and counted |
//!
//! Cashfree gives its webhooks no id. What happened is one by the payment and its status, or by the refund and its
//! status; where nothing is known to have happened, by the body's SHA-256.

use std::borrow::Cow;

use boxoffice_saga::fact::{DisputeFact, Fact, Reference};
use boxoffice_saga::payment::DisputeStanding;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::objects::{ErrorDetails, Order, Payment, Refund, ident};
use super::{Speaker, name};
use crate::port::Unreadable;
use crate::readings::Item;
use crate::{amount, legible};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    event_time: Option<Cow<'a, str>>,
    /// Raw, so that it is looked into only for kinds that we know, and without recursion.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Paid<'a> {
    #[serde(borrow)]
    order: Order<'a>,
    #[serde(borrow)]
    payment: Payment<'a>,
    #[serde(borrow, default)]
    error_details: Option<ErrorDetails<'a>>,
}

#[derive(Deserialize)]
struct Refunded<'a> {
    #[serde(borrow, alias = "auto_refund")]
    refund: Refund<'a>,
}

#[derive(Deserialize)]
struct Disputed<'a> {
    #[serde(borrow)]
    dispute: Dispute<'a>,
    #[serde(borrow)]
    order_details: DisputedOrder<'a>,
}

#[derive(Deserialize)]
struct Dispute<'a> {
    #[serde(borrow)]
    dispute_id: &'a RawValue,
    #[serde(borrow, default)]
    dispute_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    dispute_status: Cow<'a, str>,
    #[serde(borrow)]
    dispute_amount: &'a RawValue,
    #[serde(borrow)]
    dispute_amount_currency: Cow<'a, str>,
    #[serde(borrow, default)]
    reason_code: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct DisputedOrder<'a> {
    #[serde(borrow)]
    order_id: Cow<'a, str>,
    #[serde(borrow)]
    cf_payment_id: &'a RawValue,
}

pub(super) fn read(speaker: &Speaker, body: &[u8]) -> Item {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    let (event_id, fact) = match &*event.kind {
        "PAYMENT_SUCCESS_WEBHOOK" | "PAYMENT_FAILED_WEBHOOK" | "PAYMENT_USER_DROPPED_WEBHOOK" => {
            paid(speaker, &inside(&event)?)?
        }
        "REFUND_STATUS_WEBHOOK" | "AUTO_REFUND_STATUS_WEBHOOK" => {
            let Refunded { refund } = inside(&event)?;
            let id = format!(
                "{}:refund:{}:{}",
                refund.payment()?,
                refund.refund_id,
                refund.status()
            );
            (id, Fact::Refund(refund.fact(speaker)?))
        }
        "DISPUTE_CREATED" | "DISPUTE_UPDATED" | "DISPUTE_CLOSED" => {
            disputed(speaker, &inside(&event)?)?
        }
        _ => (hex::encode(Sha256::digest(body)), Fact::Nothing),
    };
    Ok(boxoffice_saga::fact::Reading {
        event_id: legible::id(&event_id, "the event's id")?,
        kind: legible::words(&event.kind, 100),
        occurred_at: event
            .event_time
            .and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok()),
        fact,
    })
}

fn paid(speaker: &Speaker, event: &Paid<'_>) -> Result<(String, Fact), Unreadable> {
    let Paid {
        order,
        payment,
        error_details,
    } = event;
    let state = payment.state(speaker.capture).ok_or(Unreadable::Value {
        what: "the payment's status",
    })?;
    let fact = payment.fact(speaker, order, state, error_details.as_ref())?;
    let id = format!("{}:{}", payment.id()?, payment.status());
    Ok((id, Fact::Payment(fact)))
}

fn disputed(speaker: &Speaker, event: &Disputed<'_>) -> Result<(String, Fact), Unreadable> {
    let Disputed {
        dispute,
        order_details,
    } = event;
    let what = "the dispute's id";
    let own = ident(dispute.dispute_id, what)?;
    let status = &*dispute.dispute_status;
    let id = format!("dispute:{own}:{status}");
    // The bank asks for papers, and no money moves.
    if dispute.dispute_type.as_deref() == Some("RETRIEVAL") {
        return Ok((id, Fact::Nothing));
    }
    let standing = if status.ends_with("MERCHANT_WON") {
        DisputeStanding::Won
    } else if status.ends_with("MERCHANT_LOST") || status.ends_with("MERCHANT_ACCEPTED") {
        DisputeStanding::Lost
    } else {
        // A status from tomorrow too: somebody should look.
        DisputeStanding::Opened
    };
    let payment = ident(order_details.cf_payment_id, "cf_payment_id")?;
    let fact = DisputeFact {
        account: speaker.account.clone(),
        gateway_dispute_id: legible::id(&own, what)?,
        gateway_payment_id: name::of(&order_details.order_id, &payment, "the payment's id")?,
        reference: Reference::Absent,
        standing,
        amount: amount::stated(dispute.dispute_amount, &dispute.dispute_amount_currency)?,
        live: speaker.live,
        reason: dispute
            .reason_code
            .as_deref()
            .map(|reason| legible::words(reason, 100)),
    };
    Ok((id, Fact::Dispute(fact)))
}

fn inside<'a, T: Deserialize<'a>>(event: &Event<'a>) -> Result<T, Unreadable> {
    let data = event.data.ok_or(Unreadable::Value {
        what: "an event without its object",
    })?;
    serde_json::from_str(data.get()).map_err(|error| Unreadable::shape(&error))
}

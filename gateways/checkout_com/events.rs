//! Checkout.com's events. Amounts are whole minor units.
//!
//! | kind | fact |
//! |---|---|
//! | `payment_captured`, `_approved`, `_pending`, `_declined`, `_voided`, `_canceled`, `_expired` | the payment |
//! | `payment_refunded`, `payment_refund_pending`, `payment_refund_declined` | the refund, which is the action |
//! | everything else | nothing |
//!
//! Our reference is in `data.metadata`. (checkout.com/docs/developer-resources/event-notifications/event-types)

use std::borrow::Cow;

use boxoffice_saga::fact::{Fact, PaymentState, Reading, RefundState};
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
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    action_id: Option<Cow<'a, str>>,
    amount: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow, default)]
    response_code: Loose<'a>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

enum About {
    Payment(PaymentState),
    Refund(RefundState),
}

pub(super) fn read(speaker: &Speaker, body: &[u8]) -> Item {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    let fact = match &*event.kind {
        "payment_captured" => fact(speaker, &event, About::Payment(PaymentState::Captured))?,
        "payment_approved" => fact(speaker, &event, About::Payment(PaymentState::Authorised))?,
        "payment_pending" => fact(speaker, &event, About::Payment(PaymentState::Processing))?,
        "payment_declined" => fact(speaker, &event, About::Payment(PaymentState::Failed))?,
        "payment_voided" | "payment_canceled" | "payment_expired" => {
            fact(speaker, &event, About::Payment(PaymentState::Cancelled))?
        }
        "payment_refunded" => fact(speaker, &event, About::Refund(RefundState::Succeeded))?,
        "payment_refund_pending" => fact(speaker, &event, About::Refund(RefundState::Pending))?,
        "payment_refund_declined" => fact(speaker, &event, About::Refund(RefundState::Failed))?,
        _ => Fact::Nothing,
    };
    Ok(Reading {
        event_id: legible::id(&event.id, "the event's id")?,
        kind: legible::words(&event.kind, 100),
        occurred_at: None,
        fact,
    })
}

fn fact(speaker: &Speaker, event: &Event<'_>, about: About) -> Result<Fact, Unreadable> {
    let data = event.data.ok_or(Unreadable::Value {
        what: "an event without its data",
    })?;
    let data: Data<'_> =
        serde_json::from_str(data.get()).map_err(|error| Unreadable::shape(&error))?;
    let amount = amount::whole(data.amount, &data.currency)?;
    match about {
        About::Payment(state) => {
            let failed = state == PaymentState::Failed;
            let reason = data.response_code.text().filter(|_| failed);
            let reference = data.metadata.reference();
            speaker.payment(&data.id, reference, state, amount, reason)
        }
        About::Refund(state) => {
            let id = data.action_id.as_deref().unwrap_or_default();
            // The metadata is the payment's, so it names no refund of ours.
            speaker.refund(id, &data.id, &data.metadata, state, amount)
        }
    }
}

//! Stripe's events: the envelope, and of the object inside only what the kind calls for.
//!
//! | kind | fact |
//! |---|---|
//! | `payment_intent.succeeded`, `.payment_failed`, `.processing`, `.canceled` | the payment |
//! | `payment_intent.amount_capturable_updated` | the payment, if it is reserved as a whole |
//! | `refund.created`, `.updated`, `.failed` | the refund |
//! | `charge.dispute.created`, `.updated`, `.closed`, `.funds_withdrawn`, `.funds_reinstated` | the dispute, if it is a charge-back |
//! | `checkout.session.completed`, `.async_payment_succeeded` | the payment, if the session is ours and paid |
//! | everything else, thin events included | nothing, recorded and counted |
//!
//! `charge.refunded` and `charge.refund.updated` repeat what `refund.*` says.

use std::borrow::Cow;
use std::fmt;

use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reading, Reference};
use boxoffice_saga::identity::GatewayAccount;
use serde::Deserialize;
use serde::de::Visitor;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::objects::{Dispute, Link, PaymentIntent, Refund};
use crate::amount;
use crate::legible;
use crate::port::Unreadable;
use crate::reference::Metadata;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    object: Option<Cow<'a, str>>,
    #[serde(default)]
    created: Moment,
    #[serde(default)]
    livemode: Option<bool>,
    /// Raw, so that it is looked into only for kinds that we know, and without recursion.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<T> {
    object: T,
}

#[derive(Deserialize)]
struct Session<'a> {
    #[serde(borrow, default)]
    payment_intent: Option<Link<'a>>,
    #[serde(borrow, default)]
    payment_status: Option<Cow<'a, str>>,
    #[serde(default)]
    amount_total: Option<i64>,
    #[serde(borrow, default)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

pub(super) fn read(
    account: &GatewayAccount,
    live: bool,
    body: &[u8],
) -> Result<Reading, Unreadable> {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    let thin = event.object.as_deref() == Some("v2.core.event");
    let fact = if thin {
        Fact::Nothing
    } else {
        fact(account, live, &event)?
    };
    Ok(Reading {
        event_id: legible::id(&event.id, "the event's id")?,
        kind: legible::words(&event.kind, 100),
        occurred_at: event.created.0,
        fact,
    })
}

fn fact(account: &GatewayAccount, live: bool, event: &Event<'_>) -> Result<Fact, Unreadable> {
    let state = match &*event.kind {
        "payment_intent.succeeded" => PaymentState::Captured,
        "payment_intent.payment_failed" => PaymentState::Failed,
        "payment_intent.processing" => PaymentState::Processing,
        "payment_intent.canceled" => PaymentState::Cancelled,
        "payment_intent.amount_capturable_updated" => PaymentState::Authorised,
        "refund.created" | "refund.updated" | "refund.failed" => {
            let refund: Refund<'_> = inside(event)?;
            let live = mode(event, None, live)?;
            return Ok(refund
                .fact(account, live)?
                .map_or(Fact::Nothing, Fact::Refund));
        }
        "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.closed"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated" => {
            let dispute: Dispute<'_> = inside(event)?;
            let live = mode(event, dispute.livemode, live)?;
            return Ok(dispute
                .fact(account, live)?
                .map_or(Fact::Nothing, Fact::Dispute));
        }
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            return session(account, live, event);
        }
        _ => return Ok(Fact::Nothing),
    };
    let intent: PaymentIntent<'_> = inside(event)?;
    if state == PaymentState::Authorised && intent.state() != Some(PaymentState::Authorised) {
        // Already captured or cancelled in part: the event of that tells it.
        return Ok(Fact::Nothing);
    }
    if state == PaymentState::Captured && intent.state() != Some(PaymentState::Captured) {
        return Err(Unreadable::Value {
            what: "a payment that succeeded but has another status",
        });
    }
    let live = mode(event, intent.livemode, live)?;
    intent.fact(account, state, live).map(Fact::Payment)
}

/// A checkout session is not of our making, but a merchant's page may open one with our reference in it.
fn session(account: &GatewayAccount, live: bool, event: &Event<'_>) -> Result<Fact, Unreadable> {
    let session: Session<'_> = inside(event)?;
    let reference = session.metadata.reference();
    let (Some(payment), Some("paid")) =
        (&session.payment_intent, session.payment_status.as_deref())
    else {
        return Ok(Fact::Nothing);
    };
    if reference == Reference::Absent {
        return Ok(Fact::Nothing);
    }
    let minor = session.amount_total.ok_or(Unreadable::Value {
        what: "amount_total",
    })?;
    Ok(Fact::Payment(PaymentFact {
        account: account.clone(),
        gateway_payment_id: legible::id(payment.id(), "the session's payment intent")?,
        opened_as: None,
        reference,
        state: PaymentState::Captured,
        amount: amount::whole(minor, session.currency.as_deref().unwrap_or_default())?,
        live: mode(event, None, live)?,
        reason: None,
    }))
}

fn inside<'a, T: Deserialize<'a>>(event: &Event<'a>) -> Result<T, Unreadable> {
    let data = event.data.ok_or(Unreadable::Value {
        what: "an event without its object",
    })?;
    let Data { object } =
        serde_json::from_str(data.get()).map_err(|error| Unreadable::shape(&error))?;
    Ok(object)
}

/// The mode of the event, which must be the account's: test money buys no seat, and real money that comes
/// to a test account is somebody's.
fn mode(event: &Event<'_>, object: Option<bool>, configured: bool) -> Result<bool, Unreadable> {
    match [event.livemode, object]
        .into_iter()
        .flatten()
        .find(|&said| said != configured)
    {
        Some(said) => Err(Unreadable::WrongMode { live: said }),
        None => Ok(configured),
    }
}

/// Unix seconds (snapshot events) or RFC 3339 (thin events). Anything else is no moment, and no matter.
#[derive(Default)]
struct Moment(Option<OffsetDateTime>);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Moment, E> {
        Ok(Moment(OffsetDateTime::from_unix_timestamp(seconds).ok()))
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Moment, E> {
        Ok(Moment(
            i64::try_from(seconds)
                .ok()
                .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok()),
        ))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Moment, E> {
        Ok(Moment(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Moment, E> {
        Ok(Moment(OffsetDateTime::parse(text, &Rfc3339).ok()))
    }

    fn visit_unit<E>(self) -> Result<Moment, E> {
        Ok(Moment(None))
    }
}

//! Stripe's objects, as far as we need them: the same in webhooks and in answers. Everything else in them
//! is passed over, so a field that Stripe adds tomorrow changes nothing here.

use std::borrow::Cow;

use boxoffice_saga::fact::{
    DisputeFact, PaymentFact, PaymentState, Reference, RefundFact, RefundState,
};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::DisputeStanding;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::amount;
use crate::legible;
use crate::port::Unreadable;
use crate::reference::Metadata;

/// A payment intent.
#[derive(Deserialize)]
pub(super) struct PaymentIntent<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    amount: i64,
    #[serde(default)]
    amount_received: Option<i64>,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(default)]
    pub(super) livemode: Option<bool>,
    #[serde(borrow, default)]
    last_payment_error: Option<PaymentError<'a>>,
    #[serde(borrow, default)]
    cancellation_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) client_secret: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct PaymentError<'a> {
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    decline_code: Option<Cow<'a, str>>,
}

impl PaymentIntent<'_> {
    /// Where it stands, by its status. None for a status that we do not know.
    pub(super) fn state(&self) -> Option<PaymentState> {
        Some(match &*self.status {
            // After a decline Stripe goes back to the beginning, keeping the error.
            "requires_payment_method" if self.last_payment_error.is_some() => PaymentState::Failed,
            "requires_payment_method" | "requires_confirmation" | "requires_action" => {
                PaymentState::Open
            }
            "processing" => PaymentState::Processing,
            "requires_capture" => PaymentState::Authorised,
            "canceled" => PaymentState::Cancelled,
            "succeeded" => PaymentState::Captured,
            _ => return None,
        })
    }

    /// Whose it is, by its metadata.
    pub(super) fn reference(&self) -> Reference {
        self.metadata.reference()
    }

    /// The fact that it is in `state`. `live` where the object itself does not say.
    pub(super) fn fact(
        &self,
        account: &GatewayAccount,
        state: PaymentState,
        live: bool,
    ) -> Result<PaymentFact, Unreadable> {
        let minor = match state {
            // What came in may be less than what was asked for.
            PaymentState::Captured => self.amount_received.ok_or(Unreadable::Value {
                what: "amount_received",
            })?,
            _ => self.amount,
        };
        let reason = match state {
            PaymentState::Failed => self
                .last_payment_error
                .as_ref()
                .and_then(|e| e.decline_code.as_ref().or(e.code.as_ref())),
            PaymentState::Cancelled => self.cancellation_reason.as_ref(),
            _ => None,
        };
        Ok(PaymentFact {
            account: account.clone(),
            gateway_payment_id: legible::id(&self.id, "the payment intent's id")?,
            opened_as: None,
            reference: self.reference(),
            state,
            amount: amount::whole(minor, &self.currency)?,
            live: self.livemode.unwrap_or(live),
            reason: reason.map(|reason| legible::words(reason, 100)),
        })
    }
}

/// A refund. It bears no livemode of its own.
#[derive(Deserialize)]
pub(super) struct Refund<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    amount: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    payment_intent: Option<Link<'a>>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    failure_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pending_reason: Option<Cow<'a, str>>,
}

impl Refund<'_> {
    /// What it says. None where it belongs to no payment intent: then it is not of our making.
    pub(super) fn fact(
        &self,
        account: &GatewayAccount,
        live: bool,
    ) -> Result<Option<RefundFact>, Unreadable> {
        let Some(payment) = &self.payment_intent else {
            return Ok(None);
        };
        let status = self.status.as_deref().unwrap_or("pending");
        let (state, reason) = match status {
            "pending" | "requires_action" => (RefundState::Pending, self.pending_reason.as_deref()),
            "succeeded" => (RefundState::Succeeded, None),
            "failed" | "canceled" => (
                RefundState::Failed,
                Some(self.failure_reason.as_deref().unwrap_or(status)),
            ),
            // A status from tomorrow: neither done nor failed, so it is followed until it is.
            other => (RefundState::Pending, Some(other)),
        };
        Ok(Some(RefundFact {
            account: account.clone(),
            gateway_refund_id: legible::id(&self.id, "the refund's id")?,
            gateway_payment_id: legible::id(payment.id(), "the refund's payment intent")?,
            reference: self.metadata.reference(),
            refund: self.metadata.refund(),
            generation: self.metadata.generation(),
            state,
            amount: amount::whole(self.amount, &self.currency)?,
            live,
            reason: reason.map(|reason| legible::words(reason, 100)),
        }))
    }
}

/// A dispute. The money is withdrawn when it opens; we count it as gone only when the dispute is lost.
#[derive(Deserialize)]
pub(super) struct Dispute<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    amount: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    payment_intent: Option<Link<'a>>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) livemode: Option<bool>,
}

impl Dispute<'_> {
    /// What it says. None where it belongs to no payment intent, or is an inquiry by which no money moves.
    pub(super) fn fact(
        &self,
        account: &GatewayAccount,
        live: bool,
    ) -> Result<Option<DisputeFact>, Unreadable> {
        let Some(payment) = &self.payment_intent else {
            return Ok(None);
        };
        let standing = match &*self.status {
            "warning_needs_response" | "warning_under_review" | "warning_closed" => {
                return Ok(None);
            }
            "won" | "prevented" => DisputeStanding::Won,
            "lost" => DisputeStanding::Lost,
            // A status from tomorrow: somebody should look.
            _ => DisputeStanding::Opened,
        };
        Ok(Some(DisputeFact {
            account: account.clone(),
            gateway_dispute_id: legible::id(&self.id, "the dispute's id")?,
            gateway_payment_id: legible::id(payment.id(), "the dispute's payment intent")?,
            reference: self.metadata.reference(),
            standing,
            amount: amount::whole(self.amount, &self.currency)?,
            live: self.livemode.unwrap_or(live),
            reason: self
                .reason
                .as_deref()
                .map(|reason| legible::words(reason, 100)),
        }))
    }
}

/// A reference to another object: its id, or the object itself where the account has it expanded.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Link<'a> {
    Id(#[serde(borrow)] Cow<'a, str>),
    Object {
        #[serde(borrow)]
        id: Cow<'a, str>,
    },
}

impl Link<'_> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

/// A page of a list. The items stay raw, so that each is read by itself.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub(super) data: Vec<&'a RawValue>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// Anything that a list holds, as far as the next page needs it.
#[derive(Deserialize)]
pub(super) struct Listed<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
}

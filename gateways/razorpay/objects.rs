//! Razorpay's entities, as far as we need them: the same in webhooks and in answers. Everything else in them is passed
//! over, so a field that Razorpay adds tomorrow changes nothing here.
//!
//! Amounts are whole numbers of the currency's smallest unit: paise, but also yen and fils.

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

/// An order: what our attempt is. It never expires and cannot be cancelled.
#[derive(Deserialize)]
pub(super) struct Order<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    pub(super) amount: i64,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    /// `created` until the customer has tried to pay, then `attempted`, at last `paid`.
    #[serde(borrow)]
    pub(super) status: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) receipt: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    notes: Metadata<'a>,
}

impl Order<'_> {
    /// Whose it is. Only our own server writes an order's notes.
    pub(super) fn reference(&self) -> Reference {
        self.notes.reference()
    }

    /// The fact that nothing of it is reserved or taken: `state` is open or failed.
    pub(super) fn unpaid(
        &self,
        account: &GatewayAccount,
        state: PaymentState,
        live: bool,
    ) -> Result<PaymentFact, Unreadable> {
        Ok(PaymentFact {
            account: account.clone(),
            gateway_payment_id: legible::id(&self.id, "the order's id")?,
            opened_as: None,
            reference: self.reference(),
            state,
            amount: amount::whole(self.amount, &self.currency)?,
            live,
            reason: None,
        })
    }
}

/// A payment: one try of the customer's.
#[derive(Deserialize)]
pub(super) struct Payment<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    amount: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) order_id: Option<Cow<'a, str>>,
    /// `true` or `false`, and in old events 1 or 0.
    #[serde(borrow, default)]
    captured: Option<&'a RawValue>,
    #[serde(borrow, default)]
    notes: Metadata<'a>,
    #[serde(borrow, default)]
    error_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) created_at: i64,
}

impl Payment<'_> {
    /// Where it stands, by its status. None for a status that we do not know.
    pub(super) fn state(&self) -> Option<PaymentState> {
        Some(match &*self.status {
            "created" | "pending" => PaymentState::Open,
            "authorized" => PaymentState::Authorised,
            "captured" => PaymentState::Captured,
            // What was returned was taken before; but Razorpay also gives back by itself what nobody captured in
            // time, and calls that a refund too.
            "refunded" if self.never_captured() => PaymentState::Cancelled,
            "refunded" => PaymentState::Captured,
            "failed" => PaymentState::Failed,
            _ => return None,
        })
    }

    /// Whether no money of it was ever taken.
    pub(super) fn never_captured(&self) -> bool {
        self.captured
            .is_some_and(|said| matches!(said.get(), "false" | "0"))
    }

    /// Whose it is, by its own notes. The page in the customer's browser writes them, if anybody does.
    pub(super) fn reference(&self) -> Reference {
        self.notes.reference()
    }

    /// The fact that it is in `state`. `order` is its order's reference, for a payment that bears none itself.
    pub(super) fn fact(
        &self,
        account: &GatewayAccount,
        state: PaymentState,
        order: Reference,
        live: bool,
    ) -> Result<PaymentFact, Unreadable> {
        let reason = match state {
            PaymentState::Failed => self.error_reason.as_ref().or(self.error_code.as_ref()),
            _ => None,
        };
        let opened_as = match &self.order_id {
            Some(order) => Some(legible::id(order, "the payment's order")?),
            None => None,
        };
        Ok(PaymentFact {
            account: account.clone(),
            gateway_payment_id: legible::id(&self.id, "the payment's id")?,
            opened_as,
            reference: match self.reference() {
                Reference::Absent => order,
                own => own,
            },
            state,
            amount: amount::whole(self.amount, &self.currency)?,
            live,
            reason: reason.map(|reason| legible::words(reason, 100)),
        })
    }
}

/// A refund.
#[derive(Deserialize)]
pub(super) struct Refund<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    payment_id: Cow<'a, str>,
    amount: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    notes: Metadata<'a>,
}

impl Refund<'_> {
    /// What it says.
    pub(super) fn fact(
        &self,
        account: &GatewayAccount,
        live: bool,
    ) -> Result<RefundFact, Unreadable> {
        let (state, reason) = match self.status.as_deref() {
            Some("processed") => (RefundState::Succeeded, None),
            Some("failed") => (RefundState::Failed, Some("failed")),
            Some("pending") | None => (RefundState::Pending, None),
            // A status from tomorrow: neither done nor failed, so it is followed until it is.
            Some(other) => (RefundState::Pending, Some(other)),
        };
        Ok(RefundFact {
            account: account.clone(),
            gateway_refund_id: legible::id(&self.id, "the refund's id")?,
            gateway_payment_id: legible::id(&self.payment_id, "the refund's payment")?,
            reference: self.notes.reference(),
            refund: self.notes.refund(),
            generation: self.notes.generation(),
            state,
            amount: amount::whole(self.amount, &self.currency)?,
            live,
            reason: reason.map(|reason| legible::words(reason, 100)),
        })
    }
}

/// A dispute. We count the money as gone only when the dispute is lost.
#[derive(Deserialize)]
pub(super) struct Dispute<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    payment_id: Cow<'a, str>,
    amount: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    reason_code: Option<Cow<'a, str>>,
}

impl Dispute<'_> {
    /// What it says.
    pub(super) fn fact(
        &self,
        account: &GatewayAccount,
        live: bool,
    ) -> Result<DisputeFact, Unreadable> {
        let standing = match &*self.status {
            // Closed: answered in time, and no money moved.
            "won" | "closed" => DisputeStanding::Won,
            "lost" => DisputeStanding::Lost,
            // `open`, `under_review`, or a status from tomorrow: somebody should look.
            _ => DisputeStanding::Opened,
        };
        Ok(DisputeFact {
            account: account.clone(),
            gateway_dispute_id: legible::id(&self.id, "the dispute's id")?,
            gateway_payment_id: legible::id(&self.payment_id, "the dispute's payment")?,
            reference: Reference::Absent,
            standing,
            amount: amount::whole(self.amount, &self.currency)?,
            live,
            reason: self
                .reason_code
                .as_deref()
                .map(|reason| legible::words(reason, 100)),
        })
    }
}

/// A list, or a page of one. The items stay raw, so that each is read by itself.
#[derive(Deserialize)]
pub(super) struct Collection<'a> {
    #[serde(borrow)]
    pub(super) items: Vec<&'a RawValue>,
}

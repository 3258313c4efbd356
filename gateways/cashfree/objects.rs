//! Cashfree's objects, as far as we need them: nearly the same in webhooks and in answers. Everything else in them is
//! passed over. Ids are numbers in older versions of the API and texts in newer ones.

use std::borrow::Cow;

use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::payment::CaptureMode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Speaker, name};
use crate::port::Unreadable;
use crate::reference::Metadata;
use crate::{amount, legible};

/// An order.
#[derive(Deserialize)]
pub(super) struct Order<'a> {
    #[serde(borrow)]
    pub(super) order_id: Cow<'a, str>,
    #[serde(borrow)]
    order_amount: &'a RawValue,
    #[serde(borrow)]
    order_currency: Cow<'a, str>,
    /// Absent in webhooks.
    #[serde(borrow, default)]
    pub(super) order_status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    order_tags: Metadata<'a>,
    #[serde(borrow, default)]
    pub(super) payment_session_id: Option<Cow<'a, str>>,
}

impl Order<'_> {
    /// Whose it is, by its tags.
    pub(super) fn reference(&self) -> Reference {
        self.order_tags.reference()
    }

    /// The fact that it is in `state`, and nobody has paid it.
    pub(super) fn unpaid(
        &self,
        speaker: &Speaker,
        state: PaymentState,
    ) -> Result<PaymentFact, Unreadable> {
        let id = name::of_order(&self.order_id)?;
        Ok(PaymentFact {
            account: speaker.account.clone(),
            gateway_payment_id: id.clone(),
            opened_as: Some(id),
            reference: self.reference(),
            state,
            amount: amount::stated(self.order_amount, &self.order_currency)?,
            live: speaker.live,
            reason: None,
        })
    }
}

/// A try at paying an order.
#[derive(Deserialize)]
pub(super) struct Payment<'a> {
    #[serde(borrow)]
    cf_payment_id: &'a RawValue,
    #[serde(borrow)]
    payment_status: Cow<'a, str>,
    #[serde(borrow, default)]
    payment_amount: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payment_currency: Option<Cow<'a, str>>,
    #[serde(default)]
    is_captured: Option<bool>,
    #[serde(borrow, default)]
    authorization: Option<Authorization<'a>>,
    #[serde(borrow, default)]
    error_details: Option<ErrorDetails<'a>>,
}

/// What became of a reservation.
#[derive(Deserialize)]
struct Authorization<'a> {
    #[serde(borrow, default)]
    action: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    captured_amount: Option<&'a RawValue>,
}

/// Why a try failed.
#[derive(Deserialize)]
pub(super) struct ErrorDetails<'a> {
    #[serde(borrow, default)]
    error_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error_reason: Option<Cow<'a, str>>,
}

impl<'a> Payment<'a> {
    /// Cashfree's id of it.
    pub(super) fn id(&self) -> Result<Cow<'a, str>, Unreadable> {
        ident(self.cf_payment_id, "cf_payment_id")
    }

    /// The status, as it stands there.
    pub(super) fn status(&self) -> &str {
        &self.payment_status
    }

    /// Where it stands. None for a status that we do not know.
    pub(super) fn state(&self, capture: CaptureMode) -> Option<PaymentState> {
        Some(match &*self.payment_status {
            "SUCCESS" => match (self.acted(), self.is_captured, capture) {
                (Some("VOID"), ..) => PaymentState::Cancelled,
                (Some("CAPTURE"), ..) | (_, Some(true), _) => PaymentState::Captured,
                (_, Some(false), _) => PaymentState::Authorised,
                (_, None, CaptureMode::Automatic) => PaymentState::Captured,
                // Asked to take it, Cashfree says whether it was taken already.
                (_, None, CaptureMode::AfterSeats) => PaymentState::Authorised,
            },
            // Held for a look at it, or with the bank.
            "PENDING" | "FLAGGED" => PaymentState::Processing,
            "FAILED" | "USER_DROPPED" | "CANCELLED" => PaymentState::Failed,
            "VOID" => PaymentState::Cancelled,
            "NOT_ATTEMPTED" => PaymentState::Open,
            _ => return None,
        })
    }

    /// What was done with the reservation, if it is done.
    fn acted(&self) -> Option<&str> {
        let authorization = self.authorization.as_ref()?;
        (authorization.status.as_deref() == Some("SUCCESS"))
            .then_some(authorization.action.as_deref())?
    }

    /// The fact that a try at `order` is in `state`. `error` as it stands beside it in a webhook.
    pub(super) fn fact(
        &self,
        speaker: &Speaker,
        order: &Order<'_>,
        state: PaymentState,
        error: Option<&ErrorDetails<'_>>,
    ) -> Result<PaymentFact, Unreadable> {
        let taken = self
            .authorization
            .as_ref()
            .and_then(|authorization| authorization.captured_amount)
            .filter(|_| state == PaymentState::Captured && self.acted() == Some("CAPTURE"));
        let amount = match (taken.or(self.payment_amount), state) {
            (Some(amount), _) => amount,
            // What came in must be said.
            (None, PaymentState::Captured) => {
                return Err(Unreadable::Value {
                    what: "payment_amount",
                });
            }
            (None, _) => order.order_amount,
        };
        let currency = self
            .payment_currency
            .as_ref()
            .unwrap_or(&order.order_currency);
        let reason = error
            .or(self.error_details.as_ref())
            .and_then(|error| error.error_reason.as_ref().or(error.error_code.as_ref()))
            .map_or(self.status(), AsRef::as_ref);
        let failed = matches!(state, PaymentState::Failed | PaymentState::Cancelled);
        Ok(PaymentFact {
            account: speaker.account.clone(),
            gateway_payment_id: name::of(&order.order_id, &self.id()?, "the payment's id")?,
            opened_as: Some(name::of_order(&order.order_id)?),
            reference: order.reference(),
            state,
            amount: amount::stated(amount, currency)?,
            live: speaker.live,
            reason: failed.then(|| legible::words(reason, 100)),
        })
    }
}

/// A refund, under the id that its maker gave it.
#[derive(Deserialize)]
pub(super) struct Refund<'a> {
    #[serde(borrow)]
    cf_payment_id: &'a RawValue,
    #[serde(borrow)]
    order_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) refund_id: Cow<'a, str>,
    #[serde(borrow)]
    refund_amount: &'a RawValue,
    #[serde(borrow)]
    refund_currency: Cow<'a, str>,
    #[serde(borrow)]
    refund_status: Cow<'a, str>,
}

impl<'a> Refund<'a> {
    /// Cashfree's id of the payment that it returns.
    pub(super) fn payment(&self) -> Result<Cow<'a, str>, Unreadable> {
        ident(self.cf_payment_id, "cf_payment_id")
    }

    /// The status, as it stands there.
    pub(super) fn status(&self) -> &str {
        &self.refund_status
    }

    /// What it says.
    pub(super) fn fact(&self, speaker: &Speaker) -> Result<RefundFact, Unreadable> {
        let state = match self.status() {
            "SUCCESS" => RefundState::Succeeded,
            "FAILED" | "CANCELLED" => RefundState::Failed,
            // PENDING, ONHOLD (our balance there does not cover it), and a status from tomorrow: neither done nor
            // failed, so it is followed until it is.
            _ => RefundState::Pending,
        };
        let ours = name::our_refund(&self.refund_id);
        Ok(RefundFact {
            account: speaker.account.clone(),
            gateway_refund_id: name::of(&self.order_id, &self.refund_id, "the refund's id")?,
            gateway_payment_id: name::of(&self.order_id, &self.payment()?, "the payment's id")?,
            // Refunds bear no tags; the payment leads to the booking.
            reference: Reference::Absent,
            refund: ours.map(|(refund, _)| refund),
            generation: ours.map(|(_, generation)| generation),
            state,
            amount: amount::stated(self.refund_amount, &self.refund_currency)?,
            live: speaker.live,
            reason: (state != RefundState::Succeeded).then(|| legible::words(self.status(), 100)),
        })
    }
}

/// An id that is a text or a number of digits.
pub(super) fn ident<'a>(raw: &'a RawValue, what: &'static str) -> Result<Cow<'a, str>, Unreadable> {
    let bad = || Unreadable::Value { what };
    let text = raw.get();
    if text.starts_with('"') {
        return serde_json::from_str(text).map_err(|_| bad());
    }
    if text.bytes().all(|c| c.is_ascii_digit()) {
        Ok(Cow::Borrowed(text))
    } else {
        Err(bad())
    }
}

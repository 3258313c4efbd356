//! Adyen's standard webhooks, item by item.
//!
//! | event code | fact |
//! |---|---|
//! | `AUTHORISATION` | the payment: captured, for Adyen takes the money by itself, or reserved; with `success` `false` a try that failed |
//! | `CAPTURE` of a reservation | the payment: captured; with `success` `false` nothing is taken, nor will be by that request: cancelled |
//! | `CANCELLATION`, `TECHNICAL_CANCEL`, `EXPIRE` of a reservation | the payment: cancelled |
//! | `CANCELLATION`, `CANCEL_OR_REFUND`, `TECHNICAL_CANCEL` | a refund of that amount, for the payment counted as captured |
//! | `REFUND`, `REFUND_FAILED`, `REFUNDED_REVERSED` | the refund |
//! | `CAPTURE_FAILED`, otherwise `CAPTURE` with `success` `false` | a dispute that is lost: the money that counted as captured never came |
//! | `NOTIFICATION_OF_CHARGEBACK`, `CHARGEBACK`, `CHARGEBACK_REVERSED`, `SECOND_CHARGEBACK`, `PREARBITRATION_WON`, `PREARBITRATION_LOST`, `DISPUTE_DEFENSE_PERIOD_ENDED` | the dispute |
//! | everything else | nothing, recorded and counted |
//!
//! What was opened as a reservation says so in its reference, which is signed.
//!
//! An event is one by its code, its PSP reference and its outcome: all three are signed.

use boxoffice_saga::fact::{
    DisputeFact, Fact, PaymentFact, PaymentState, Reading, Reference, RefundFact, RefundState,
};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::DisputeStanding;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::item::{Item, Request, text};
use super::{AdyenDoor, name};
use crate::port::Unreadable;
use crate::readings::{self, Readings};
use crate::{amount, legible};

pub(super) fn read(door: &AdyenDoor, body: &[u8]) -> Readings {
    let request: Request<'_> = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return Err(Unreadable::shape(&error)).into(),
    };
    let live = match request.live.as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let mut items = request
        .items
        .iter()
        .map(|wrapped| one(door, live, &wrapped.item));
    let first = items.next().unwrap_or(Err(Unreadable::Value {
        what: "a request without items",
    }));
    Readings::several(first, items.collect())
}

fn one(door: &AdyenDoor, live: Option<bool>, item: &Item<'_>) -> readings::Item {
    let (code, psp) = (text(&item.event_code), text(&item.psp_reference));
    let success = match text(&item.success) {
        "true" => true,
        "false" => false,
        _ => return Err(Unreadable::Value { what: "success" }),
    };
    let others = door
        .merchant
        .as_deref()
        .is_some_and(|ours| ours != text(&item.merchant_account_code));
    let told = Told {
        door,
        item,
        code,
        success,
    };
    let fact = if others { Fact::Nothing } else { told.fact()? };
    if fact != Fact::Nothing && live != Some(door.live) {
        return Err(match live {
            Some(live) => Unreadable::WrongMode { live },
            None => Unreadable::Value { what: "live" },
        });
    }
    Ok(Reading {
        event_id: legible::id(&format!("{code}:{psp}:{success}"), "the event's id")?,
        kind: legible::words(code, 100),
        occurred_at: OffsetDateTime::parse(text(&item.event_date), &Rfc3339).ok(),
        fact,
    })
}

/// An item, and what is asked of it more than once.
struct Told<'a> {
    door: &'a AdyenDoor,
    item: &'a Item<'a>,
    code: &'a str,
    success: bool,
}

impl Told<'_> {
    fn fact(&self) -> Result<Fact, Unreadable> {
        let reserved = name::read(text(&self.item.merchant_reference)).reserved;
        match (self.code, self.success) {
            ("AUTHORISATION", success) => self.authorised(success),
            ("CAPTURE", true) if reserved => self.reservation(PaymentState::Captured),
            ("CAPTURE", false) | ("CANCELLATION" | "TECHNICAL_CANCEL" | "EXPIRE", true)
                if reserved =>
            {
                self.reservation(PaymentState::Cancelled)
            }
            ("CANCELLATION" | "CANCEL_OR_REFUND" | "TECHNICAL_CANCEL", true) | ("REFUND", true) => {
                self.refund(RefundState::Succeeded)
            }
            ("REFUND", false) | ("REFUND_FAILED" | "REFUNDED_REVERSED", true) => {
                self.refund(RefundState::Failed)
            }
            ("CAPTURE_FAILED", true) | ("CAPTURE", false) => self.dispute(DisputeStanding::Lost),
            ("NOTIFICATION_OF_CHARGEBACK" | "CHARGEBACK", true) => {
                self.dispute(DisputeStanding::Opened)
            }
            ("CHARGEBACK_REVERSED" | "PREARBITRATION_WON", true) => {
                self.dispute(DisputeStanding::Won)
            }
            (
                "SECOND_CHARGEBACK" | "PREARBITRATION_LOST" | "DISPUTE_DEFENSE_PERIOD_ENDED",
                true,
            ) => self.dispute(DisputeStanding::Lost),
            _ => Ok(Fact::Nothing),
        }
    }

    fn authorised(&self, success: bool) -> Result<Fact, Unreadable> {
        let whose = name::read(text(&self.item.merchant_reference));
        let opened_as = match (self.item.additional_data.link(), &whose.reference) {
            (Some(link), _) => Some(legible::id(link, "paymentLinkId")?),
            (None, Reference::Absent) => return Ok(Fact::Nothing),
            // A try that failed says nothing that the link does not say.
            (None, _) if !success => return Ok(Fact::Nothing),
            // Without it the payment and the link that we opened would count as two.
            (None, _) => {
                return Err(Unreadable::Value {
                    what: "a payment of ours without its paymentLinkId: let webhooks bear it (Customer Area, \
                           Developers, Webhooks, Additional settings); without it, it",
                });
            }
        };
        let reason = (!success).then(|| self.reason()).flatten();
        Ok(Fact::Payment(PaymentFact {
            account: self.door.account.clone(),
            gateway_payment_id: id(text(&self.item.psp_reference), "pspReference")?,
            opened_as,
            reference: whose.reference,
            state: match (success, whose.reserved) {
                (true, false) => PaymentState::Captured,
                (true, true) => PaymentState::Authorised,
                (false, _) => PaymentState::Failed,
            },
            amount: self.amount()?,
            live: self.door.live,
            reason,
        }))
    }

    /// What became of a reserved payment.
    fn reservation(&self, state: PaymentState) -> Result<Fact, Unreadable> {
        let link = self.item.additional_data.link();
        Ok(Fact::Payment(PaymentFact {
            account: self.door.account.clone(),
            gateway_payment_id: self.payment()?,
            opened_as: link
                .map(|link| legible::id(link, "paymentLinkId"))
                .transpose()?,
            reference: name::read(text(&self.item.merchant_reference)).reference,
            state,
            amount: self.amount()?,
            live: self.door.live,
            reason: (state == PaymentState::Cancelled)
                .then(|| self.reason())
                .flatten()
                .or_else(|| {
                    (state == PaymentState::Cancelled).then(|| self.code.to_ascii_lowercase())
                }),
        }))
    }

    fn refund(&self, state: RefundState) -> Result<Fact, Unreadable> {
        let whose = name::read(text(&self.item.merchant_reference));
        Ok(Fact::Refund(RefundFact {
            account: self.door.account.clone(),
            gateway_refund_id: id(text(&self.item.psp_reference), "pspReference")?,
            gateway_payment_id: self.payment()?,
            reference: whose.reference,
            refund: whose.refund.map(|(refund, _)| refund),
            generation: whose.refund.map(|(_, generation)| generation),
            state,
            amount: self.amount()?,
            live: self.door.live,
            reason: (state == RefundState::Failed)
                .then(|| self.reason())
                .flatten(),
        }))
    }

    fn dispute(&self, standing: DisputeStanding) -> Result<Fact, Unreadable> {
        Ok(Fact::Dispute(DisputeFact {
            account: self.door.account.clone(),
            gateway_dispute_id: id(text(&self.item.psp_reference), "pspReference")?,
            gateway_payment_id: self.payment()?,
            reference: name::read(text(&self.item.merchant_reference)).reference,
            standing,
            amount: self.amount()?,
            live: self.door.live,
            reason: self
                .reason()
                .or_else(|| Some(self.code.to_ascii_lowercase())),
        }))
    }

    /// The payment that it is about.
    fn payment(&self) -> Result<String, Unreadable> {
        id(text(&self.item.original_reference), "originalReference")
    }

    fn amount(&self) -> Result<Money, Unreadable> {
        let value = self
            .item
            .amount
            .value
            .ok_or(Unreadable::Value { what: "an amount" })?;
        amount::whole(value, text(&self.item.amount.currency))
    }

    fn reason(&self) -> Option<String> {
        let reason = text(&self.item.reason);
        (!reason.is_empty()).then(|| legible::words(reason, 100))
    }
}

fn id(text: &str, what: &'static str) -> Result<String, Unreadable> {
    name::id(text)
        .map(str::to_owned)
        .map_err(|_| Unreadable::Value { what })
}

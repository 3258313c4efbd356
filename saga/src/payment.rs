//! A payment owns money: open, then captured, and then applied to its booking or to be returned.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::identity::{BookingId, GatewayAccount, PaymentId};
use crate::money::Money;
use crate::refund::RefundCause;

/// Where a payment stands, as far as we know. Knowledge only grows: captured is never taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStanding {
    /// The customer was sent to the gateway; we do not know yet how it went.
    Open,
    /// The bank has reserved the money for seats that are the customer's, and it is being taken
    /// ([`CaptureMode::AfterSeats`]).
    Authorised,
    /// Reserved, and being given up: a seat is lost, or the booking is paid or over.
    GivingUp,
    /// The gateway declined. The customer may try again, and this very payment may still succeed.
    Declined,
    /// Cancelled at the gateway with nothing taken. Money that comes all the same is late money.
    Closed,
    /// The money is taken, and has a verdict.
    Captured,
}

impl PaymentStanding {
    const ALL: [Self; 6] = [
        Self::Open,
        Self::Authorised,
        Self::GivingUp,
        Self::Declined,
        Self::Closed,
        Self::Captured,
    ];

    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Authorised => "AUTHORISED",
            Self::GivingUp => "GIVING_UP",
            Self::Declined => "DECLINED",
            Self::Closed => "CLOSED",
            Self::Captured => "CAPTURED",
        }
    }

    /// The standing of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.name() == name)
    }
}

/// When a payment's money is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptureMode {
    /// With the authorisation, by the gateway itself.
    #[default]
    Automatic,
    /// Only when the seats are the customer's: a lost seat is an authorisation given up, and no refund.
    AfterSeats,
}

impl CaptureMode {
    /// The name in the database and in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "AUTOMATIC",
            Self::AfterSeats => "AFTER_SEATS",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Automatic, Self::AfterSeats]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

/// Where a dispute (charge-back) stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStanding {
    /// The customer's bank asks; somebody has to answer at the gateway, before its deadline.
    Opened,
    /// The money stays, or has come back.
    Won,
    /// The bank has taken the money back.
    Lost,
}

/// A dispute about a captured payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dispute {
    /// The gateway's id of it.
    pub gateway_dispute_id: String,
    /// Where it stands.
    pub standing: DisputeStanding,
    /// How much of the payment it is about, in minor units of the payment's currency.
    pub amount_minor: i64,
}

/// What was decided about captured money. One per payment, never reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// It pays for its booking.
    Applied,
    /// It goes back: at least one seat belonged to somebody else.
    SeatsLost,
    /// It goes back: the booking is paid already.
    SecondPayment,
    /// It goes back: not what the booking costs.
    WrongAmount,
    /// It goes back: not the booking's currency.
    WrongCurrency,
    /// It goes back: the booking was cancelled before it came.
    Cancelled,
}

impl Verdict {
    const ALL: [Self; 6] = [
        Self::Applied,
        Self::SeatsLost,
        Self::SecondPayment,
        Self::WrongAmount,
        Self::WrongCurrency,
        Self::Cancelled,
    ];

    /// The name in the database and in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "APPLIED",
            Self::SeatsLost => "SEATS_LOST",
            Self::SecondPayment => "SECOND_PAYMENT",
            Self::WrongAmount => "WRONG_AMOUNT",
            Self::WrongCurrency => "WRONG_CURRENCY",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The verdict of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Why money of this verdict goes back; `None`: it does not.
    pub const fn returns(self) -> Option<RefundCause> {
        match self {
            Self::Applied => None,
            Self::SeatsLost => Some(RefundCause::SeatsLost),
            Self::SecondPayment => Some(RefundCause::SecondPayment),
            Self::WrongAmount => Some(RefundCause::WrongAmount),
            Self::WrongCurrency => Some(RefundCause::WrongCurrency),
            Self::Cancelled => Some(RefundCause::Cancelled),
        }
    }
}

/// A payment's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payment {
    /// Our id of the attempt.
    pub id: PaymentId,
    /// The booking that it is for.
    pub booking: BookingId,
    /// Where it is made.
    pub account: GatewayAccount,
    /// The gateway's id, as soon as we know it.
    pub gateway_payment_id: Option<String>,
    /// When its money is taken.
    pub capture: CaptureMode,
    /// Where it stands.
    pub standing: PaymentStanding,
    /// What was asked for.
    pub expected: Money,
    /// What was taken; set once, together with `verdict`.
    pub captured: Option<Money>,
    /// What was decided about it.
    pub verdict: Option<Verdict>,
    /// How much of it was kept as the fee of a cancellation, in minor units.
    pub retained: i64,
    /// The disputes about it, oldest first.
    pub disputes: Vec<Dispute>,
    /// When the attempt was opened, or first heard of.
    pub opened_at: OffsetDateTime,
    /// When the verdict fell.
    pub decided_at: Option<OffsetDateTime>,
}

impl Payment {
    /// May money be on its way without our knowing?
    pub fn undecided(&self) -> bool {
        matches!(
            self.standing,
            PaymentStanding::Open | PaymentStanding::Authorised | PaymentStanding::GivingUp
        )
    }
}

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
    /// The gateway declined. The customer may try again, and this very payment may still succeed.
    Declined,
    /// Cancelled at the gateway with nothing taken. Money that comes all the same is late money.
    Closed,
    /// The money is taken, and has a verdict.
    Captured,
}

impl PaymentStanding {
    const ALL: [Self; 4] = [Self::Open, Self::Declined, Self::Closed, Self::Captured];

    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Our id of the attempt.
    pub id: PaymentId,
    /// The booking that it is for.
    pub booking: BookingId,
    /// Where it is made.
    pub account: GatewayAccount,
    /// The gateway's id, as soon as we know it.
    pub gateway_payment_id: Option<String>,
    /// Where it stands.
    pub standing: PaymentStanding,
    /// What was asked for.
    pub expected: Money,
    /// What was taken; set once, together with `verdict`.
    pub captured: Option<Money>,
    /// What was decided about it.
    pub verdict: Option<Verdict>,
    /// When the attempt was opened, or first heard of.
    pub opened_at: OffsetDateTime,
    /// When the verdict fell.
    pub decided_at: Option<OffsetDateTime>,
}

impl Payment {
    /// May money be on its way without our knowing?
    pub fn undecided(&self) -> bool {
        self.standing == PaymentStanding::Open
    }
}

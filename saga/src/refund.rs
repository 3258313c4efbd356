//! A refund is a saga of its own: requested (the money is reserved), under way, done; or with an operator.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::booking::BookingState;
use crate::identity::{BookingId, PaymentId, RefundId};
use crate::money::Money;
use crate::payment::{Payment, Verdict};

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundStanding {
    /// Decided, and the money is reserved; no worker has taken it on yet.
    Requested,
    /// A worker has it, and the gateway may have been asked.
    UnderWay,
    /// The gateway has accepted it and is not finished.
    Pending,
    /// The money is back with the customer, as far as the gateway knows.
    Done,
    /// It cannot be finished without a person.
    WithOperator,
}

impl RefundStanding {
    const ALL: [Self; 5] = [
        Self::Requested,
        Self::UnderWay,
        Self::Pending,
        Self::Done,
        Self::WithOperator,
    ];

    /// The name in the database and in the status document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::UnderWay => "UNDER_WAY",
            Self::Pending => "PENDING",
            Self::Done => "DONE",
            Self::WithOperator => "WITH_OPERATOR",
        }
    }

    /// The standing of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.name() == name)
    }

    /// Still to be finished by us or by the gateway.
    pub const fn open(self) -> bool {
        !matches!(self, Self::Done)
    }
}

/// Why money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundCause {
    /// At least one seat belonged to somebody else when it came.
    SeatsLost,
    /// The booking was paid already.
    SecondPayment,
    /// Not what the booking costs.
    WrongAmount,
    /// Not the booking's currency.
    WrongCurrency,
    /// The booking is cancelled: it had paid for it, or it came later.
    Cancelled,
}

impl RefundCause {
    const ALL: [Self; 5] = [
        Self::SeatsLost,
        Self::SecondPayment,
        Self::WrongAmount,
        Self::WrongCurrency,
        Self::Cancelled,
    ];

    /// The name in the database and in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SeatsLost => "SEATS_LOST",
            Self::SecondPayment => "SECOND_PAYMENT",
            Self::WrongAmount => "WRONG_AMOUNT",
            Self::WrongCurrency => "WRONG_CURRENCY",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The cause of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

/// A refund's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its id, derived from the payment.
    pub id: RefundId,
    /// The payment whose money goes back.
    pub payment: PaymentId,
    /// The booking that the payment was for.
    pub booking: BookingId,
    /// How much goes back; at most what was captured.
    pub amount: Money,
    /// Why. A refund is carried out only while that [stands](Refund::stands).
    pub cause: RefundCause,
    /// Where it stands.
    pub standing: RefundStanding,
    /// Which idempotency key is in use at the gateway, from 1. Rises only when a look-up shows that nothing
    /// of the earlier generations is alive.
    pub generation: u32,
    /// The gateway's id, once it has accepted it.
    pub gateway_refund_id: Option<String>,
    /// When it was decided.
    pub requested_at: OffsetDateTime,
    /// When the gateway said that it was done.
    pub done_at: Option<OffsetDateTime>,
}

impl Refund {
    /// Does the decision behind this refund stand? `payment` is the payment that it returns, `booking` the
    /// state of their booking.
    pub fn stands(&self, payment: &Payment, booking: BookingState) -> bool {
        match payment.verdict {
            // What has paid for a booking goes back only with the booking.
            Some(Verdict::Applied) => {
                self.cause == RefundCause::Cancelled && booking == BookingState::Cancelled
            }
            Some(verdict) => verdict.returns() == Some(self.cause),
            None => false,
        }
    }
}

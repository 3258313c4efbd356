//! A refund is a saga of its own: requested (the money is reserved), under way, done; or with an operator.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::booking::BookingState;
use crate::identity::{BookingId, PaymentId, RefundId};
use crate::money::Money;
use crate::payment::{Payment, Verdict};
use crate::task::{TaskKey, TaskKind};

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
    /// Given up, because the customer has the money by another way: a charge-back, a refund made at the
    /// gateway without us. Also one made without us that failed.
    Withdrawn,
}

impl RefundStanding {
    const ALL: [Self; 6] = [
        Self::Requested,
        Self::UnderWay,
        Self::Pending,
        Self::Done,
        Self::WithOperator,
        Self::Withdrawn,
    ];

    /// The name in the database and in the status document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::UnderWay => "UNDER_WAY",
            Self::Pending => "PENDING",
            Self::Done => "DONE",
            Self::WithOperator => "WITH_OPERATOR",
            Self::Withdrawn => "WITHDRAWN",
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
        !matches!(self, Self::Done | Self::Withdrawn)
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
    /// Its show is cancelled, and the booking with it.
    ShowCancelled,
    /// We did not ask for it: somebody made it on the gateway's own dashboard.
    NotAskedFor,
    /// What a refund or a charge-back that came back has left over.
    LeftOver,
}

impl RefundCause {
    const ALL: [Self; 8] = [
        Self::SeatsLost,
        Self::SecondPayment,
        Self::WrongAmount,
        Self::WrongCurrency,
        Self::Cancelled,
        Self::ShowCancelled,
        Self::NotAskedFor,
        Self::LeftOver,
    ];

    /// The name in the database and in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SeatsLost => "SEATS_LOST",
            Self::SecondPayment => "SECOND_PAYMENT",
            Self::WrongAmount => "WRONG_AMOUNT",
            Self::WrongCurrency => "WRONG_CURRENCY",
            Self::Cancelled => "CANCELLED",
            Self::ShowCancelled => "SHOW_CANCELLED",
            Self::NotAskedFor => "NOT_ASKED_FOR",
            Self::LeftOver => "LEFT_OVER",
        }
    }

    /// The cause of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

/// A refund's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Which idempotency key is in use at the gateway, from 1. Rises when a look-up shows that nothing of the earlier
    /// generations is alive, and when a person has it tried again. No later key is used before such a look-up.
    pub generation: u32,
    /// The gateway's id, once it has accepted it.
    pub gateway_refund_id: Option<String>,
    /// How a person sends the money instead, if one does. From then on the gateway is not asked again.
    pub other_way: Option<String>,
    /// What proves that a person has returned it elsewhere.
    pub proof: Option<String>,
    /// When it was decided.
    pub requested_at: OffsetDateTime,
    /// When the gateway, or the person who settled it, said that it was done.
    pub done_at: Option<OffsetDateTime>,
}

impl Refund {
    /// The kind of task by which it is made. The refunds of a cancelled show are a lane of their own, so that
    /// they can be slowed and paused, and others do not wait for them.
    pub const fn lane(&self) -> TaskKind {
        match self.cause {
            RefundCause::ShowCancelled => TaskKind::MassRefund,
            _ => TaskKind::Refund,
        }
    }

    /// The task that makes it under its present generation.
    pub const fn task(&self) -> TaskKey {
        TaskKey {
            kind: self.lane(),
            subject: self.id.uuid(),
            generation: self.generation,
        }
    }

    /// Is it for the gateway to act, and for us to follow? Not one that somebody else made there.
    pub fn gateway_should_act(&self) -> bool {
        self.cause != RefundCause::NotAskedFor
            && matches!(
                self.standing,
                RefundStanding::Requested | RefundStanding::UnderWay | RefundStanding::Pending
            )
    }

    /// Does the decision behind this refund stand? `payment` is the payment that it returns, `booking` the
    /// state of their booking.
    pub fn stands(&self, payment: &Payment, booking: BookingState) -> bool {
        use RefundCause::{Cancelled, LeftOver, NotAskedFor, ShowCancelled};
        match (payment.verdict, self.cause) {
            // It happened, whoever decided it.
            (_, NotAskedFor) => true,
            // What has paid for a booking goes back only with the booking.
            (Some(Verdict::Applied), Cancelled | ShowCancelled | LeftOver) => {
                booking == BookingState::Cancelled
            }
            (Some(Verdict::Applied), _) | (None, _) => false,
            (Some(_), LeftOver) => true,
            (Some(verdict), cause) => verdict.returns() == Some(cause),
        }
    }
}

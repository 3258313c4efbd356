//! A refund is a saga of its own: requested (the money is reserved), under way, done; or with an operator.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::identity::{BookingId, PaymentId, RefundId};
use crate::money::Money;
use crate::payment::Verdict;

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
    /// The verdict that caused it. A refund without that verdict standing is never carried out.
    pub cause: Verdict,
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

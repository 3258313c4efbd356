//! The ledger: append-only double entry per payment. Every captured unit is in exactly one account.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::identity::{BookingId, PaymentId};
use crate::money::Money;

/// Where money can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Account {
    /// Where captured money comes from. Its balance is minus all that was captured.
    Gateway,
    /// Pays for a confirmed booking.
    Applied,
    /// Reserved for a refund that is requested or under way.
    ToReturn,
    /// Back with the customer.
    Refunded,
    /// Waits for a person.
    Operator,
    /// Kept as the fee of a cancellation.
    Retained,
    /// Taken by the bank: a dispute that was lost.
    ChargedBack,
    /// What went out beyond what was captured, by charge-backs and refunds that we did not ask for. Its balance
    /// is minus the loss.
    Loss,
}

impl Account {
    /// All accounts.
    pub const ALL: [Self; 8] = [
        Self::Gateway,
        Self::Applied,
        Self::ToReturn,
        Self::Refunded,
        Self::Operator,
        Self::Retained,
        Self::ChargedBack,
        Self::Loss,
    ];

    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "GATEWAY",
            Self::Applied => "APPLIED",
            Self::ToReturn => "TO_RETURN",
            Self::Refunded => "REFUNDED",
            Self::Operator => "OPERATOR",
            Self::Retained => "RETAINED",
            Self::ChargedBack => "CHARGED_BACK",
            Self::Loss => "LOSS",
        }
    }

    /// The account of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|account| account.name() == name)
    }
}

/// One movement of one payment's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The payment whose money moves.
    pub payment: PaymentId,
    /// Its booking.
    pub booking: BookingId,
    /// From where.
    pub from: Account,
    /// To where.
    pub to: Account,
    /// How much; positive.
    pub amount: Money,
    /// When.
    pub at: OffsetDateTime,
}

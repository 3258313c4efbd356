//! What waits for a person: an item on the operators' list, with a reason that says what to do.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::identity::{BookingId, PaymentId};
use crate::money::Money;

/// Why a person is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// The gateway refuses a refund, or has no way to make one.
    RefundNotPossible,
    /// A refund has been asked for again and again without a usable answer.
    RefundStuck,
    /// A refund that was done came back.
    RefundCameBack,
    /// The gateway has accepted a refund and not finished it for days.
    RefundSlow,
    /// A person sends a refund's money by another way, and has not yet shown that it arrived.
    RefundOtherWay,
    /// The customer's bank disputes a payment: answer it at the gateway before its deadline.
    DisputeOpened,
    /// The customer's bank has taken a payment back.
    DisputeLost,
    /// The gateway tells of a refund that we did not ask for.
    ForeignRefund,
    /// We cannot learn what became of a payment attempt.
    PaymentUnknown,
    /// What the gateway says contradicts what it said before.
    Contradiction,
    /// Money with a reference that looks like ours and names no booking.
    UnknownBooking,
    /// A record whose signature does not hold when it is checked again.
    ForgedRecord,
    /// A payment's record that cannot be read or applied; its bytes are in the dead letters.
    DeadLetter,
    /// A letter that cannot be delivered.
    MailNotDelivered,
    /// The running check has found a promise broken.
    PromiseBroken,
    /// A gateway's books say something else of a payment than ours, and telling them does not mend it.
    BooksDiffer,
}

impl AttentionKind {
    /// All kinds. Each has a section in `docs/operators.md`.
    pub const ALL: [Self; 16] = [
        Self::RefundNotPossible,
        Self::RefundStuck,
        Self::RefundCameBack,
        Self::RefundSlow,
        Self::RefundOtherWay,
        Self::DisputeOpened,
        Self::DisputeLost,
        Self::ForeignRefund,
        Self::PaymentUnknown,
        Self::Contradiction,
        Self::UnknownBooking,
        Self::ForgedRecord,
        Self::DeadLetter,
        Self::MailNotDelivered,
        Self::PromiseBroken,
        Self::BooksDiffer,
    ];

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in the database and on the operators' list.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RefundNotPossible => "refund_not_possible",
            Self::RefundStuck => "refund_stuck",
            Self::RefundCameBack => "refund_came_back",
            Self::RefundSlow => "refund_slow",
            Self::RefundOtherWay => "refund_other_way",
            Self::DisputeOpened => "dispute_opened",
            Self::DisputeLost => "dispute_lost",
            Self::ForeignRefund => "foreign_refund",
            Self::PaymentUnknown => "payment_unknown",
            Self::Contradiction => "contradiction",
            Self::UnknownBooking => "unknown_booking",
            Self::ForgedRecord => "forged_record",
            Self::DeadLetter => "dead_letter",
            Self::MailNotDelivered => "mail_not_delivered",
            Self::PromiseBroken => "promise_broken",
            Self::BooksDiffer => "books_differ",
        }
    }
}

/// One item. There is at most one open item per kind and subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Why a person is needed.
    pub kind: AttentionKind,
    /// What it is about: a refund, a payment, a parked record.
    pub subject: Uuid,
    /// The booking, if one is known.
    pub booking: Option<BookingId>,
    /// The payment, if one is known.
    pub payment: Option<PaymentId>,
    /// How much money waits, if that is known.
    pub amount: Option<Money>,
    /// One sentence: what happened and what to do.
    pub reason: String,
    /// Since when.
    pub at: OffsetDateTime,
}

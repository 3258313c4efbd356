//! What we tell the world about bookings: the events of `bookings.events.v1`.
//!
//! One topic, so that one booking's events have one order; each carries `sequence`, gapless per booking
//! from 1. No personal data. The JSON Schema of each is in `schemas/`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::booking::CancelledBy;
use crate::identity::{BookingId, PaymentId, RefundId, SeatName, ShowId};
use crate::money::Money;
use crate::refund::RefundCause;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The booking.
    pub booking_id: BookingId,
    /// Its show.
    pub show_id: ShowId,
    /// Gapless per booking, from 1.
    pub sequence: u32,
    /// When it was decided, by the database's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

impl Event {
    /// The event's id: the same for every repeat of it.
    pub fn id(&self) -> Uuid {
        Uuid::new_v5(
            &self.booking_id.uuid(),
            format!("event/{}", self.sequence).as_bytes(),
        )
    }
}

/// Money that goes back, as the refund worker needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// The refund that was requested with this event.
    pub refund_id: RefundId,
    /// The payment whose money goes back.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: RefundCause,
}

/// What happened. The names of the variants are the event types on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum EventBody {
    /// Seats are held.
    HoldPlaced {
        /// Which.
        seats: Vec<SeatName>,
        /// What they cost together.
        amount: Money,
        /// The promised end of the hold.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// The hold's promised end is near.
    HoldExpiring {
        /// That end.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// The hold ran out.
    HoldExpired {
        /// The seats that it held.
        seats: Vec<SeatName>,
    },
    /// The customer gave the hold up, or replaced it by a newer one.
    HoldReleased {
        /// The seats that it held.
        seats: Vec<SeatName>,
        /// Whether a newer hold took its place.
        replaced: bool,
    },
    /// Money was captured.
    PaymentCompleted {
        /// Our id of the payment.
        payment_id: PaymentId,
        /// The gateway's name.
        gateway: String,
        /// The gateway's id of the payment.
        gateway_payment_id: String,
        /// What was captured.
        amount: Money,
        /// Whether the hold's promised end had passed.
        late: bool,
    },
    /// The gateway declined. The hold stays.
    PaymentFailed {
        /// Our id of the payment.
        payment_id: PaymentId,
        /// The gateway's code, if it gave one.
        reason: Option<String>,
    },
    /// Paid, and the seats are the customer's.
    BookingConfirmed {
        /// The payment that paid.
        payment_id: PaymentId,
        /// The seats.
        seats: Vec<SeatName>,
        /// What was paid.
        amount: Money,
        /// Whether the hold was over and the seats were taken again because they were free.
        reacquired: bool,
    },
    /// Paid, but a seat is somebody else's: the money goes back.
    #[serde(rename = "BookingFailed_InitiateRefund")]
    BookingFailedInitiateRefund {
        /// What goes back.
        #[serde(flatten)]
        money: Return,
        /// The seats that were lost.
        seats_lost: Vec<SeatName>,
    },
    /// The booking stays as it is, but this money goes back.
    #[serde(rename = "PaymentRejected_InitiateRefund")]
    PaymentRejectedInitiateRefund {
        /// What goes back.
        #[serde(flatten)]
        money: Return,
    },
    /// The booking is cancelled, and what paid for it goes back.
    BookingCancelled {
        /// By whom.
        by: CancelledBy,
        /// The seats that it held or owned.
        seats: Vec<SeatName>,
        /// What goes back; nothing, if nothing was paid. Money that comes later is told of by itself.
        refunds: Vec<Return>,
        /// What was kept of the price, as agreed with the hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fee: Option<Money>,
    },
    /// A worker has taken the refund on.
    RefundInitiated {
        /// Which.
        refund_id: RefundId,
        /// The payment whose money goes back.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
    },
    /// The money is back, as far as the gateway knows.
    RefundCompleted {
        /// Which.
        refund_id: RefundId,
        /// The payment whose money went back.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
        /// The gateway's id of the refund.
        gateway_refund_id: String,
    },
    /// The bank has reserved the money for seats that are the customer's: it is being taken.
    PaymentAuthorised {
        /// Our id of the payment.
        payment_id: PaymentId,
        /// The gateway's name.
        gateway: String,
        /// The gateway's id of the payment.
        gateway_payment_id: String,
        /// What is reserved.
        amount: Money,
        /// Whether the hold was over and the seats were taken again because they were free.
        reacquired: bool,
    },
    /// A reservation of money was given up, and nothing was taken.
    PaymentVoided {
        /// Our id of the payment.
        payment_id: PaymentId,
        /// What was reserved.
        amount: Money,
    },
    /// A refund that had failed is to be made again.
    RefundReopened {
        /// Which.
        refund_id: RefundId,
        /// The payment whose money goes back.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
    },
    /// A person sends the money by another way than the gateway.
    RefundSentAnotherWay {
        /// Which.
        refund_id: RefundId,
        /// The payment whose money goes back.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
    },
    /// A person has shown that the money is with the customer, by another way than the gateway.
    RefundSettledElsewhere {
        /// Which.
        refund_id: RefundId,
        /// The payment whose money went back.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
    },
    /// The refund is not made: the customer has the money already, by a charge-back or a refund made elsewhere.
    RefundWithdrawn {
        /// Which.
        refund_id: RefundId,
        /// The payment whose money it was.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
    },
    /// The customer's bank disputes a payment.
    DisputeOpened {
        /// Our id of the payment.
        payment_id: PaymentId,
        /// The gateway's id of the dispute.
        gateway_dispute_id: String,
        /// How much of the payment it is about.
        amount: Money,
    },
    /// A dispute was decided for us: the money stays, or has come back.
    DisputeWon {
        /// Our id of the payment.
        payment_id: PaymentId,
        /// The gateway's id of the dispute.
        gateway_dispute_id: String,
        /// How much of the payment it was about.
        amount: Money,
    },
    /// A dispute was decided against us: the bank has taken the money back.
    DisputeLost {
        /// Our id of the payment.
        payment_id: PaymentId,
        /// The gateway's id of the dispute.
        gateway_dispute_id: String,
        /// How much of the payment it was about.
        amount: Money,
    },
    /// The refund needs a person.
    RefundFailed {
        /// Which.
        refund_id: RefundId,
        /// The payment whose money should go back.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
        /// Why, for the operator.
        reason: String,
    },
}

impl EventBody {
    /// The event type's name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HoldPlaced { .. } => "HoldPlaced",
            Self::HoldExpiring { .. } => "HoldExpiring",
            Self::HoldExpired { .. } => "HoldExpired",
            Self::HoldReleased { .. } => "HoldReleased",
            Self::PaymentCompleted { .. } => "PaymentCompleted",
            Self::PaymentFailed { .. } => "PaymentFailed",
            Self::BookingConfirmed { .. } => "BookingConfirmed",
            Self::BookingFailedInitiateRefund { .. } => "BookingFailed_InitiateRefund",
            Self::PaymentRejectedInitiateRefund { .. } => "PaymentRejected_InitiateRefund",
            Self::BookingCancelled { .. } => "BookingCancelled",
            Self::RefundInitiated { .. } => "RefundInitiated",
            Self::RefundCompleted { .. } => "RefundCompleted",
            Self::RefundFailed { .. } => "RefundFailed",
            Self::PaymentAuthorised { .. } => "PaymentAuthorised",
            Self::PaymentVoided { .. } => "PaymentVoided",
            Self::RefundReopened { .. } => "RefundReopened",
            Self::RefundSentAnotherWay { .. } => "RefundSentAnotherWay",
            Self::RefundSettledElsewhere { .. } => "RefundSettledElsewhere",
            Self::RefundWithdrawn { .. } => "RefundWithdrawn",
            Self::DisputeOpened { .. } => "DisputeOpened",
            Self::DisputeWon { .. } => "DisputeWon",
            Self::DisputeLost { .. } => "DisputeLost",
        }
    }
}

//! What is to be told, as a task keeps it.

use boxoffice_saga::booking::BookingState;
use boxoffice_saga::event::{Event, EventBody};
use boxoffice_saga::payment::Payment;
use boxoffice_turn::postgres::read::Case;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::letters::CancelledBy;
use crate::template::Template;

/// What to tell, and what made us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "template")]
pub(crate) enum Errand {
    /// The ticket.
    BookingConfirmed {
        /// The payment that paid.
        cause: Uuid,
    },
    /// Money is on its way back.
    BookingFailedRefunding {
        /// The refund.
        cause: Uuid,
    },
    /// Money is back.
    Refunded {
        /// The refund.
        cause: Uuid,
    },
    /// The hold's promised end is near.
    HoldExpiring {
        /// The event.
        cause: Uuid,
    },
    /// The hold ran out.
    HoldExpired {
        /// The event.
        cause: Uuid,
    },
    /// There is no booking any more.
    BookingCancelled {
        /// The event.
        cause: Uuid,
        /// Who cancelled it.
        by: CancelledBy,
    },
}

/// An errand with the time of the news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// What to tell.
    #[serde(flatten)]
    pub errand: Errand,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub news_of: OffsetDateTime,
}

impl Errand {
    /// What an event makes us tell, if anything.
    pub fn of(event: &Event) -> Option<Self> {
        match &event.body {
            EventBody::BookingConfirmed { payment_id, .. } => Some(Self::BookingConfirmed {
                cause: payment_id.uuid(),
            }),
            EventBody::BookingFailedInitiateRefund { money, .. }
            | EventBody::PaymentRejectedInitiateRefund { money } => {
                Some(Self::BookingFailedRefunding {
                    cause: money.refund_id.uuid(),
                })
            }
            EventBody::RefundCompleted { refund_id, .. } => Some(Self::Refunded {
                cause: refund_id.uuid(),
            }),
            EventBody::HoldExpiring { .. } => Some(Self::HoldExpiring { cause: event.id() }),
            EventBody::HoldExpired { .. } => Some(Self::HoldExpired { cause: event.id() }),
            _ => None,
        }
    }

    /// On which occasion.
    pub const fn template(self) -> Template {
        match self {
            Self::BookingConfirmed { .. } => Template::BookingConfirmed,
            Self::BookingFailedRefunding { .. } => Template::BookingFailedRefunding,
            Self::Refunded { .. } => Template::Refunded,
            Self::HoldExpiring { .. } => Template::HoldExpiring,
            Self::HoldExpired { .. } => Template::HoldExpired,
            Self::BookingCancelled { .. } => Template::BookingCancelled,
        }
    }

    /// What made us write.
    pub const fn cause(self) -> Uuid {
        match self {
            Self::BookingConfirmed { cause }
            | Self::BookingFailedRefunding { cause }
            | Self::Refunded { cause }
            | Self::HoldExpiring { cause }
            | Self::HoldExpired { cause }
            | Self::BookingCancelled { cause, .. } => cause,
        }
    }

    /// Why it is no longer true, or of no use, now that it could be sent; `None`: send it. For the hold's
    /// messages see [`HoldExpiring`](crate::letters::HoldExpiring) and
    /// [`HoldExpired`](crate::letters::HoldExpired).
    pub fn outdated(self, case: &Case, now: OffsetDateTime) -> Option<&'static str> {
        let booking = &case.booking;
        match self {
            Self::BookingConfirmed { .. } => {
                (booking.state != BookingState::Confirmed).then_some("no longer confirmed")
            }
            Self::HoldExpiring { .. } => {
                if booking.state != BookingState::Held {
                    Some("no longer held")
                } else if now >= booking.expires_at {
                    Some("the hold is over")
                } else if case.payments.iter().any(Payment::undecided) {
                    Some("a payment is under way")
                } else {
                    None
                }
            }
            Self::HoldExpired { .. } => {
                if booking.state != BookingState::Expired {
                    Some("not expired any more")
                } else if case.payments.is_empty() {
                    None
                } else {
                    Some("a payment was tried")
                }
            }
            Self::BookingFailedRefunding { .. }
            | Self::Refunded { .. }
            | Self::BookingCancelled { .. } => None,
        }
    }
}

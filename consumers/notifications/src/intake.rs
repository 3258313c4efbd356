//! Booking events in: which of them make us write, and what.

use boxoffice_consumer_turns::Consumer;
use boxoffice_consumer_turns::events::TakesOn;
use boxoffice_saga::event::{Event, EventBody};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use boxoffice_saga::world::World;
use serde::{Deserialize, Serialize};
use time::Duration;
use uuid::Uuid;

use crate::CONSUMER;

/// Older news are not written about, except tickets: a rebuilt consumer must not frighten anybody.
const NEWS: Duration = Duration::hours(24);

/// Letters' task ids are derived from booking, template and cause.
const LETTERS: Uuid = Uuid::from_u128(0x1e77_e26d_5d55_4f3b_a9c4_3b0a_77d1_0ff1);

/// What to write, as the task keeps it.
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
}

impl Errand {
    /// What an event makes us write, if anything.
    fn of(event: &Event) -> Option<Self> {
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
            _ => None,
        }
    }

    /// What made us write.
    pub(crate) const fn cause(self) -> Uuid {
        match self {
            Self::BookingConfirmed { cause }
            | Self::BookingFailedRefunding { cause }
            | Self::Refunded { cause } => cause,
        }
    }

    /// Whether it is worth sending twice rather than not at all.
    pub(crate) const fn is_ticket(self) -> bool {
        matches!(self, Self::BookingConfirmed { .. })
    }
}

/// Takes on the letters that events make us write.
pub struct News;

impl TakesOn for News {
    const CONSUMER: Consumer = CONSUMER;

    /// None: a letter changes no booking.
    fn locks(&self, _: &Event) -> Option<BookingId> {
        None
    }

    fn take_on(&self, event: &Event, world: &mut World) {
        let Some(errand) = Errand::of(event) else {
            return;
        };
        if world.now - event.at > NEWS && !errand.is_ticket() {
            metrics::counter!("boxoffice_old_news_total").increment(1);
            return;
        }
        // Plain data: this cannot fail.
        let Ok(detail) = serde_json::to_string(&errand) else {
            return;
        };
        let name = format!("{}\n{detail}", event.booking_id);
        world.add_task(Task {
            key: TaskKey {
                kind: TaskKind::Mail,
                subject: Uuid::new_v5(&LETTERS, name.as_bytes()),
                generation: 1,
            },
            booking: Some(event.booking_id),
            due_at: world.now,
            detail: Some(detail),
        });
    }
}

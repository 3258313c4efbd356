//! Booking events in: which of them make us write, and what.

use boxoffice_consumer_turns::{bury, failed, letter, place, positions};
use boxoffice_failpoints::Role;
use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::event::{Event, EventBody};
use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use boxoffice_saga::world::World;
use boxoffice_stream::{Batch, Handler, Run, TurnFailed};
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claim, Claimed, Held, Plan, Wanted};
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

/// The notification worker's handler.
pub struct Events {
    store: PgStore,
}

impl Events {
    /// A handler over `store`.
    pub const fn new(store: PgStore) -> Self {
        Self { store }
    }
}

impl Handler for Events {
    async fn turn(&self, batch: &Batch) -> Result<(), TurnFailed> {
        let events = batch
            .records()
            .map(|(_, record)| serde_json::from_slice(&record.payload))
            .collect();
        boxoffice_turn::run(&self.store, &TakeOn { batch, events })
            .await
            .map_err(failed)
    }

    async fn dead_letter(&self, run: &Run, reason: &str) -> Result<(), TurnFailed> {
        bury(&self.store, CONSUMER, run, reason).await
    }
}

struct TakeOn<'a> {
    batch: &'a Batch,
    events: Vec<Result<Event, serde_json::Error>>,
}

impl Plan for TakeOn<'_> {
    type Answer = ();

    fn role(&self) -> Role {
        CONSUMER.role
    }

    fn claim(&self) -> Claim {
        Claim {
            positions: positions(CONSUMER, self.batch),
            ..Claim::default()
        }
    }

    /// Nothing: a letter changes no booking.
    fn wanted(&self, _: &Claimed) -> Wanted {
        Wanted::default()
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, appends: &mut Appends) {
        for ((run, record), event) in self.batch.records().zip(&self.events) {
            match event {
                Ok(event) => take_on(event, world),
                Err(error) => {
                    let why = format!("not a booking event that this build knows: {error}");
                    tracing::error!(place = %place(run, record), why, "a booking event cannot be read");
                    letter(
                        CONSUMER,
                        AttentionKind::DeadLetter,
                        run,
                        record,
                        &why,
                        world,
                        appends,
                    );
                }
            }
        }
    }
}

fn take_on(event: &Event, world: &mut World) {
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

//! Booking events in: a requested refund is taken on.

use boxoffice_consumer_turns::{bury, failed, letter, place, positions};
use boxoffice_failpoints::Role;
use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::event::{Event, EventBody};
use boxoffice_saga::input::Input;
use boxoffice_saga::world::World;
use boxoffice_stream::{Batch, Handler, Run, TurnFailed};
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claim, Claimed, Held, Plan, Wanted};

use crate::CONSUMER;

/// The refund worker's handler.
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

/// The refund that an event asks for. The refund's own row is the truth; an event can only point at it.
fn asked_for(event: &Event) -> Option<Input> {
    match &event.body {
        EventBody::BookingFailedInitiateRefund { money, .. }
        | EventBody::PaymentRejectedInitiateRefund { money } => Some(Input::RefundTaken {
            refund: money.refund_id,
        }),
        _ => None,
    }
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

    fn wanted(&self, _: &Claimed) -> Wanted {
        let bookings = self
            .events
            .iter()
            .flatten()
            .filter(|event| asked_for(event).is_some())
            .map(|event| event.booking_id)
            .collect();
        Wanted {
            bookings,
            ..Wanted::default()
        }
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, appends: &mut Appends) {
        for ((run, record), event) in self.batch.records().zip(&self.events) {
            match event {
                Ok(event) => {
                    if let Some(input) = asked_for(event) {
                        world.apply(event.booking_id, input);
                    }
                }
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

//! Consuming booking events: what the refund worker and the notification worker have in common.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use boxoffice_failpoints::Role;
use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::event::Event;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::world::World;
use boxoffice_stream::{Batch, Handler, Record, Run, StreamError, StreamOptions, TurnFailed};
use boxoffice_tasks::{ExecutorOptions, Work};
use boxoffice_turn::outgoing::BOOKING_EVENTS;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claim, Claimed, Held, Origin, Plan, Store, Wanted};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::{Consumer, PgPositions, bury, failed, letter, place, positions};

/// What a worker takes on when it reads booking events.
pub trait TakesOn: Send + Sync + 'static {
    /// Whose turns they are, and its names.
    const CONSUMER: Consumer;

    /// Types of events that are never its business. They are passed by: only their type is read.
    const PASSES_BY: &'static [&'static str];

    /// The booking that an event makes the turn lock, if it does.
    fn locks(&self, event: &Event) -> Option<BookingId>;

    /// Takes an event on, in its turn. Most are none of the worker's business.
    fn take_on(&self, event: &Event, world: &mut World);
}

/// The stream's options for a consumer of booking events, which may wait `gather` for others.
pub fn stream_options(brokers: &str, consumer: Consumer, gather: Duration) -> StreamOptions {
    StreamOptions {
        gather,
        ..StreamOptions::new(brokers, consumer.name, [BOOKING_EVENTS])
    }
}

/// Runs a worker until `shutdown`: reads booking events, and works on the tasks that they lead to. On the way
/// out the turn under way is finished, and calls under way bring their answers back.
///
/// # Errors
/// [`StreamError`]: only what cannot get better by itself.
pub async fn run<T: TakesOn, W: Work>(
    stream: StreamOptions,
    store: PgStore,
    takes_on: T,
    work: W,
    tasks: ExecutorOptions,
    shutdown: CancellationToken,
) -> Result<(), StreamError> {
    let executor = boxoffice_tasks::run(store.clone(), Arc::new(work), tasks, shutdown.clone());
    let executor = tokio::spawn(executor);
    let handler = Events::new(store.clone(), takes_on);
    let consumed =
        boxoffice_stream::run(stream, PgPositions(store), handler, shutdown.clone()).await;
    shutdown.cancel();
    if let Err(error) = executor.await {
        tracing::error!(%error, consumer = T::CONSUMER.name, "the executor failed");
    }
    consumed
}

/// The handler of booking events: a turn of what a worker takes on.
pub struct Events<S, T> {
    store: S,
    takes_on: T,
}

impl<S, T> Events<S, T> {
    /// A handler over `store`.
    pub const fn new(store: S, takes_on: T) -> Self {
        Self { store, takes_on }
    }
}

impl<S: Store, T: TakesOn> Handler for Events<S, T> {
    async fn turn(&self, batch: &Batch) -> Result<(), TurnFailed> {
        let events = batch
            .records()
            .map(|(_, record)| read(record.payload(), T::PASSES_BY))
            .collect();
        let plan = TakeOn {
            batch,
            events,
            takes_on: &self.takes_on,
        };
        boxoffice_turn::run(&self.store, &plan)
            .await
            .map_err(failed)
    }

    async fn dead_letter(&self, run: &Run, reason: &str) -> Result<(), TurnFailed> {
        bury(&self.store, T::CONSUMER, run, reason).await
    }
}

/// What is read of each event, whatever else it says.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// The event, unless it is of a type that is passed by.
fn read(payload: &[u8], passes_by: &[&str]) -> Result<Option<Event>, serde_json::Error> {
    let glance = serde_json::from_slice::<Glance<'_>>(payload);
    if glance.is_ok_and(|glance| passes_by.contains(&&*glance.kind)) {
        return Ok(None);
    }
    serde_json::from_slice(payload).map(Some)
}

/// Where an event stands in Kafka, for the booking's story.
fn origin(run: &Run, record: &Record, event: &Event) -> Origin {
    Origin {
        topic: run.partition.topic.to_string(),
        partition: run.partition.number,
        offset: record.offset,
        event_id: event.id().to_string(),
        kind: event.body.name().to_owned(),
        received_at: event.at,
    }
}

struct TakeOn<'a, T> {
    batch: &'a Batch,
    events: Vec<Result<Option<Event>, serde_json::Error>>,
    takes_on: &'a T,
}

impl<T: TakesOn> Plan for TakeOn<'_, T> {
    type Answer = ();

    fn role(&self) -> Role {
        T::CONSUMER.role
    }

    fn claim(&self) -> Claim {
        Claim {
            positions: positions(T::CONSUMER, self.batch),
            ..Claim::default()
        }
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        let bookings = self
            .events
            .iter()
            .flatten()
            .flatten()
            .filter_map(|event| self.takes_on.locks(event))
            .collect();
        Wanted {
            bookings,
            ..Wanted::default()
        }
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, appends: &mut Appends) {
        for ((run, record), event) in self.batch.records().zip(&self.events) {
            match event {
                Ok(None) => {}
                Ok(Some(event)) => {
                    let before = world.changes.journal.len();
                    self.takes_on.take_on(event, world);
                    appends.brought_by(&origin(run, record, event), world, before);
                }
                Err(error) => {
                    let why = format!("not a booking event that this build knows: {error}");
                    tracing::error!(place = %place(run, record), why, "a booking event cannot be read");
                    letter(
                        T::CONSUMER,
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

#[cfg(test)]
mod tests {
    use boxoffice_saga::identity::ShowId;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_passed_by_is_not_read_and_everything_else_is() {
        let booking = BookingId::pack(1, ShowId::try_from(7_u64).unwrap(), 1);
        let event = |kind: &str| {
            let event = json!({ "booking_id": booking, "show_id": 7, "sequence": 3,
                "at": "2026-02-03T04:05:06.789Z", "type": kind, "seats": ["A-1"] });
            event.to_string().into_bytes()
        };
        let known = read(&event("HoldExpired"), &["HoldPlaced"]).unwrap();
        assert_eq!(known.unwrap().body.name(), "HoldExpired");
        assert!(
            read(&event("HoldExpired"), &["HoldExpired"])
                .unwrap()
                .is_none()
        );
        assert!(read(&event("Framed"), &["HoldPlaced"]).is_err());
        assert!(read(b"HoldPlaced", &["HoldPlaced"]).is_err());
        let cut_off = event("HoldPlaced");
        assert!(read(&cut_off[..cut_off.len() - 1], &["HoldPlaced"]).is_err());
    }
}

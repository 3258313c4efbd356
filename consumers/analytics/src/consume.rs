//! The turn of the analytics: positions, what was seen, the totals; one transaction.

use boxoffice_consumer_turns::{failed, place, position};
use boxoffice_failpoints::{self as failpoints, Role};
use boxoffice_saga::identity::BookingId;
use boxoffice_stream::{Batch, Handler, Run, TurnFailed};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;

use crate::event::Event;
use crate::metric;
use crate::tally::Tally;
use crate::{NAME, rows};

const ROLE: Role = Role::AnalyticsConsumer;

/// Counts what arrives.
pub(crate) struct Counting {
    store: PgStore,
}

impl Counting {
    pub(crate) const fn new(store: PgStore) -> Self {
        Self { store }
    }

    async fn commit(&self, batch: &Batch, events: &[Event]) -> Result<Tally, TurnFailed> {
        let positions: Vec<_> = batch.runs.iter().map(|run| position(NAME, run)).collect();
        let mut transaction = self.store.begin_at(&positions).await.map_err(failed)?;
        let bookings: Vec<BookingId> = events.iter().map(|event| event.booking_id).collect();
        let seen = rows::seen(&mut transaction, &bookings)
            .await
            .map_err(failed)?;
        let mut tally = Tally::after(seen);
        for event in events {
            tally
                .count(event)
                .map_err(|error| TurnFailed::Data(Box::new(error)))?;
        }
        rows::add(&mut transaction, &tally).await.map_err(failed)?;
        failpoints::hit_before_commit(ROLE);
        transaction
            .commit()
            .await
            .map_err(TurnError::from)
            .map_err(failed)?;
        failpoints::hit_after_commit(ROLE);
        Ok(tally)
    }
}

impl Handler for Counting {
    /// What cannot be read is passed over with an alarm, and without a dead letter: the workers on the same topic
    /// keep those, and the topic itself is kept for ever, so a build that can read it counts it by a rebuild.
    async fn turn(&self, batch: &Batch) -> Result<(), TurnFailed> {
        let mut events = Vec::with_capacity(batch.len());
        let mut unreadable = 0;
        for (run, record) in batch.records() {
            match Event::read(record.payload()) {
                Ok(event) => events.push(event),
                Err(error) => {
                    unreadable += 1;
                    tracing::error!(place = %place(run, record), %error, "a record is not a booking event that can be counted");
                }
            }
        }
        let tally = self.commit(batch, &events).await?;
        if tally.gaps > 0 {
            tracing::error!(gaps = tally.gaps, "sequences of bookings were skipped");
        }
        metrics::counter!(metric::COUNTED).increment(tally.counted);
        alarm("gap", tally.gaps);
        alarm("unreadable", unreadable);
        Ok(())
    }

    async fn dead_letter(&self, run: &Run, _: &str) -> Result<(), TurnFailed> {
        let transaction = self
            .store
            .begin_at(&[position(NAME, run)])
            .await
            .map_err(failed)?;
        transaction
            .commit()
            .await
            .map_err(TurnError::from)
            .map_err(failed)?;
        alarm("refused", 1);
        Ok(())
    }
}

fn alarm(kind: &'static str, times: u64) {
    metrics::counter!(metric::ALARMS, "kind" => kind).increment(times);
}

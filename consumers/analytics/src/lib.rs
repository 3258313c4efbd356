//! The analytics: what became of holds, bookings, payments and refunds, per show and day, and the revenue.
//!
//! A consumer of booking events like any other, with tables of its own that touch nothing else. Totals are exact:
//! each event is counted once, however often and in whatever pieces it is delivered, because the totals, the
//! last sequence counted of each booking and the positions in the topic are committed together. Everything here
//! can be made anew from the topic at any time ([`rebuild()`]).
//!
//! `event.rs` is what is read of an event, `counts.rs` what it adds to a day, `tally.rs` what a batch of them adds
//! to the totals, all without I/O; `rows.rs` is the tables, `consume.rs` the turn, `report.rs` the reader.

mod consume;
mod counts;
mod event;
mod metric;
mod rebuild;
pub mod report;
mod rows;
mod tally;

use std::time::Duration;

use boxoffice_consumer_turns::PgPositions;
use boxoffice_stream::{StreamError, StreamOptions};
use boxoffice_turn::outgoing::BOOKING_EVENTS;
use boxoffice_turn::postgres::PgStore;
use tokio_util::sync::CancellationToken;

use consume::Counting;
pub use counts::{Counts, Takings};
pub use metric::describe as describe_metrics;
pub use rebuild::{RebuildError, rebuild, rebuild_options};

/// The consumer's name: that of its Kafka group, its positions and its metrics.
pub const NAME: &str = "analytics";

/// The topic that is counted.
pub const TOPIC: &str = BOOKING_EVENTS;

/// The stream's options for the role.
pub fn stream_options(brokers: &str) -> StreamOptions {
    StreamOptions {
        gather: GATHER,
        ..StreamOptions::new(brokers, NAME, [TOPIC])
    }
}

/// How long an event may wait for others: totals are read by people.
const GATHER: Duration = Duration::from_millis(200);

/// Counts until `shutdown`. The turn under way is finished on the way out.
///
/// # Errors
/// [`StreamError`]: only what cannot get better by itself.
pub async fn run(
    stream: StreamOptions,
    store: PgStore,
    shutdown: CancellationToken,
) -> Result<(), StreamError> {
    let counting = Counting::new(store.clone());
    boxoffice_stream::run(stream, PgPositions(store), counting, shutdown).await
}

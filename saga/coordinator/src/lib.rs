//! The coordinator: webhooks in, turns out; timers; and the questions it asks the gateways itself.
//!
//! * [`intake`] reads a record again: its signature, its meaning, where it belongs. Pure.
//! * [`batch`] decides everything that has arrived, in one turn.
//! * [`sweep`] finds what nobody is at work on.
//! * [`work`] makes the calls of its tasks: `verify`, `void`, `trace`, and the hold's timer.
//!
//! Guarantees: a record is decided once, whatever is delivered again; records of one show are decided in
//! order; a bad record is set aside by itself and its bytes are kept.

pub mod batch;
pub mod intake;
mod metric;
pub mod retention;
pub mod sweep;
pub mod work;

use std::sync::Arc;

use boxoffice_consumer_turns::{Consumer, PgPositions};
use boxoffice_failpoints::Role;
use boxoffice_gateways::Gateways;
use boxoffice_stream::{StreamError, StreamOptions};
use boxoffice_tasks::ExecutorOptions;
use boxoffice_turn::postgres::PgStore;
use tokio_util::sync::CancellationToken;

pub use metric::describe as describe_metrics;
pub use retention::RetentionOptions;
pub use sweep::SweepOptions;

/// The topic of verified webhooks.
pub const WEBHOOKS: &str = "payments.webhooks.v1";

/// The coordinator, as a consumer.
pub const CONSUMER: Consumer = Consumer {
    name: "coordinator",
    dead_letters: "coordinator.dlq.v1",
    role: Role::Coordinator,
};

/// Runs the coordinator until `shutdown`: consumes webhooks and works on its tasks. On the way out the turn
/// under way is finished and calls under way bring their answers back.
///
/// # Errors
/// [`StreamError`]: only what cannot get better by itself.
pub async fn run(
    stream: StreamOptions,
    store: PgStore,
    gateways: Arc<Gateways>,
    tasks: ExecutorOptions,
    swept: SweepOptions,
    kept: RetentionOptions,
    shutdown: CancellationToken,
) -> Result<(), StreamError> {
    let work = Arc::new(work::CoordinatorWork::new(store.clone(), gateways.clone()));
    let executor = tokio::spawn(boxoffice_tasks::run(
        store.clone(),
        work,
        tasks,
        shutdown.clone(),
    ));
    let sweeper = tokio::spawn(sweep::run(store.clone(), swept, shutdown.clone()));
    let forgetter = tokio::spawn(retention::run(store.clone(), kept, shutdown.clone()));
    let handler = batch::Webhooks::new(store.clone(), gateways);
    let consumed =
        boxoffice_stream::run(stream, PgPositions(store), handler, shutdown.clone()).await;
    shutdown.cancel();
    if let Err(error) = executor.await {
        tracing::error!(%error, "the coordinator's executor failed");
    }
    if let Err(error) = sweeper.await {
        tracing::error!(%error, "the sweep failed");
    }
    if let Err(error) = forgetter.await {
        tracing::error!(%error, "the retention failed");
    }
    consumed
}

/// The stream's options for the coordinator.
pub fn stream_options(brokers: &str) -> StreamOptions {
    StreamOptions {
        breath: boxoffice_turn::breath,
        ..StreamOptions::new(brokers, CONSUMER.name, [WEBHOOKS])
    }
}

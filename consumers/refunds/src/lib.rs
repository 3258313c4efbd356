//! The refund worker: takes requested refunds on, and makes them at the gateway.
//!
//! Deployed, scaled and restarted on its own. A refund is asked for under one idempotency key; an attempt
//! whose answer was lost is looked up before it is repeated; a refund that cannot be finished goes to the
//! operators' list. Whatever dies, the money is returned once.

mod call;
mod intake;

use std::sync::Arc;

use boxoffice_consumer_turns::{Consumer, PgPositions};
use boxoffice_failpoints::Role;
use boxoffice_gateways::Gateways;
use boxoffice_stream::{StreamError, StreamOptions};
use boxoffice_tasks::ExecutorOptions;
use boxoffice_turn::outgoing::BOOKING_EVENTS;
use boxoffice_turn::postgres::PgStore;
use tokio_util::sync::CancellationToken;

pub use call::RefundWork;
pub use intake::Events;

/// The refund worker, as a consumer.
pub const CONSUMER: Consumer = Consumer {
    name: "refunds",
    dead_letters: "refunds.dlq.v1",
    role: Role::RefundsConsumer,
};

/// Runs the refund worker until `shutdown`. On the way out the turn under way is finished and calls under way
/// bring their answers back.
///
/// # Errors
/// [`StreamError`]: only what cannot get better by itself.
pub async fn run(
    stream: StreamOptions,
    store: PgStore,
    gateways: Arc<Gateways>,
    tasks: ExecutorOptions,
    shutdown: CancellationToken,
) -> Result<(), StreamError> {
    let work = Arc::new(RefundWork::new(store.clone(), gateways));
    let executor = tokio::spawn(boxoffice_tasks::run(
        store.clone(),
        work,
        tasks,
        shutdown.clone(),
    ));
    let handler = Events::new(store.clone());
    let consumed =
        boxoffice_stream::run(stream, PgPositions(store), handler, shutdown.clone()).await;
    shutdown.cancel();
    if let Err(error) = executor.await {
        tracing::error!(%error, "the refund executor failed");
    }
    consumed
}

/// The stream's options for the refund worker.
pub fn stream_options(brokers: &str) -> StreamOptions {
    StreamOptions::new(brokers, CONSUMER.name, [BOOKING_EVENTS])
}

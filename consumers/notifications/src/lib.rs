//! The notification worker: writes to customers about what has happened to their bookings.
//!
//! Deployed, scaled and restarted on its own; a broken mail server delays no booking. One letter per booking,
//! template and cause: a ticket at least once, always under the same Message-ID; every other letter at most
//! once, for a letter about money that comes twice frightens.

mod intake;
mod letters;
pub mod mail;
mod work;

use std::sync::Arc;

use boxoffice_consumer_turns::{Consumer, PgPositions};
use boxoffice_failpoints::Role;
use boxoffice_stream::{StreamError, StreamOptions};
use boxoffice_tasks::ExecutorOptions;
use boxoffice_turn::outgoing::BOOKING_EVENTS;
use boxoffice_turn::postgres::PgStore;
use tokio_util::sync::CancellationToken;

pub use intake::Events;
pub use letters::Office;
pub use work::MailWork;

/// The notification worker, as a consumer.
pub const CONSUMER: Consumer = Consumer {
    name: "notifications",
    dead_letters: "notifications.dlq.v1",
    role: Role::NotificationsConsumer,
};

/// Runs the notification worker until `shutdown`. On the way out the turn under way is finished and letters
/// under way are waited for.
///
/// # Errors
/// [`StreamError`]: only what cannot get better by itself.
pub async fn run(
    stream: StreamOptions,
    store: PgStore,
    office: Arc<Office>,
    tasks: ExecutorOptions,
    shutdown: CancellationToken,
) -> Result<(), StreamError> {
    let work = Arc::new(MailWork::new(store.clone(), office));
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
        tracing::error!(%error, "the mail executor failed");
    }
    consumed
}

/// The stream's options for the notification worker.
pub fn stream_options(brokers: &str) -> StreamOptions {
    StreamOptions::new(brokers, CONSUMER.name, [BOOKING_EVENTS])
}

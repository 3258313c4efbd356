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

use boxoffice_consumer_turns::{Consumer, events};
use boxoffice_failpoints::Role;
use boxoffice_stream::{StreamError, StreamOptions};
use boxoffice_tasks::ExecutorOptions;
use boxoffice_turn::postgres::PgStore;
use tokio_util::sync::CancellationToken;

use intake::News;
pub use letters::Office;
use work::MailWork;

/// The notification worker, as a consumer.
pub const CONSUMER: Consumer = Consumer {
    name: "notifications",
    dead_letters: "notifications.dlq.v1",
    role: Role::NotificationsConsumer,
};

/// Runs the notification worker until `shutdown`.
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
    let work = MailWork::new(store.clone(), office);
    events::run(stream, store, News, work, tasks, shutdown).await
}

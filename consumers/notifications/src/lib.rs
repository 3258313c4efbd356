//! The notification worker: tells customers what has happened to their bookings, by letter, SMS and push.
//!
//! Deployed, scaled and restarted on its own; a broken mail server delays no booking, and a broken SMS provider
//! no letter: each channel has tasks and an executor of its own. One message per booking, template, cause and
//! channel: a ticket's letter at least once, always under the same Message-ID; everything else at most once,
//! for news about money that come twice frighten.
//!
//! What is said stands in [`letters`], one file per occasion, in every [`Language`]; letters are carried by the
//! [`mail::Postman`], short messages by a [`provider::Provider`]. Every try is written into the delivery log
//! (table `deliveries`) in the same turn that brings its answer.

mod channel;
mod delivery_error;
mod errand;
mod intake;
mod language;
pub mod letters;
pub mod mail;
mod metric;
mod office;
pub mod provider;
mod template;
mod work;

use std::sync::Arc;
use std::time::Duration;

use boxoffice_consumer_turns::{Consumer, events};
use boxoffice_failpoints::Role;
use boxoffice_stream::{StreamError, StreamOptions};
use boxoffice_tasks::ExecutorOptions;
use boxoffice_turn::postgres::PgStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use channel::Channel;
pub use delivery_error::DeliveryError;
use intake::News;
pub use language::{Language, money_text, plain_money_text};
pub use metric::describe as describe_metrics;
pub use office::Office;
pub use template::Template;
use work::{ByMail, ByPush, BySms, Messages, Way};

/// The notification worker, as a consumer.
pub const CONSUMER: Consumer = Consumer {
    name: "notifications",
    dead_letters: "notifications.dlq.v1",
    role: Role::NotificationsConsumer,
};

/// How long an event may wait for others: nobody notices a letter that comes so much later.
pub const GATHER: Duration = Duration::from_millis(100);

/// How long what became of a message waits for what became of others, to be written together. A crash meanwhile leaves more
/// messages of which nobody knows whether they arrived.
const GATHER_ANSWERS: Duration = Duration::from_millis(50);

/// Runs the notification worker until `shutdown`: one executor for letters, and one for each other channel that
/// the office has.
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
    let tasks = ExecutorOptions {
        gather: GATHER_ANSWERS,
        ..tasks
    };
    let mut others = Vec::new();
    if office.sms.is_some() {
        let tasks = tasks.clone();
        others.push(executor::<BySms>(&store, &office, tasks, "sms", &shutdown));
    }
    if office.push.is_some() {
        let tasks = tasks.clone();
        others.push(executor::<ByPush>(
            &store, &office, tasks, "push", &shutdown,
        ));
    }
    let letters = Messages::<ByMail>::new(store.clone(), office.clone());
    let news = News { office };
    let consumed = events::run(stream, store, news, letters, tasks, shutdown).await;
    for other in others {
        if let Err(error) = other.await {
            tracing::error!(%error, consumer = CONSUMER.name, "an executor failed");
        }
    }
    consumed
}

fn executor<W: Way>(
    store: &PgStore,
    office: &Arc<Office>,
    tasks: ExecutorOptions,
    name: &'static str,
    shutdown: &CancellationToken,
) -> JoinHandle<()> {
    let work = Messages::<W>::new(store.clone(), office.clone());
    let tasks = ExecutorOptions { name, ..tasks };
    tokio::spawn(boxoffice_tasks::run(
        store.clone(),
        Arc::new(work),
        tasks,
        shutdown.clone(),
    ))
}

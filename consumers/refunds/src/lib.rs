//! The refund worker: takes requested refunds on, and makes them at the gateway.
//!
//! Deployed, scaled and restarted on its own. A refund is asked for under one idempotency key; an attempt
//! whose answer was lost is looked up before it is repeated; a refund that cannot be finished goes to the
//! operators' list. Whatever dies, the money is returned once.

mod call;
pub mod decide;
mod intake;
mod lane;

use std::sync::Arc;
use std::time::Duration;

use boxoffice_consumer_turns::{Consumer, events};
use boxoffice_failpoints::Role;
use boxoffice_gateways::Gateways;
use boxoffice_stream::{StreamError, StreamOptions};
use boxoffice_tasks::ExecutorOptions;
use boxoffice_turn::postgres::PgStore;
use tokio_util::sync::CancellationToken;

pub use call::RefundWork;
pub use intake::RequestedRefunds;
pub use lane::{Lane, Mass, Ordinary};

/// The refund worker, as a consumer.
pub const CONSUMER: Consumer = Consumer {
    name: "refunds",
    dead_letters: "refunds.dlq.v1",
    role: Role::RefundsConsumer,
};

/// How long an event may wait for others, of which most are none of this worker's business: a broker's answer to each of
/// them costs more than all that is done about it.
pub const GATHER: Duration = Duration::from_millis(40);

/// Runs the refund worker until `shutdown`: one executor for the refunds of cancelled shows, with at most
/// `mass_in_flight` calls under way, and one for all others.
///
/// # Errors
/// [`StreamError`]: only what cannot get better by itself.
pub async fn run(
    stream: StreamOptions,
    store: PgStore,
    gateways: Arc<Gateways>,
    tasks: ExecutorOptions,
    mass_in_flight: usize,
    shutdown: CancellationToken,
) -> Result<(), StreamError> {
    let mass = tokio::spawn(boxoffice_tasks::run(
        store.clone(),
        Arc::new(RefundWork::<_, Mass>::new(store.clone(), gateways.clone())),
        ExecutorOptions {
            name: "mass refunds",
            in_flight: mass_in_flight,
            ..tasks.clone()
        },
        shutdown.clone(),
    ));
    let work = RefundWork::<_, Ordinary>::new(store.clone(), gateways);
    let consumed = events::run(stream, store, RequestedRefunds, work, tasks, shutdown).await;
    if let Err(error) = mass.await {
        tracing::error!(%error, "the executor of mass refunds failed");
    }
    consumed
}

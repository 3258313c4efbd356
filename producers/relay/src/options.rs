//! How a relay runs.

use std::time::Duration;

use boxoffice_producers::{Connection, ProducerOptions};
use sqlx::postgres::PgConnectOptions;

/// How a relay runs. [`RelayOptions::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// The database whose outbox is published. The relay has one session of its own there.
    pub database: PgConnectOptions,
    /// Where Kafka is.
    pub kafka: Connection,
    /// How long the cursor is held without being renewed: so long nothing is published after a relay died. 10 s.
    pub lease: Duration,
    /// At most so many records are read and under way at a time. 1,000.
    pub page: u16,
    /// The least time between the openings of two windows, so that small ones gather; an idle relay that is
    /// woken does not wait. 20 ms.
    pub gather: Duration,
    /// The first pause when there is nothing to publish; it doubles each time. 5 ms.
    pub shortest_pause: Duration,
    /// The longest. What another process commits waits this long at most. 100 ms.
    pub longest_pause: Duration,
    /// How long a shutdown waits for the acknowledgement of what is under way. 3 s.
    pub drain: Duration,
    /// How long published rows are kept, for audits. Where writers come round to a table again sooner, it is
    /// emptied sooner. 1 h.
    pub retention: Duration,
    /// How often to look for a table that can be emptied. 30 s.
    pub recycle_every: Duration,
}

/// How long the records of a page wait for each other: without, the first of them travel alone.
const LINGER: Duration = Duration::from_millis(5);

impl RelayOptions {
    /// The defaults, which are in the fields' descriptions.
    pub const fn new(database: PgConnectOptions, kafka: Connection) -> Self {
        Self {
            database,
            kafka,
            lease: Duration::from_secs(10),
            page: 1_000,
            gather: Duration::from_millis(20),
            shortest_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(100),
            drain: Duration::from_secs(3),
            retention: Duration::from_secs(3_600),
            recycle_every: Duration::from_secs(30),
        }
    }

    /// A record that fails for good must not be followed by one that is delivered: librdkafka then fails the
    /// whole producer instead.
    pub(crate) fn producer(&self) -> ProducerOptions {
        let mut producer = ProducerOptions::new(self.kafka.clone(), "boxoffice-relay");
        producer.delivery_timeout = None;
        producer.linger = LINGER;
        producer
            .connection
            .extra
            .push(("enable.gapless.guarantee".to_owned(), "true".to_owned()));
        producer
    }

    /// The session plans for a table that was empty when it was first asked and has a million rows now: it
    /// always takes the index. Its commits need not be durable at once, for any earlier state of the cursor is
    /// a good one to start from.
    pub(crate) fn session(&self) -> PgConnectOptions {
        self.database.clone().options([
            ("application_name", "boxoffice-relay"),
            ("synchronous_commit", "off"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_sort", "off"),
            ("jit", "off"),
            ("idle_in_transaction_session_timeout", "10s"),
        ])
    }
}

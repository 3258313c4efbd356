//! Running the relay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice_failpoints::{self as failpoints, Failpoint};
use boxoffice_producers::{Connection, Producer, ProducerOptions, SendError};
use rand::RngExt;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cursor::{self, Cursor};
use crate::publish::{PAGE, page, publish};
use crate::window::{NoSnapshot, Snapshot};
use crate::{metric, ring};

/// How a relay runs.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// The database whose outbox it publishes.
    pub database: PgConnectOptions,
    /// Where Kafka is.
    pub kafka: Connection,
    /// The shortest pause between two windows under load: gathers, at the cost of latency. 2 ms.
    pub gather: Duration,
    /// The longest pause between two looks when nothing happens. 100 ms.
    pub look_every: Duration,
}

impl RelayOptions {
    /// The defaults, which are in the fields' descriptions.
    pub const fn new(database: PgConnectOptions, kafka: Connection) -> Self {
        Self { database, kafka, gather: Duration::from_millis(2), look_every: Duration::from_millis(100) }
    }
}

/// Why a relay stopped, for now or for good.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// This is not the database that the cursor was made in: a dump was restored, or a major upgrade.
    #[error(
        "the outbox cursor belongs to database system {known} and this is {found} (restored from a dump?): stop all \
         writers and run `boxoffice relay --readopt`, which publishes every retained event again"
    )]
    OtherDatabase {
        /// The system that the cursor knows.
        known: i64,
        /// The system that we are connected to.
        found: i64,
    },
    /// Somebody else has the cursor by now.
    #[error("another relay has taken the cursor over")]
    Lost,
    /// The database is a standby; only the primary's outbox is published.
    #[error("the database is a standby")]
    Standby,
    /// The cursor's row cannot be read.
    #[error("the cursor holds {0:?}, which is no snapshot")]
    Cursor(String),
    /// A row of the outbox that cannot be published, ever.
    #[error("outbox row {position} cannot be published: {why}")]
    Row {
        /// The row.
        position: i64,
        /// Why.
        why: String,
    },
    /// Kafka refused a record.
    #[error("Kafka did not take outbox row {position} for {topic}")]
    Send {
        /// The row.
        position: i64,
        /// Its topic.
        topic: String,
        /// What Kafka said.
        #[source]
        error: SendError,
    },
    /// The producer cannot be made.
    #[error("the Kafka producer cannot be made: {0}")]
    Producer(String),
    /// The database does not answer.
    #[error("the database is not available")]
    Database(#[from] sqlx::Error),
}

/// Publishes until `shutdown`. `wake` is notified by turns of this process. Whatever goes wrong, it starts
/// again at the last position, with a new producer and a growing pause; it never passes a record.
///
/// # Errors
/// [`RelayError::OtherDatabase`]: only a person can decide that.
pub async fn run(options: RelayOptions, wake: Arc<Notify>, shutdown: CancellationToken) -> Result<(), RelayError> {
    let settings = [("application_name", "boxoffice-relay"), ("enable_seqscan", "off"), ("jit", "off")];
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(2))
        .connect_lazy_with(options.database.clone().options(settings));
    let mut pause = Duration::from_millis(100);
    while !shutdown.is_cancelled() {
        let started = Instant::now();
        let ended = hold(&pool, &options, &wake, &shutdown).await;
        metrics::gauge!(metric::HOLDS_CURSOR).set(0.0);
        match ended {
            Ok(()) => {}
            Err(error @ RelayError::OtherDatabase { .. }) => return Err(error),
            Err(error) => {
                metrics::counter!(metric::STOPS, "reason" => reason(&error)).increment(1);
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                match &error {
                    RelayError::Send { .. } | RelayError::Row { .. } | RelayError::Cursor(_) => {
                        tracing::error!(%error, cause, "the relay stands; it never passes a record");
                    }
                    _ => tracing::warn!(%error, cause, "the relay starts again at its last position"),
                }
            }
        }
        if started.elapsed() > Duration::from_secs(30) {
            pause = Duration::from_millis(100);
        }
        let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::select! {
            () = tokio::time::sleep(jittered) => {}
            () = shutdown.cancelled() => {}
        }
        pause = (pause * 2).min(Duration::from_secs(2));
    }
    Ok(())
}

const fn reason(error: &RelayError) -> &'static str {
    match error {
        RelayError::OtherDatabase { .. } => "other_database",
        RelayError::Lost => "lost_cursor",
        RelayError::Standby => "standby",
        RelayError::Cursor(_) | RelayError::Row { .. } => "unusable_row",
        RelayError::Send { .. } => "kafka",
        RelayError::Producer(_) => "producer",
        RelayError::Database(_) => "database",
    }
}

/// Holds the cursor, if it can be had, and publishes for as long as all goes well.
async fn hold(
    pool: &PgPool,
    options: &RelayOptions,
    wake: &Notify,
    shutdown: &CancellationToken,
) -> Result<(), RelayError> {
    let Some(mut cursor) = Cursor::take(pool).await? else { return Ok(()) };
    metrics::gauge!(metric::HOLDS_CURSOR).set(1.0);
    let mut producer = ProducerOptions::new(options.kafka.clone(), "boxoffice-relay");
    producer.linger = Duration::ZERO;
    let producer = Producer::new(&producer).map_err(|error| RelayError::Producer(error.to_string()))?;
    let published = windows(pool, &mut cursor, &producer, options, wake, shutdown).await;
    if published.is_err() {
        // What is still under way must not arrive behind what the next start publishes.
        producer.purge();
    } else {
        cursor.release(pool).await?;
    }
    drop(producer);
    published
}

async fn windows(
    pool: &PgPool,
    cursor: &mut Cursor,
    producer: &Producer,
    options: &RelayOptions,
    wake: &Notify,
    shutdown: &CancellationToken,
) -> Result<(), RelayError> {
    let mut seen = None;
    let mut renewed = Instant::now();
    let mut maintained: Option<Instant> = None;
    let mut pause = options.gather;
    loop {
        if let Some((s2, drawn)) = cursor.s2.clone() {
            finish(pool, cursor, producer, &s2).await?;
            cursor.s1 = cursor.s1.next(s2, drawn);
            cursor.s2 = None;
            cursor.last_position = 0;
        }
        if shutdown.is_cancelled() {
            return cursor.persist(pool).await;
        }
        if maintained.is_none_or(|at| at.elapsed() > Duration::from_secs(60)) {
            maintained = Some(Instant::now());
            if let Err(error) = ring::maintain(pool, cursor.s1.floor()).await {
                tracing::debug!(%error, "the outbox tables are left for the next time");
            }
        }
        let drawn_by_now = drawn(pool).await?;
        let news = seen != Some(drawn_by_now);
        if !news && cursor.s1.snapshot.in_progress.is_empty() {
            // Nothing was drawn since a snapshot without unfinished transactions: there can be nothing.
            metrics::gauge!(metric::OLDEST_SECONDS).set(0.0);
            if renewed.elapsed() > cursor::LEASE / 4 {
                cursor.persist(pool).await?;
                renewed = Instant::now();
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = wake.notified() => {}
                () = shutdown.cancelled() => {}
            }
            pause = (pause * 2).min(options.look_every);
            continue;
        }
        // With news, others gather for a moment; without, a transaction is only being waited for.
        pause = if news { options.gather } else { (pause * 2).min(options.look_every) };
        tokio::time::sleep(pause).await;
        // In this order: a transaction that the snapshot does not know draws behind this position.
        let last = drawn(pool).await?;
        let s2: Snapshot = sqlx::query_scalar!(r#"select pg_current_snapshot()::text as "snapshot!""#)
            .fetch_one(pool)
            .await?
            .parse()
            .map_err(|error: NoSnapshot| RelayError::Cursor(error.to_string()))?;
        failpoints::hit(Failpoint::RelayBeforeWindow);
        seen = Some(last);
        cursor.s2 = Some((s2, last));
        cursor.last_position = 0;
        cursor.persist(pool).await?;
        renewed = Instant::now();
        failpoints::hit(Failpoint::RelayAfterWindow);
    }
}

/// The last position that was drawn; 0 before the first. A sequence that was never called shows its first
/// value as its last.
pub(crate) async fn drawn(pool: &PgPool) -> Result<i64, RelayError> {
    let last = sqlx::query_scalar!(
        r#"select case when is_called then last_value else last_value - 1 end as "last!" from outbox_position"#
    );
    Ok(last.fetch_one(pool).await?)
}

/// Publishes the rest of the window in hand, page by page.
async fn finish(pool: &PgPool, cursor: &mut Cursor, producer: &Producer, s2: &Snapshot) -> Result<(), RelayError> {
    loop {
        let rows = page(pool, cursor, s2).await?;
        if !cursor.holds() {
            return Err(RelayError::Lost);
        }
        let Some(last) = rows.last() else { break };
        let age = rows.first().map_or(0.0, |row| (last.at - row.at).as_seconds_f64().abs());
        metrics::gauge!(metric::OLDEST_SECONDS).set(age);
        // A broker that is away delays for as long as it takes; the lease is kept meanwhile.
        let published = publish(producer, &rows);
        tokio::pin!(published);
        loop {
            tokio::select! {
                done = &mut published => {
                    done?;
                    break;
                }
                () = tokio::time::sleep(cursor::LEASE / 4) => cursor.persist(pool).await?,
            }
        }
        metrics::counter!(metric::PUBLISHED).increment(rows.len() as u64);
        cursor.last_position = last.position;
        let full = rows.len() == PAGE;
        if full {
            cursor.persist(pool).await?;
        }
        failpoints::hit(Failpoint::RelayAfterCursor);
        if !full {
            break;
        }
    }
    metrics::counter!(metric::WINDOWS).increment(1);
    Ok(())
}

/// Adopts the outbox of another database system: every retained row is published again. Writers must be
/// stopped.
///
/// # Errors
/// [`RelayError::Database`]; trying again is safe.
pub async fn readopt(database: PgConnectOptions) -> Result<(), RelayError> {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(database);
    let (system, timeline) = cursor::identity(&pool).await?;
    #[expect(clippy::disallowed_methods, reason = "the cursor and the rows it rests on change together")]
    let mut transaction = pool.begin().await?;
    sqlx::query!("update outbox set xact = pg_current_xact_id()").execute(&mut *transaction).await?;
    sqlx::query!(
        "update relay_cursor set s1 = pg_current_snapshot(), s1_drawn = 0, s1_floors = '{}', s2 = null,
             s2_drawn = null, last_position = 0, epoch = epoch + 1, lease_until = null, system_identifier = $1, timeline = $2",
        system,
        timeline,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

//! The store on PostgreSQL: a few statements per turn, whatever the number of bookings in it.
//!
//! READ COMMITTED with explicit locks, in one order everywhere: consumer_positions, idempotency_keys,
//! shows, hold_slots, bookings, seats, tasks, and then appends, sorted by key. Turns of bookings lock no shows. Payments and refunds are written
//! only under their booking's lock, so they are read without locks of their own (a row lock is a write).
//! The inbox is read first and appended last: what it filters is cheap repetition, what keeps money right
//! under a race is the booking's lock and the unique keys.

mod beside;
mod books;
mod claim;
mod commit;
mod commit_aside;
mod commit_tasks;
mod journal;
mod load;
mod positions;
pub mod read;
mod reads;
mod rows;
mod witness;
mod writes;

use std::sync::Arc;

use boxoffice_saga::identity::{BookingId, ShowId, UserId};
use boxoffice_saga::task::TaskKind;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Postgres, Transaction};
use tokio::sync::{Notify, watch};

use crate::claim::{Appends, Claim, Claimed, Held, Wanted};
use crate::error::TurnError;
use crate::store::{OpenTurn, Store};
use boxoffice_saga::world::World;

pub use beside::Beside;
pub use books::{Record, Whose, books_in};
pub use positions::Owned;
use witness::Witnesses;

/// Settings of the write path's sessions. Generic plans, because array parameters would otherwise be planned
/// anew at each call; no sequential scans, because a generic plan made while a table was empty would stay
/// one; no bitmaps, because what is looked up is single rows. A stopped owner must not hold locks for long: the time-outs.
const SESSION: [(&str, &str); 10] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("idle_in_transaction_session_timeout", "5000"),
    ("lock_timeout", "3000"),
    ("transaction_timeout", "15000"),
    ("client_connection_check_interval", "2000"),
];

/// Settings for reading much at a time and writing nothing.
const READING: [(&str, &str); 5] = [
    ("default_transaction_read_only", "on"),
    ("plan_cache_mode", "force_custom_plan"),
    ("jit", "off"),
    ("idle_in_transaction_session_timeout", "60000"),
    ("client_connection_check_interval", "2000"),
];

/// Tasks that are due later are found by looking: executors look more often than this.
pub const SOON: time::Duration = time::Duration::seconds(5);

/// How often tasks of each kind were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News(std::collections::BTreeMap<TaskKind, u64>);

impl News {
    fn of(&mut self, kind: TaskKind) {
        let count = self.0.entry(kind).or_default();
        *count = count.wrapping_add(1);
    }

    /// Of these kinds.
    #[must_use]
    pub fn only(&self, kinds: &[TaskKind]) -> Self {
        let ours = self.0.iter().filter(|(kind, _)| kinds.contains(kind));
        Self(ours.map(|(kind, count)| (*kind, *count)).collect())
    }
}

/// The store on PostgreSQL. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PgStore {
    pool: PgPool,
    outbox: Arc<Notify>,
    tasks: watch::Sender<News>,
    witnesses: Witnesses,
}

impl PgStore {
    /// Connects lazily, with at most `connections` sessions. `outbox` is notified after each commit that
    /// wrote records to publish, so that a relay in the same process need not wait for its next look.
    pub fn new(options: PgConnectOptions, connections: u32, outbox: Arc<Notify>) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(std::time::Duration::from_secs(2))
            .test_before_acquire(false)
            .connect_lazy_with(options.options(SESSION));
        Self {
            pool,
            outbox,
            tasks: watch::Sender::default(),
            witnesses: Witnesses::default(),
        }
    }

    /// Connects lazily for reading only: for those who look at whole tables, beside the sessions that must be quick.
    pub fn reading(options: PgConnectOptions, connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(std::time::Duration::from_secs(10))
            .connect_lazy_with(options.options(READING));
        Self {
            pool,
            outbox: Arc::default(),
            tasks: watch::Sender::default(),
            witnesses: Witnesses::default(),
        }
    }

    /// Changes whenever a turn of this process has added tasks that are due within [`SOON`], so that an executor in the
    /// same process need not wait for its next look.
    pub fn tasks_added(&self) -> watch::Receiver<News> {
        self.tasks.subscribe()
    }

    /// Shows `witness` the world of every turn of this process, right after its commit and before its answer. It must be
    /// quick, and is for good.
    pub fn show_commits(&self, witness: impl Fn(&World) + Send + Sync + 'static) {
        self.witnesses.add(witness);
    }

    /// The pool, for reads that are no turns.
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// A turn in progress on PostgreSQL.
#[derive(Debug)]
pub struct PgTurn {
    transaction: Transaction<'static, Postgres>,
    outbox: Arc<Notify>,
    tasks: watch::Sender<News>,
    witnesses: Witnesses,
    /// Slots that this turn created, with the booking that they name.
    fresh_slots: std::collections::BTreeMap<(ShowId, UserId), BookingId>,
    /// Keys that this turn created and that nobody else can see yet.
    fresh_keys: Vec<crate::claim::KeyClaim>,
}

impl Store for PgStore {
    type Open = PgTurn;

    async fn begin(&self) -> Result<PgTurn, TurnError> {
        #[expect(clippy::disallowed_methods, reason = "this is where turns begin")]
        let transaction = self.pool.begin().await?;
        Ok(PgTurn {
            transaction,
            outbox: self.outbox.clone(),
            tasks: self.tasks.clone(),
            witnesses: self.witnesses.clone(),
            fresh_slots: std::collections::BTreeMap::new(),
            fresh_keys: Vec::new(),
        })
    }
}

impl OpenTurn for PgTurn {
    async fn claim(&mut self, claim: &Claim) -> Result<Claimed, TurnError> {
        let db = &mut self.transaction;
        let known = claim::positions_and_events(db, &claim.positions, &claim.events).await?;
        let keys = claim::keys(db, &claim.keys, &mut self.fresh_keys).await?;
        Ok(Claimed { known, keys })
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<(World, Held), TurnError> {
        load::world(&mut self.transaction, wanted, &mut self.fresh_slots).await
    }

    async fn commit(mut self, world: &World, appends: &Appends) -> Result<bool, TurnError> {
        let news = commit::write(
            &mut self.transaction,
            world,
            appends,
            &self.fresh_slots,
            &self.fresh_keys,
        )
        .await?;
        self.transaction.commit().await?;
        if news {
            self.outbox.notify_one();
        }
        self.witnesses.see(world);
        let soon = world.now + SOON;
        let due = || {
            let added = world.changes.tasks_added.iter();
            added.filter(|task| task.due_at <= soon)
        };
        if due().next().is_some() {
            self.tasks
                .send_modify(|news| due().for_each(|task| news.of(task.key.kind)));
        }
        Ok(news)
    }
}

//! The same scene in memory and in PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice_failpoints::Role;
use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::promises::Books;
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_saga::task::{Task, TaskKey};
use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::memory::MemoryStore;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claimed, Held, Plan, Reads, Store, Wanted, run};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::cast::{Cast, PRICE, SEATS, Situation};
use super::turn::{CONSUMER, LEASE, TOPIC};
use crate::servers;

/// How long a busy machine is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scene of its own, in one of the two stores.
pub trait Scene {
    type Store: Store + Reads;

    fn store(&self) -> &Self::Store;

    fn cast(&self) -> &Cast;

    /// Lets some milliseconds pass.
    async fn pass_time(&self);

    /// Leases a task, if it is there.
    async fn lease(&self, task: &TaskKey);

    /// Where the record's partition stands.
    async fn position(&self) -> Option<i64>;

    async fn books(&self) -> Books;

    /// Everything else that is written, by the names of the cast and without times: tasks, events, journal, keys …
    async fn rest(&self) -> Vec<String>;

    /// What is held though nobody is at work.
    async fn held(&self) -> Vec<String>;

    /// Plays what has led to `situation`, and adds `tasks`.
    async fn play(&self, situation: Situation, tasks: Vec<Task>) {
        let before = self.cast().before(situation);
        for booking in [self.cast().booking, self.cast().bobs] {
            let inputs = before.iter().filter(|(of, _)| *of == booking);
            let mut before = Before {
                booking,
                inputs: inputs.map(|(_, input)| input.clone()).collect(),
                tasks: Vec::new(),
            };
            if booking == self.cast().booking {
                before.tasks.clone_from(&tasks);
            } else if before.inputs.is_empty() {
                continue;
            }
            let outcomes = run(self.store(), &before).await.expect("a turn");
            let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
            assert!(!outcomes.iter().any(refused), "{situation:?}: {outcomes:?}");
            self.pass_time().await;
        }
    }

    /// How everything stands.
    async fn stands(&self, books: &Books) -> Vec<String> {
        let mut lines = of_books(books);
        let ids = [self.cast().booking, self.cast().bobs];
        let (_, cases) = self.store().cases(&ids).await.expect("a read");
        lines.extend(cases.values().map(|case| {
            let mut payments: Vec<_> = case.payments.iter().map(|row| row.captured).collect();
            let mut refunds: Vec<_> = case.refunds.iter().map(|row| row.amount.minor).collect();
            payments.sort_unstable_by_key(|captured| captured.map(|money| money.minor));
            refunds.sort_unstable();
            format!("read {:?} {payments:?} {refunds:?}", case.booking.state)
        }));
        lines.extend(self.rest().await);
        lines
    }
}

fn of_books(books: &Books) -> Vec<String> {
    let bookings = books.bookings.values().map(|row| {
        let stands = (row.state, &row.seats, row.amount, row.sequence, row.version);
        format!("booking {} {} {stands:?}", row.id, row.user)
    });
    let seats = books.seats.iter().map(|row| {
        let owner = row.booking.map(|id| id.to_string()).unwrap_or_default();
        format!("seat {} {:?} {owner}", row.key.seat, row.state)
    });
    let payments = books.payments.values().map(|row| {
        let stands = (
            row.standing,
            row.captured,
            row.verdict,
            row.retained,
            row.capture,
        );
        let at_gateway = (&row.gateway_payment_id, &row.disputes);
        format!("payment {} {stands:?} {at_gateway:?}", row.id)
    });
    let refunds = books.refunds.iter().map(|row| {
        let stands = (row.standing, row.amount, row.cause, row.generation);
        let how = (&row.gateway_refund_id, &row.other_way, &row.proof);
        format!("refund {} {stands:?} {how:?}", row.id)
    });
    let moved = books.ledger.iter().map(|row| {
        let moved = (row.from, row.to, row.amount);
        format!("moved {} {moved:?}", row.payment)
    });
    bookings
        .chain(seats)
        .chain(payments)
        .chain(refunds)
        .chain(moved)
        .collect()
}

struct Before {
    booking: BookingId,
    inputs: Vec<Input>,
    tasks: Vec<Task>,
}

impl Plan for Before {
    type Answer = Vec<Outcome>;

    fn role(&self) -> Role {
        Role::HoldDesk
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        let show = self.booking.show();
        let mut wanted = Wanted::default();
        for input in &self.inputs {
            if let Input::Hold { user, seats, .. } = input {
                wanted.slots.insert((show, user.clone()), self.booking);
                let key = |seat: &String| SeatKey {
                    show,
                    seat: seat.clone(),
                };
                wanted.seats.extend(seats.iter().map(key));
            }
        }
        wanted
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, _: &mut Appends) -> Vec<Outcome> {
        for task in &self.tasks {
            world.add_task(task.clone());
        }
        let apply = |input: &Input| world.apply(self.booking, input.clone());
        self.inputs.iter().map(apply).collect()
    }
}

/// In memory.
pub struct InMemory {
    store: MemoryStore,
    cast: Cast,
}

impl InMemory {
    pub async fn new() -> Self {
        let cast = Cast::of(ShowId::try_from(1_u64).expect("a show"));
        let store = MemoryStore::default();
        let mut tables = store.tables().await;
        tables.now = Some(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        for name in SEATS {
            let key = SeatKey {
                show: cast.show,
                seat: name.to_owned(),
            };
            let seat = Seat {
                key: key.clone(),
                state: SeatState::Available,
                booking: None,
                reclaim_at: None,
                price_minor: PRICE,
            };
            tables.seats.insert(key, seat);
        }
        let partition = (CONSUMER.to_owned(), TOPIC.to_owned(), 1);
        tables.positions.insert(partition, (1, None));
        drop(tables);
        Self { store, cast }
    }
}

impl Scene for InMemory {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn cast(&self) -> &Cast {
        &self.cast
    }

    async fn pass_time(&self) {
        let mut tables = self.store.tables().await;
        tables.now = tables.now.map(|now| now + time::Duration::milliseconds(10));
    }

    async fn lease(&self, task: &TaskKey) {
        let mut tables = self.store.tables().await;
        let until = tables.now.expect("a clock") + time::Duration::hours(1);
        if let Some(row) = tables.tasks.get_mut(task) {
            row.lease = Some((LEASE, until));
        }
    }

    async fn position(&self) -> Option<i64> {
        let tables = self.store.tables().await;
        tables.positions.values().next().and_then(|(_, next)| *next)
    }

    async fn books(&self) -> Books {
        self.store.tables().await.books()
    }

    async fn rest(&self) -> Vec<String> {
        let tables = self.store.tables().await;
        let mut lines = Vec::new();
        for (key, row) in &tables.tasks {
            let kind = key.kind.name();
            let leased = if row.lease.is_some() {
                "leased"
            } else {
                "free"
            };
            lines.push(format!(
                "task {kind} {} {} {leased}",
                key.subject, key.generation
            ));
        }
        for event in &tables.events {
            let (id, kind) = (event.booking_id, event.body.name());
            lines.push(format!("event {id} {} {kind}", event.sequence));
        }
        for row in &tables.journal {
            let input = serde_json::to_string(&row.input).expect("JSON");
            let outcome = serde_json::to_string(&row.outcome).expect("JSON");
            lines.push(format!("journal {} {input} {outcome}", row.booking));
        }
        for ((_, _, key), (_, answer)) in &tables.keys {
            let KeptAnswer::Answer { status, body } = answer else {
                continue;
            };
            lines.push(format!(
                "key {key} {status} {}",
                String::from_utf8_lossy(body)
            ));
        }
        lines.extend(
            tables
                .inbox
                .keys()
                .map(|key| format!("inbox {}", key.event_id)),
        );
        for (kind, subject) in tables.attention.keys() {
            lines.push(format!("attention {} {subject}", kind.name()));
        }
        for row in &tables.deliveries {
            lines.push(format!("delivery {} {}", row.booking, row.template));
        }
        lines.extend(tables.parked.keys().map(|id| format!("parked {id}")));
        lines
    }

    async fn held(&self) -> Vec<String> {
        // Turns are one after another: one that is not over keeps everybody else out.
        let tables = tokio::time::timeout(PATIENCE, self.store.tables()).await;
        tables
            .err()
            .map(|_| "the tables are locked".to_owned())
            .into_iter()
            .collect()
    }
}

/// In PostgreSQL. Scenes share a database, and come one after another.
pub struct InPostgres {
    store: PgStore,
    cast: Cast,
}

impl InPostgres {
    /// A store over a fresh database.
    pub async fn store() -> PgStore {
        let url = servers::shared().database().await;
        PgStore::new(url.parse().expect("a URL"), 4, Arc::new(Notify::new()))
    }

    /// The `nth` scene in it.
    pub async fn new(store: PgStore, nth: u64) -> Self {
        let cast = Cast::of(ShowId::try_from(nth).expect("a show"));
        // What earlier scenes have left, as far as it does not bear its show.
        let fresh = "with a as (delete from tasks), b as (delete from attempts), c as (delete from inbox),
            d as (delete from idempotency_keys), e as (delete from attention), f as (delete from parked_records),
            g as (insert into consumer_positions (consumer, topic, partition, epoch) values ($2, $3, $1::bigint, 1))
            insert into show_seats (show_id, seat, price_minor) select $1, seat, $4 from unnest($5::text[]) as seat";
        sqlx::query(fresh)
            .bind(cast.show.as_i64())
            .bind(CONSUMER)
            .bind(TOPIC)
            .bind(PRICE)
            .bind(SEATS.map(str::to_owned).to_vec())
            .execute(store.pool())
            .await
            .expect("a fresh scene");
        Self { store, cast }
    }

    async fn clock(&self) -> OffsetDateTime {
        sqlx::query_scalar("select clock_timestamp()")
            .fetch_one(self.store.pool())
            .await
            .expect("a clock")
    }
}

impl Scene for InPostgres {
    type Store = PgStore;

    fn store(&self) -> &PgStore {
        &self.store
    }

    fn cast(&self) -> &Cast {
        &self.cast
    }

    async fn pass_time(&self) {
        let until = self.clock().await + time::Duration::milliseconds(2);
        while self.clock().await < until {}
    }

    async fn lease(&self, task: &TaskKey) {
        let lease =
            "update tasks set lease_token = $4, lease_until = clock_timestamp() + interval '1 hour'
                     where kind = $1 and subject = $2 and generation = $3";
        sqlx::query(lease)
            .bind(task.kind.name())
            .bind(task.subject)
            .bind(task.generation.cast_signed())
            .bind(LEASE)
            .execute(self.store.pool())
            .await
            .expect("a lease");
    }

    async fn position(&self) -> Option<i64> {
        let partition = i32::try_from(self.cast.show.number()).expect("few shows");
        let read = self.store.read_position(CONSUMER, TOPIC, partition).await;
        read.expect("a position")
            .and_then(|owned| owned.next_offset)
    }

    async fn books(&self) -> Books {
        self.store.books(self.cast.show).await.expect("books")
    }

    async fn rest(&self) -> Vec<String> {
        let rest = "select concat_ws(' ', 'task', kind, subject, generation, case when lease_token is null then 'free' else 'leased' end) from tasks
            union all select concat_ws(' ', 'event', booking_id, sequence, type) from outbox
                where booking_id = any($2) and sequence is not null
            union all select concat_ws(' ', 'journal', booking_id, input, outcome) from journal where show_id = $1
            union all select concat_ws(' ', 'key', key, status, convert_from(body, 'UTF8')) from idempotency_keys
            union all select concat_ws(' ', 'inbox', event_id) from inbox
            union all select concat_ws(' ', 'attention', kind, subject) from attention where closed_at is null
            union all select concat_ws(' ', 'delivery', booking_id, template) from deliveries where show_id = $1
            union all select concat_ws(' ', 'parked', record_id) from parked_records";
        let cast = &self.cast;
        let bookings: Vec<Uuid> = [cast.booking, cast.fresh, cast.bobs]
            .map(BookingId::uuid)
            .into();
        sqlx::query_scalar(rest)
            .bind(cast.show.as_i64())
            .bind(bookings)
            .fetch_all(self.store.pool())
            .await
            .expect("the rest")
    }

    async fn held(&self) -> Vec<String> {
        let open = "select count(*) from pg_stat_activity where datname = current_database()
            and pid <> pg_backend_pid() and backend_type = 'client backend' and xact_start is not null";
        let until = Instant::now() + PATIENCE;
        loop {
            let open: i64 = sqlx::query_scalar(open)
                .fetch_one(self.store.pool())
                .await
                .expect("sessions");
            if open == 0 {
                return Vec::new();
            }
            // A session that was given up is rolled back on its way back to the pool.
            if Instant::now() > until {
                return vec![format!("{open} transactions are open")];
            }
        }
    }
}

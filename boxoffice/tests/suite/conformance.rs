//! The two stores of the turn are one: the same turns, on PostgreSQL and in memory, answer the same and leave
//! the same behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice_failpoints::Role;
use boxoffice_saga::booking::{CancelledBy, Contact, Terms};
use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, ShowId, UserId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_saga::world::World;
use boxoffice_turn::claim::{Delivery, KeptAnswer, PositionClaim};
use boxoffice_turn::memory::MemoryStore;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{
    Appends, Claim, Claimed, Door, EventKey, Held, InboxOutcome, KeyClaim, KeyState, OperatorAct,
    Plan, Store, TurnError, Wanted, run,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::servers;

const SEATS: [&str; 4] = ["A-1", "A-2", "A-3", "A-4"];

fn show() -> ShowId {
    ShowId::try_from(77_u64).expect("a show")
}

fn inr() -> Currency {
    "INR".parse().expect("a currency")
}

/// One turn of several inputs, with claims of every sort.
struct Script {
    inputs: Vec<(BookingId, Input)>,
    claim: Claim,
}

impl Plan for Script {
    type Answer = (Vec<Outcome>, Vec<KeyState>, usize);

    fn role(&self) -> Role {
        Role::Coordinator
    }

    fn claim(&self) -> Claim {
        self.claim.clone()
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        let mut wanted = Wanted {
            seats_of_bookings: true,
            ..Wanted::default()
        };
        for (booking, input) in &self.inputs {
            match input {
                Input::Hold { user, seats, .. } => {
                    wanted.slots.insert((show(), user.clone()), *booking);
                    wanted.seats.extend(seats.iter().map(|seat| SeatKey {
                        show: show(),
                        seat: seat.clone(),
                    }));
                }
                _ => {
                    wanted.bookings.insert(*booking);
                }
            }
        }
        wanted
    }

    fn decide(
        &self,
        claimed: &Claimed,
        _: &Held,
        world: &mut World,
        appends: &mut Appends,
    ) -> Self::Answer {
        let outcomes = self
            .inputs
            .iter()
            .map(|(booking, input)| world.apply(*booking, input.clone()))
            .collect();
        for event in &self.claim.events {
            appends.inbox.push((event.clone(), InboxOutcome::Applied));
        }
        for ((booking, _), outcome) in self.inputs.iter().zip(&outcomes) {
            appends.deliveries.push(told(*booking, outcome, world.now));
            appends.acts.push(done_by_operator(*booking, outcome));
        }
        for (key, state) in self.claim.keys.iter().zip(&claimed.keys) {
            if *state == KeyState::Fresh && key.key != "forgotten" {
                let answer = KeptAnswer::Answer {
                    status: 201,
                    body: b"{}".to_vec(),
                };
                appends.answers.push((key.clone(), answer));
            }
        }
        (outcomes, claimed.keys.clone(), claimed.known.len())
    }
}

/// An operator's act, now with and now without what may be missing.
fn done_by_operator(booking: BookingId, outcome: &Outcome) -> OperatorAct {
    let done = *outcome == Outcome::Done;
    OperatorAct {
        who: "olga".to_owned(),
        door: if done { Door::Api } else { Door::CommandLine },
        what: "booking.cancel",
        subject: done.then(|| booking.to_string()),
        why: (!done).then(|| "a reason".to_owned()),
        outcome: format!("{outcome:?}"),
    }
}

/// A line of the delivery log, now with and now without what may be missing.
fn told(booking: BookingId, outcome: &Outcome, at: OffsetDateTime) -> Delivery {
    let delivered = *outcome == Outcome::Done;
    Delivery {
        booking,
        channel: if delivered { "email" } else { "sms" },
        template: "booking_confirmed",
        language: delivered.then_some("hi"),
        message_id: format!("<{booking}@example.com>"),
        outcome: if delivered { "delivered" } else { "later" },
        reason: (!delivered).then(|| format!("{outcome:?}")),
        attempt: 1 + u32::from(delivered),
        at,
    }
}

/// How long a busy machine is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

async fn both() -> (PgStore, MemoryStore) {
    let url = servers::shared().database().await;
    let options = url.parse().expect("a database URL");
    let postgres = PgStore::new(options, 4, Arc::new(Notify::new()));
    let memory = MemoryStore::default();
    sqlx::query(
        "insert into show_seats (show_id, seat, price_minor) select 77, 'A-' || n, 1000 from generate_series(1, 4) n",
    )
    .execute(postgres.pool())
    .await
    .expect("seats");
    sqlx::query("insert into consumer_positions (consumer, topic, partition, epoch) values ('c', 't', 0, 3)")
        .execute(postgres.pool())
        .await
        .expect("a position");
    let mut tables = memory.tables().await;
    for name in SEATS {
        let key = SeatKey {
            show: show(),
            seat: name.to_owned(),
        };
        let seat = Seat {
            key: key.clone(),
            state: SeatState::Available,
            booking: None,
            reclaim_at: None,
            price_minor: 1_000,
        };
        tables.seats.insert(key, seat);
    }
    tables
        .positions
        .insert(("c".to_owned(), "t".to_owned(), 0), (3, None));
    drop(tables);
    (postgres, memory)
}

/// Holds end at once, so that the database's real clock and the memory's still one agree on what may be
/// reclaimed: everything, always.
fn terms() -> Terms {
    Terms {
        hold_ms: 1,
        grace_ms: 0,
        extension_ms: 0,
        extension_limit_ms: 0,
        warning_ms: 0,
        ..Terms::usual(inr())
    }
}

fn something(rng: &mut StdRng, known: &mut Vec<BookingId>) -> (BookingId, Input) {
    if known.is_empty() || rng.random_bool(0.4) {
        let drawn = known.len() as u64 + 1;
        let booking = BookingId::pack(drawn, show(), drawn);
        known.push(booking);
        let user = UserId(["ann", "bob", "cy"][rng.random_range(0..3)].to_owned());
        let seats = SEATS
            .iter()
            .filter(|_| rng.random_bool(0.4))
            .map(|seat| (*seat).to_owned())
            .collect();
        return (
            booking,
            Input::Hold {
                user,
                seats,
                contact: Contact::default(),
                terms: terms(),
            },
        );
    }
    let booking = known[rng.random_range(0..known.len())];
    let state = [
        PaymentState::Failed,
        PaymentState::Captured,
        PaymentState::Captured,
    ][rng.random_range(0..3)];
    let input = match rng.random_range(0..6) {
        0 => Input::Release,
        1 => Input::HoldTimer,
        2 => Input::Cancel {
            by: CancelledBy::Customer,
        },
        _ => Input::Payment(PaymentFact {
            account: GatewayAccount::new("stripe", "default"),
            gateway_payment_id: format!("pi_{booking}_{}", rng.random_range(0..2)),
            opened_as: None,
            reference: Reference::Booking {
                booking,
                payment: None,
            },
            state,
            amount: Money::new([1_000, 2_000][rng.random_range(0..2)], inr()),
            live: false,
            reason: None,
        }),
    };
    (booking, input)
}

async fn turn<S: Store>(
    store: &S,
    script: &Script,
) -> Result<(Vec<Outcome>, Vec<KeyState>, usize), String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match run(store, script).await {
            // A machine that is too busy to hand out a session; nothing was done.
            Err(TurnError::Unavailable(sqlx::Error::PoolTimedOut)) if Instant::now() < until => {}
            done => {
                return done.map_err(|error| match error {
                    TurnError::PositionLost { .. } => "position lost".to_owned(),
                    TurnError::Data(_) => "data".to_owned(),
                    other => other.to_string(),
                });
            }
        }
    }
}

#[tokio::test]
async fn the_same_turns_do_the_same_on_both_stores() {
    for seed in 0..12_u64 {
        let (postgres, memory) = both().await;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut known = Vec::new();
        let mut position = None;
        for step in 0..25_i64 {
            let inputs = (0..rng.random_range(1..4))
                .map(|_| something(&mut rng, &mut known))
                .collect();
            let mut claim = Claim::default();
            // Now and then the position is not where the claim says.
            let from = if rng.random_bool(0.1) {
                Some(999)
            } else {
                position
            };
            claim.positions.push(PositionClaim {
                consumer: "c".to_owned(),
                topic: "t".to_owned(),
                partition: 0,
                epoch: if rng.random_bool(0.1) { 2 } else { 3 },
                from,
                to: step + 1,
            });
            let event_id = format!("evt_{}", rng.random_range(0..10));
            claim.events.push(EventKey {
                source: "stripe/default".to_owned(),
                event_id,
            });
            claim.keys.push(KeyClaim {
                user: UserId("ann".to_owned()),
                route: "/r".to_owned(),
                key: ["k1", "k2", "forgotten"][rng.random_range(0..3)].to_owned(),
                request_hash: vec![rng.random_range(0..2)],
            });
            memory
                .set_now(clock(&postgres).await + time::Duration::hours(1))
                .await;
            let script = Script { inputs, claim };
            let in_postgres = turn(&postgres, &script).await;
            // Every hold of an earlier turn may be reclaimed by then, on either clock.
            let after = clock(&postgres).await + time::Duration::milliseconds(2);
            while clock(&postgres).await < after {}
            let in_memory = turn(&memory, &script).await;
            assert_eq!(in_postgres, in_memory, "seed {seed}, step {step}");
            if in_postgres.is_ok() {
                position = Some(step + 1);
            }
        }
        compare(&postgres, &memory, seed).await;
    }
}

/// The database's clock, however long a busy machine takes to say it.
async fn clock(postgres: &PgStore) -> OffsetDateTime {
    let until = Instant::now() + PATIENCE;
    loop {
        let now = sqlx::query_scalar("select clock_timestamp()");
        match now.fetch_one(postgres.pool()).await {
            Err(sqlx::Error::PoolTimedOut) if Instant::now() < until => {}
            now => return now.expect("a clock"),
        }
    }
}

async fn compare(postgres: &PgStore, memory: &MemoryStore, seed: u64) {
    let theirs = postgres.books(show()).await.expect("books");
    let tables = memory.tables().await;
    let ours = tables.books();
    assert!(
        theirs.violations().is_empty(),
        "seed {seed}: {:?}",
        theirs.violations()
    );
    assert!(
        ours.violations().is_empty(),
        "seed {seed}: {:?}",
        ours.violations()
    );
    let bookings = |books: &boxoffice_saga::promises::Books| -> BTreeMap<BookingId, String> {
        let row = |row: &boxoffice_saga::booking::Booking| {
            format!(
                "{:?} {:?} {:?} {} {}",
                row.state, row.seats, row.amount, row.sequence, row.version
            )
        };
        books
            .bookings
            .iter()
            .map(|(id, booking)| (*id, row(booking)))
            .collect()
    };
    assert_eq!(bookings(&theirs), bookings(&ours), "seed {seed}");
    let payments = |books: &boxoffice_saga::promises::Books| -> BTreeMap<PaymentId, String> {
        let row = |row: &boxoffice_saga::payment::Payment| {
            format!(
                "{:?} {:?} {:?} {:?}",
                row.standing, row.captured, row.verdict, row.gateway_payment_id
            )
        };
        books
            .payments
            .iter()
            .map(|(id, payment)| (*id, row(payment)))
            .collect()
    };
    assert_eq!(payments(&theirs), payments(&ours), "seed {seed}");
    let seats = |books: &boxoffice_saga::promises::Books| -> BTreeMap<SeatKey, String> {
        books
            .seats
            .iter()
            .map(|seat| {
                (
                    seat.key.clone(),
                    format!("{:?} {:?}", seat.state, seat.booking),
                )
            })
            .collect()
    };
    assert_eq!(seats(&theirs), seats(&ours), "seed {seed}");
    assert_eq!(theirs.sequences, ours.sequences, "seed {seed}");
    assert_eq!(theirs.ledger.len(), ours.ledger.len(), "seed {seed}");
    let tasks: Vec<(String, Uuid, i32)> =
        sqlx::query_as("select kind, subject, generation from tasks")
            .fetch_all(postgres.pool())
            .await
            .expect("tasks");
    let mut tasks: Vec<_> = tasks
        .into_iter()
        .map(|(kind, subject, generation)| (kind, subject, generation.cast_unsigned()))
        .collect();
    tasks.sort();
    let mut expected: Vec<_> = tables
        .tasks
        .keys()
        .map(|key| (key.kind.name().to_owned(), key.subject, key.generation))
        .collect();
    expected.sort();
    assert_eq!(tasks, expected, "seed {seed}");
    let count = |name: &'static str| async move {
        sqlx::query_scalar::<_, i64>(name)
            .fetch_one(postgres.pool())
            .await
            .expect("a count") as usize
    };
    assert_eq!(
        count("select count(*) from outbox").await,
        tables.outbox.len(),
        "seed {seed}"
    );
    assert_eq!(
        count("select count(*) from journal").await,
        tables.journal.len(),
        "seed {seed}"
    );
    // Each event stands in the journal once, under its own booking, in the turn that published it.
    let events = |from: &'static str| async move {
        let events = sqlx::query_as::<_, Event>(from).fetch_all(postgres.pool());
        events.await.expect("events")
    };
    let told = events(
        "select xact::text, j.booking_id, (e ->> 'sequence')::int, e ->> 'type', (e ->> 'position')::bigint as position
         from journal j cross join jsonb_array_elements(j.published::jsonb) as e order by position",
    );
    let published = events(
        "select xact::text, booking_id, sequence, type, position from outbox o
         where sequence is not null order by position",
    );
    assert_eq!(told.await, published.await, "seed {seed}");
    assert_eq!(
        count("select count(*) from inbox").await,
        tables.inbox.len(),
        "seed {seed}"
    );
    assert_eq!(
        count("select count(*) from idempotency_keys").await,
        tables.keys.len(),
        "seed {seed}"
    );
    let log = sqlx::query_as::<_, Line>(
        "select show_id, booking_id, channel, template, language, message_id, outcome, reason, attempt
         from deliveries order by entry",
    );
    let log = log.fetch_all(postgres.pool()).await.expect("a log");
    let line = |row: &Delivery| -> Line {
        (
            row.booking.show().as_i64(),
            row.booking.uuid(),
            row.channel.to_owned(),
            row.template.to_owned(),
            row.language.map(str::to_owned),
            row.message_id.clone(),
            row.outcome.to_owned(),
            row.reason.clone(),
            row.attempt.cast_signed(),
        )
    };
    let expected: Vec<Line> = tables.deliveries.iter().map(line).collect();
    assert_eq!(log, expected, "seed {seed}");
    let acts = sqlx::query_as::<_, Act>(
        "select who, door, what, subject, why, outcome from operator_acts order by act",
    );
    let acts = acts.fetch_all(postgres.pool()).await.expect("acts");
    let act = |act: &OperatorAct| -> Act {
        (
            act.who.clone(),
            act.door.name().to_owned(),
            act.what.to_owned(),
            act.subject.clone(),
            act.why.clone(),
            act.outcome.clone(),
        )
    };
    let expected: Vec<Act> = tables.acts.iter().map(act).collect();
    assert_eq!(acts, expected, "seed {seed}");
    for change in [
        "update deliveries set outcome = 'delivered'",
        "delete from deliveries",
        "update operator_acts set why = null",
        "delete from operator_acts",
    ] {
        let changed = sqlx::query(change).execute(postgres.pool()).await;
        assert!(changed.is_err(), "{change}: the log is append-only");
    }
}

/// What is known of an event: its transaction, booking, number there, kind, and place in the outbox.
type Event = (String, Uuid, i32, String, i64);

/// A row of `operator_acts` without its time.
type Act = (
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    String,
);

/// A row of `deliveries` without its time, which is another clock's.
type Line = (
    i64,
    Uuid,
    String,
    String,
    Option<String>,
    String,
    String,
    Option<String>,
    i32,
);

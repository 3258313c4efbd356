//! What a race has left behind: how everything stands, in words, and what must never be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use boxoffice_saga::identity::BookingId;

use super::ring::{Ring, Scene};

/// How long a session that goes back to its pool is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the show stands: its bookings with all that happened to them in order, seats, money and tasks. Without ids
/// and times, so that two races can be compared.
pub async fn of(ring: &Ring, scene: &Scene) -> Vec<String> {
    let books = ring.store.books(scene.show).await.expect("books");
    let db = ring.store.pool();
    let mut stories: BTreeMap<BookingId, String> = BTreeMap::new();
    for (id, row) in &books.bookings {
        let told = sqlx::query_scalar(
            "select coalesce(string_agg(type, ' ' order by sequence), '') from outbox where booking_id = $1 and sequence is not null",
        );
        let told: String = told.bind(id.uuid()).fetch_one(db).await.expect("events");
        let decided = sqlx::query_scalar(
            "select coalesce(string_agg((input::json->>'input') || ' ' || outcome, ', ' order by entry), '') from journal where booking_id = $1",
        );
        let decided: String = decided
            .bind(id.uuid())
            .fetch_one(db)
            .await
            .expect("a journal");
        let state = row.state.name();
        stories.insert(
            *id,
            format!("{} {:?} {state}: {told}; {decided}", row.user.0, row.seats),
        );
    }
    let of = |id: Option<BookingId>| {
        id.and_then(|id| stories.get(&id))
            .map_or("", String::as_str)
    };
    let mut lines: Vec<String> = stories.values().cloned().collect();
    lines.extend(books.seats.iter().map(|seat| {
        let name = &seat.key.seat;
        format!("{name} {} {}", seat.state.name(), of(seat.booking))
    }));
    lines.extend(books.payments.values().map(|row| {
        let stands = (row.standing, row.captured, row.verdict);
        format!("payment {stands:?} {}", of(Some(row.booking)))
    }));
    lines.extend(books.refunds.iter().map(|row| {
        let stands = (row.standing, row.amount, row.cause);
        format!("refund {stands:?} {}", of(Some(row.booking)))
    }));
    lines.extend(books.ledger.iter().map(|row| {
        let moved = (row.from, row.to, row.amount);
        format!("moved {moved:?} {}", of(Some(row.booking)))
    }));
    let tasks: Vec<(String, Option<uuid::Uuid>)> =
        sqlx::query_as("select kind, booking_id from tasks")
            .fetch_all(db)
            .await
            .expect("tasks");
    lines.extend(tasks.iter().map(|(kind, booking)| {
        let booking = booking.and_then(|id| BookingId::try_from(id).ok());
        format!("to do: {kind} {}", of(booking))
    }));
    lines.sort();
    lines
}

/// Everything that is wrong: broken promises, and what is still held though nobody is at work.
pub async fn wrongs(ring: &Ring, scene: &Scene) -> Vec<String> {
    let books = ring.store.books(scene.show).await.expect("books");
    let mut wrongs: Vec<String> = books
        .violations()
        .iter()
        .map(|broken| format!("{}: {}", broken.promise, broken.what))
        .collect();
    let db = ring.store.pool();
    let until = Instant::now() + PATIENCE;
    let open = "select count(*) from pg_stat_activity where datname = current_database()
                and pid <> pg_backend_pid() and backend_type = 'client backend' and xact_start is not null";
    loop {
        let open: i64 = sqlx::query_scalar(open)
            .fetch_one(db)
            .await
            .expect("sessions");
        if open == 0 {
            break;
        }
        if Instant::now() > until {
            wrongs.push(format!(
                "{open} transactions are still open, with their locks"
            ));
            break;
        }
    }
    for (held, what) in [
        (
            "select count(*) from tasks where lease_token is not null",
            "leases",
        ),
        (
            "select count(*) from idempotency_keys where status is null and resume is null",
            "idempotency keys without an answer",
        ),
        (
            "select count(*) from (select from journal where outcome like '%decided%'
             group by booking_id, input::json->>'gateway_payment_id' having count(*) > 1) as twice",
            "payments decided twice",
        ),
    ] {
        let count: i64 = sqlx::query_scalar(held)
            .fetch_one(db)
            .await
            .expect("a count");
        if count > 0 {
            wrongs.push(format!("{count} {what}"));
        }
    }
    wrongs
}

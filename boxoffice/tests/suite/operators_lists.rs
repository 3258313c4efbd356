//! The operators' lists on rows of a test's own: order, pages, sums; and that none of them reads what is finished.

use std::sync::Arc;

use boxoffice_booking_api::operators::page::Limit;
use boxoffice_booking_api::operators::waiting::{self, WaitingFor, Wanted};
use boxoffice_booking_api::operators::{attention, dead_letters};
use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::identity::BookingId;
use boxoffice_turn::postgres::PgStore;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::servers;

async fn store() -> PgStore {
    let url = servers::shared().database().await;
    PgStore::new(url.parse().expect("a URL"), 2, Arc::new(Notify::new()))
}

fn id(n: u64) -> Uuid {
    let show = "7".parse().expect("a show");
    BookingId::pack(1, show, n).uuid()
}

fn pages_of(entries: u16) -> Limit {
    Limit::new(entries).expect("a limit")
}

async fn item(db: &PgPool, kind: &str, subject: Uuid, minor: Option<i64>, at: OffsetDateTime) {
    sqlx::query(
        "insert into attention (kind, subject, amount_minor, currency, reason, opened_at)
         values ($1, $2, $3, case when $3 is null then null else 'INR' end, 'look', $4)",
    )
    .bind(kind)
    .bind(subject)
    .bind(minor)
    .bind(at)
    .execute(db)
    .await
    .expect("an item");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_day_is_first_and_within_it_the_most_money() {
    let store = store().await;
    let db = store.pool();
    let today = time::macros::datetime!(2026-11-21 00:00:00 UTC);
    let hour = Duration::hours(1);
    // Written in any order: kind, amount, hours after the day's beginning; with the place that each should have.
    let rows = [
        ("dead_letter", None, 1, 5),
        ("refund_stuck", Some(10), 2, 4),
        ("refund_stuck", Some(500), 23, 3),
        ("payment_unknown", Some(1), -1, 1),
        ("payment_unknown", None, -2, 2),
        ("contradiction", Some(7), -25, 0),
        ("dead_letter", None, 25, 6),
    ];
    for (nth, (kind, minor, hours, _)) in (1..).zip(rows) {
        item(db, kind, id(nth), minor, today + hour * hours).await;
    }
    item(db, "contradiction", id(99), Some(1_000_000), today).await;
    sqlx::query("update attention set closed_at = now() where subject = $1")
        .bind(id(99))
        .execute(db)
        .await
        .expect("closed");
    let mut wanted: Vec<_> = (1..).zip(rows).map(|(nth, row)| (row.3, id(nth))).collect();
    wanted.sort_unstable();
    let wanted: Vec<Uuid> = wanted.into_iter().map(|(_, subject)| subject).collect();
    for length in 1..=8 {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = attention::list(&store, None, after.as_ref(), pages_of(length))
                .await
                .expect("a page");
            found.extend(page.entries.iter().map(|item| item.subject));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, wanted, "{length} on a page");
    }
    let only = Some(AttentionKind::RefundStuck);
    let page = attention::list(&store, only, None, Limit::default())
        .await
        .expect("a page");
    let amounts: Vec<_> = page
        .entries
        .iter()
        .filter_map(|item| item.amount.map(|amount| amount.minor))
        .collect();
    assert_eq!(amounts, [500, 10]);
}

/// Payments and refunds of every standing, messages, timers; some of them with a person.
async fn everything(db: &PgPool, now: OffsetDateTime) {
    sqlx::query(
        "insert into payments (payment_id, booking_id, show_id, gateway, account, standing, expected_minor,
             expected_currency, captured_minor, captured_currency, verdict, opened_at)
         select id, $1, 7, 'stripe', 'default', standing, 100, 'INR',
                case when standing = 'CAPTURED' then 100 end, case when standing = 'CAPTURED' then 'INR' end,
                case when standing = 'CAPTURED' then 'APPLIED' end, $2
         from unnest($3::uuid[], $4::text[]) as p (id, standing)",
    )
    .bind(id(1))
    .bind(now - Duration::minutes(20))
    .bind((10..17).map(id).collect::<Vec<_>>())
    .bind(["OPEN", "OPEN", "DECLINED", "CLOSED", "CAPTURED", "AUTHORISED", "GIVING_UP"])
    .execute(db)
    .await
    .expect("payments");
    sqlx::query(
        "insert into refunds (refund_id, payment_id, booking_id, show_id, amount_minor, currency, cause, standing,
             generation, requested_at)
         select id, id, $1, 7, 1000, currency, 'CANCELLED', standing, 1, $2
         from unnest($3::uuid[], $4::text[], $5::text[]) as r (id, standing, currency)",
    )
    .bind(id(1))
    .bind(now - Duration::minutes(5))
    .bind((20..27).map(id).collect::<Vec<_>>())
    .bind(["REQUESTED", "UNDER_WAY", "UNDER_WAY", "PENDING", "WITH_OPERATOR", "DONE", "WITHDRAWN"])
    .bind(["INR", "INR", "USD", "INR", "INR", "INR", "INR"])
    .execute(db)
    .await
    .expect("refunds");
    // A person looks after one payment and one refund.
    item(
        db,
        "payment_unknown",
        id(11),
        Some(100),
        now - Duration::minutes(10),
    )
    .await;
    item(
        db,
        "refund_not_possible",
        id(24),
        Some(1_000),
        now - Duration::minutes(4),
    )
    .await;
    sqlx::query(
        "insert into tasks (kind, subject, generation, booking_id, due_at, created_at, lease_until)
         select kind, id, 1, $1, $2 + make_interval(mins => due), $2 - interval '30 minutes',
                $2 + make_interval(mins => leased)
         from unnest($3::text[], $4::uuid[], $5::int[], $6::int[]) as t (kind, id, due, leased)",
    )
    .bind(id(1))
    .bind(now)
    .bind([
        "mail",
        "sms",
        "hold_timer",
        "hold_timer",
        "hold_timer",
        "refund",
        "trace",
    ])
    .bind((30..37).map(id).collect::<Vec<_>>())
    .bind([-2, 9, -3, 5, -3, -3, -3])
    // The third timer is in somebody's hands.
    .bind([-1, -1, -1, -1, 9, -1, -1])
    .execute(db)
    .await
    .expect("tasks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_amount_waits_for_one_and_is_counted_once() {
    let store = store().await;
    let now: OffsetDateTime = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(store.pool())
        .await
        .expect("a clock");
    everything(store.pool(), now).await;
    let expected = [
        (WaitingFor::Bank, vec![10, 23], "1100 INR"),
        (
            WaitingFor::Gateway,
            vec![15, 16, 21, 22],
            "1200 INR + 1000 USD",
        ),
        (WaitingFor::Refund, vec![20], "1000 INR"),
        (WaitingFor::Person, vec![11, 24], "1100 INR"),
        (WaitingFor::Notification, vec![30, 31], ""),
        (WaitingFor::Worker, vec![32], ""),
    ];
    let everybody = Wanted::default();
    let sums = waiting::sums(&store, everybody).await.expect("sums");
    assert_eq!(sums.len(), expected.len(), "{sums:#?}");
    let mut count = 0;
    for (sum, (whom, ids, money)) in sums.iter().zip(&expected) {
        assert_eq!(sum.waiting_for, *whom);
        assert_eq!(
            sum.count,
            i64::try_from(ids.len()).expect("few"),
            "{whom:?}"
        );
        let summed: Vec<_> = sum
            .money
            .iter()
            .map(|money| format!("{} {}", money.minor, money.currency))
            .collect();
        assert_eq!(summed.join(" + "), *money, "{whom:?}");
        let wanted = Wanted {
            waiting_for: Some(*whom),
            ..everybody
        };
        let page = waiting::list(&store, wanted, None, Limit::default())
            .await
            .expect("a page");
        let mut found: Vec<Uuid> = page.entries.iter().map(|one| one.id).collect();
        found.sort_unstable();
        let ids: Vec<Uuid> = ids.iter().copied().map(id).collect();
        assert_eq!(found, ids, "{whom:?}");
        assert!(page.entries.iter().all(|one| one.waiting_for == *whom));
        let alone = waiting::sums(&store, wanted).await.expect("sums");
        assert_eq!((alone.len(), alone[0].count), (1, sum.count));
        count += ids.len();
    }
    // All of them by any page: what has waited longest first, and nothing twice.
    for length in 1..=13 {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = waiting::list(&store, everybody, after.as_ref(), pages_of(length))
                .await
                .expect("a page");
            found.extend(
                page.entries
                    .iter()
                    .map(|one| (one.since, one.id, one.what.clone())),
            );
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), count, "{length} on a page");
        assert!(found.is_sorted(), "{found:#?}");
    }
    let stuck = Wanted {
        stuck: Duration::minutes(15),
        ..everybody
    };
    let page = waiting::list(&store, stuck, None, Limit::default())
        .await
        .expect("a page");
    let mut found: Vec<Uuid> = page.entries.iter().map(|one| one.id).collect();
    found.sort_unstable();
    assert_eq!(found, [10, 15, 16, 30, 31].map(id));
    assert!(page.entries.iter().all(|one| one.seconds >= 900));
}

/// A hundred thousand finished payments, refunds and items are not looked at: the lists read a few pages of an index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_finished_costs_nothing() {
    const FINISHED: i32 = 100_000;
    const MOST_PAGES: i64 = 400;
    let store = store().await;
    let db = store.pool();
    for insert in [
        "insert into payments (payment_id, booking_id, show_id, gateway, account, standing, expected_minor,
             expected_currency, captured_minor, captured_currency, verdict, opened_at)
         select gen_random_uuid(), gen_random_uuid(), 7, 'stripe', 'default', 'CAPTURED', 100, 'INR', 100, 'INR',
                'APPLIED', now() from generate_series(1, $1)",
        "insert into refunds (refund_id, payment_id, booking_id, show_id, amount_minor, currency, cause, standing,
             generation, requested_at)
         select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 7, 100, 'INR', 'CANCELLED', 'DONE', 1, now()
         from generate_series(1, $1)",
        "insert into attention (kind, subject, reason, opened_at, closed_at)
         select 'refund_stuck', gen_random_uuid(), '', now(), now() from generate_series(1, $1)",
        "insert into dead_letters (letter_id, consumer, topic, partition, \"offset\", headers, payload, reason,
             redriven_at)
         select gen_random_uuid(), 'coordinator', 't', 0, 0, '', '', '', now() from generate_series(1, $1)",
    ] {
        let inserted = sqlx::query(insert).bind(FINISHED).execute(db).await;
        inserted.expect("rows");
    }
    // One session, so that its counts can be read; what it has read of tables and indexes, in pages.
    let mut reader = db.acquire().await.expect("a session");
    let touched = "select (sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0)))::bigint
         from pg_statio_user_tables
         where relname in ('payments', 'refunds', 'attention', 'tasks', 'dead_letters', 'bookings')";
    let flush = "select pg_stat_force_next_flush()";
    let mut pages = async || -> i64 {
        sqlx::query(flush)
            .execute(&mut *reader)
            .await
            .expect("flushed");
        sqlx::query("select pg_stat_clear_snapshot()")
            .execute(&mut *reader)
            .await
            .expect("cleared");
        sqlx::query_scalar(touched)
            .fetch_one(&mut *reader)
            .await
            .expect("counts")
    };
    let flushed = async || {
        // The other session says what it has read.
        sqlx::query(flush).execute(db).await.expect("flushed");
        sqlx::query("select 1").execute(db).await.expect("alive");
    };
    flushed().await;
    let before = pages().await;
    let everybody = Wanted::default();
    let page = waiting::list(&store, everybody, None, Limit::default()).await;
    assert_eq!(page.expect("a page").entries.len(), 0);
    assert_eq!(
        waiting::sums(&store, everybody).await.expect("sums").len(),
        0
    );
    let page = attention::list(&store, None, None, Limit::default()).await;
    assert_eq!(page.expect("a page").entries, []);
    let page = dead_letters::list(&store, false, None, Limit::default()).await;
    assert_eq!(page.expect("a page").entries, []);
    flushed().await;
    let read = pages().await - before;
    assert!(read < MOST_PAGES, "{read} pages were read");
}

//! What is only there to make repetitions cheap is forgotten in time, and forgetting it costs nobody anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::demo::Stage;
use boxoffice_coordinator::retention::{RetentionOptions, forget};
use boxoffice_turn::postgres::PgStore;

use crate::system;

const DAY: Duration = Duration::from_secs(86_400);

/// The gateway tells of the same payment twice, the second time after the inbox has forgotten the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_after_the_inbox_has_forgotten_it_changes_nothing() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Forgotten", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let body = Stage::payment_succeeded(&booking, &format!("pi_{booking}"), 45_000);
    let told = async || {
        let now = stage.now().await.expect("a clock").unix_timestamp();
        let signature = stage.sign(now, body.as_bytes());
        let answer = stage
            .post_to_ingress("stripe", Some(&signature), &body)
            .await;
        assert_eq!(answer.expect("an answer").status(), 200);
    };
    told().await;
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let before = ann.status(&booking).await.expect("a status");

    let db = &stage.database;
    let known = async || -> Vec<(String, bool)> {
        sqlx::query_as(
            "select i.event_id, i.received_at < clock_timestamp() - interval '30 days'
             from inbox i join journal j using (event_id) where j.booking_id = $1::uuid",
        )
        .bind(&booking)
        .fetch_all(db)
        .await
        .expect("the inbox")
    };
    let age = async |event: &str| {
        let aged =
            "update inbox set received_at = received_at - interval '31 days' where event_id = $1";
        let aged = sqlx::query(aged).bind(event).execute(db).await;
        assert_eq!(aged.expect("aged").rows_affected(), 1);
    };
    let key = format!("key-{booking}");
    for (key, days) in [(&key, 2), (&format!("new-{key}"), 0)] {
        sqlx::query(
            "insert into idempotency_keys (user_id, route, key, request_hash, status, body, created_at)
             values ('ann', 'POST /', $1, '', 200, '', clock_timestamp() - make_interval(days => $2))",
        )
        .bind(key)
        .bind(days)
        .execute(db)
        .await
        .expect("a key");
    }
    let [(first, false)] = &known().await[..] else {
        panic!("one event, which is new")
    };
    age(first).await;
    let options = RetentionOptions {
        every: DAY,
        inbox: 30 * DAY,
        keys: DAY,
    };
    let store = PgStore::new(
        stage.target.database.parse().expect("a URL"),
        1,
        Arc::default(),
    );
    while forget(&store, &options).await.expect("forgotten") {}
    assert_eq!(known().await, []);
    let keys: Vec<String> =
        sqlx::query_scalar("select key from idempotency_keys where key like '%' || $1")
            .bind(&key)
            .fetch_all(db)
            .await
            .expect("the keys");
    assert_eq!(keys, [format!("new-{key}")]);

    told().await;
    let until = Instant::now() + Duration::from_secs(30);
    while known().await.is_empty() {
        assert!(Instant::now() < until, "the second webhook was never read");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = ann.status(&booking).await.expect("a status");
    assert_eq!(after, before);
    assert_eq!(stage.broken_promises(show).await.expect("books"), [""; 0]);
    let payments: i64 =
        sqlx::query_scalar("select count(*) from payments where booking_id = $1::uuid")
            .bind(&booking)
            .fetch_one(db)
            .await
            .expect("payments");
    assert_eq!(payments, 1);
}

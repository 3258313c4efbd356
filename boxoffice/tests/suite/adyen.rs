//! Adyen: an attempt is a payment link there, and only webhooks tell of the payment by it and of its refunds.

use serde_json::{Value, json};

use crate::order_pages::{Page, books, comes_to, lost_webhook_is_found, payments, refund_calls};
use crate::servers;
use crate::system::{Setup, System, shared};

const PAGE: Page = Page { gateway: "adyen" };

/// The attempt bears the link's id until the webhook names its payment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_adyen_paid_in_time_after_a_declined_try() {
    let system = shared().await;
    let (stage, show) = PAGE.show(system, "Adyen", 600_000).await;
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = PAGE.open(&ann, &booking).await;
    let link = attempt.gateway_payment_id.clone();
    assert!(link.starts_with("PL"), "{link}");
    PAGE.pay(&ann, &attempt, json!({ "method": "declined" }))
        .await;
    let declined = vec![(link, "DECLINED".to_owned(), None)];
    let found = stage
        .until(&declined, async || Ok(payments(&stage, &booking).await))
        .await;
    assert_eq!(found.expect("payments"), declined, "{}", system.log());

    let paid = PAGE.pay(&ann, &attempt, json!({ "method": "card" })).await;
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let id = paid["id"].as_str().expect("an id").to_owned();
    let captured = vec![(id, "CAPTURED".to_owned(), Some("APPLIED".to_owned()))];
    let found = stage
        .until(&captured, async || Ok(payments(&stage, &booking).await))
        .await;
    assert_eq!(found.expect("payments"), captured, "{}", system.log());
    comes_to(
        &stage,
        &booking,
        &[("APPLIED", 45_000), ("GATEWAY", -45_000)],
        system,
    )
    .await;
    let broken = stage.broken_promises(show).await.expect("the books");
    assert!(broken.is_empty(), "{broken:?}");
}

/// The link says that it was paid, and not by which payment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_adyen_a_lost_webhook_is_found_by_asking() {
    lost_webhook_is_found(PAGE).await;
}

/// A second payment by the same link is a payment of its own, and goes back: to itself, for Adyen refunds by payment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_adyen_a_link_that_is_paid_twice_is_one_booking_and_one_refund() {
    let system = shared().await;
    let (stage, show) = PAGE.show(system, "Twice", 600_000).await;
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = PAGE.open(&ann, &booking).await;
    PAGE.pay(&ann, &attempt, json!({ "method": "card" })).await;
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    PAGE.pay(&ann, &attempt, json!({ "method": "card", "again": true }))
        .await;
    let back = [
        ("APPLIED", 45_000),
        ("GATEWAY", -90_000),
        ("REFUNDED", 45_000),
    ];
    comes_to(&stage, &booking, &back, system).await;
    assert_eq!(
        stage.books(&booking).await.expect("books"),
        (90_000, 45_000, 1)
    );
}

/// Late money for seats that are somebody else's goes back, once: the answer to the refund is lost, nobody can be asked,
/// and the same request under the same key is answered as the first time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_adyen_late_money_without_seats_goes_back_once_though_the_answer_is_lost() {
    let system = shared().await;
    let (stage, booking) = PAGE.late_without_seats(system, &["REFUND"]).await;
    let once = (45_000, 45_000, 1);
    let found = stage
        .until(&once, async || stage.books(&booking).await)
        .await;
    assert_eq!(found.expect("books"), once, "{}", system.log());
    // Asked a second time, and told of the refund that it has: it waits for the webhook.
    let known = stage
        .until(&true, async || {
            let ids: Vec<Option<String>> = sqlx::query_scalar(
                "select gateway_refund_id from refunds where booking_id = $1::uuid",
            )
            .bind(&booking)
            .fetch_all(&stage.database)
            .await?;
            Ok(ids.iter().all(Option::is_some) && ids.len() == 1)
        })
        .await;
    assert!(known.expect("refunds"), "{}", system.log());
    assert_eq!(refund_calls(&books(&stage, &booking).await), 2);
    assert_eq!(stage.books(&booking).await.expect("books"), once);
}

/// The money is only reserved until the seats are the customer's. Both what takes it and what gives it up is accepted, and
/// only a webhook says that it has happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_adyen_money_is_taken_after_the_seats() {
    let dir = servers::fresh_dir("adyen-capture");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let setup = Setup {
        capture: "after_seats",
        ..Setup::default()
    };
    let system = System::start_with(&kafka.bootstrap(), &database, setup).await;
    let calls = |books: &Value, kind: &str| {
        let calls = books["payments"][0]["calls"].as_array().expect("calls");
        let made = calls
            .iter()
            .filter(|call| call["call"] == kind && call["replayed"] == false);
        made.count()
    };

    let (stage, show) = PAGE.show(&system, "After the seats", 600_000).await;
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = PAGE.open(&ann, &booking).await;
    let paid = PAGE.pay(&ann, &attempt, json!({ "method": "card" })).await;
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let applied = [("APPLIED", 45_000), ("GATEWAY", -45_000)];
    comes_to(&stage, &booking, &applied, &system).await;
    let id = paid["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        payments(&stage, &booking).await,
        [(id, "CAPTURED".to_owned(), Some("APPLIED".to_owned()))]
    );
    assert_eq!(
        stage.books(&booking).await.expect("books"),
        (45_000, 0, 0),
        "taken, and nothing returned"
    );
    let theirs = books(&stage, &booking).await;
    assert_eq!(calls(&theirs, "capture"), 1, "{theirs:#}");

    // Reserved too late, and the seat is somebody else's.
    let (stage, booking) = PAGE.late_without_seats(&system, &["REFUND"]).await;
    let id = books(&stage, &booking).await["payments"][0]["id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    let given_up = vec![(id, "CLOSED".to_owned(), None)];
    let found = stage
        .until(&given_up, async || Ok(payments(&stage, &booking).await))
        .await;
    assert_eq!(found.expect("payments"), given_up, "{}", system.log());
    assert_eq!(stage.books(&booking).await.expect("books"), (0, 0, 0));
    let theirs = books(&stage, &booking).await;
    assert_eq!(theirs["payments"][0]["status"], "canceled", "{theirs:#}");
    assert_eq!(calls(&theirs, "capture"), 0, "{theirs:#}");
    comes_to(&stage, &booking, &[], &system).await;
    system.audit();
}

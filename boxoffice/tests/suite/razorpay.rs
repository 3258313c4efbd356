//! Razorpay: an attempt is an order there, and its payments come under it.

use std::sync::Arc;

use boxoffice::demo::Stage;
use serde_json::json;

use crate::order_pages::{Page, comes_to, lost_webhook_is_found, payments, refund_calls};
use crate::reconciliation::worker;
use crate::servers;
use crate::system::{Setup, System, shared};

const GATEWAY: &str = "razorpay";
/// What a seat costs, in paise.
const PRICE: i64 = 45_000;

async fn stage(system: &System) -> Arc<Stage> {
    Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached")
}

/// A system with a simulator of its own, for a test that moves its clock.
async fn of_its_own(name: &str, setup: Setup) -> (System, impl Drop) {
    let dir = servers::fresh_dir(name);
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let system = System::start_with(&kafka.bootstrap(), &database, setup).await;
    (system, Servers(kafka, postgres))
}

/// Servers that stay up as long as this lives.
struct Servers<K, P>(K, P);

impl<K, P> Drop for Servers<K, P> {
    fn drop(&mut self) {}
}

async fn advance(stage: &Stage, hours: i64) {
    let clock = format!("{}/_sim/clock", stage.target.simulator);
    let moved = stage
        .http
        .post(clock)
        .json(&json!({ "advance_seconds": hours * 3_600 }));
    assert!(
        moved
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
    );
}

/// The attempt bears the order's id until a payment of it is captured, and that payment's from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paid_in_time_after_a_declined_try() {
    let system = shared().await;
    let stage = stage(system).await;
    let show = stage.show("Razorpay", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = ann
        .open_payment_at(&booking, GATEWAY)
        .await
        .expect("an attempt");
    let order = attempt.gateway_payment_id.clone();
    assert!(order.starts_with("order_"), "{order}");
    let declined = ann.pay_order(&attempt, "declined").await.expect("a try");
    assert_eq!(declined["status"], "failed");
    let of_the_order = vec![(order, "DECLINED".to_owned(), None)];
    let found = stage
        .until(&of_the_order, async || Ok(payments(&stage, &booking).await))
        .await;
    assert_eq!(found.expect("payments"), of_the_order, "{}", system.log());

    let paid = ann.pay_order(&attempt, "card").await.expect("a try");
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let id = paid["id"].as_str().expect("an id").to_owned();
    let of_the_payment = vec![(id, "CAPTURED".to_owned(), Some("APPLIED".to_owned()))];
    assert_eq!(payments(&stage, &booking).await, of_the_payment);
    comes_to(
        &stage,
        &booking,
        &[("APPLIED", PRICE), ("GATEWAY", -PRICE)],
        system,
    )
    .await;
    assert!(
        stage
            .broken_promises(show)
            .await
            .expect("the books")
            .is_empty()
    );
}

/// Razorpay cannot cancel an order, so it can be paid twice, and none of its payments bears our reference. The second is
/// a payment of its own, and goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_paid_twice_is_one_booking_and_one_refund() {
    let system = shared().await;
    let stage = stage(system).await;
    let show = stage.show("Twice", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = ann
        .open_payment_at(&booking, GATEWAY)
        .await
        .expect("an attempt");
    ann.pay_order(&attempt, "card").await.expect("a try");
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    ann.pay_order(&attempt, "card").await.expect("another");
    let back = [
        ("APPLIED", PRICE),
        ("GATEWAY", -2 * PRICE),
        ("REFUNDED", PRICE),
    ];
    comes_to(&stage, &booking, &back, system).await;
    let verdicts: Vec<_> = payments(&stage, &booking)
        .await
        .into_iter()
        .map(|(_, _, verdict)| verdict.unwrap_or_default())
        .collect();
    assert_eq!(verdicts, ["APPLIED", "SECOND_PAYMENT"]);
    let gateway = (2 * PRICE, PRICE, 1);
    let books = stage
        .until(&gateway, async || stage.books(&booking).await)
        .await;
    assert_eq!(books.expect("books"), gateway, "{}", system.log());
    assert!(
        stage
            .broken_promises(show)
            .await
            .expect("the books")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_webhook_is_found_by_asking() {
    lost_webhook_is_found(Page { gateway: GATEWAY }).await;
}

/// Orders never expire: money that comes after the hold, for seats that are free, is the customer's booking after all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_comes_after_the_hold_is_decided() {
    let system = shared().await;
    let stage = stage(system).await;
    let show = stage.show("Late", 1_500).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = ann
        .open_payment_at(&booking, GATEWAY)
        .await
        .expect("an attempt");
    ann.wait_for(&booking, "EXPIRED").await.expect("expired");
    ann.pay_order(&attempt, "card").await.expect("a try");
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    comes_to(
        &stage,
        &booking,
        &[("APPLIED", PRICE), ("GATEWAY", -PRICE)],
        system,
    )
    .await;
}

/// The answers to two refunds of equal amounts are lost, and nothing tells of them. A day later Razorpay has forgotten
/// the keys: each is looked up, and told apart, and neither is asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_whose_answers_and_keys_are_lost_are_made_once_each() {
    let (system, _servers) = of_its_own("razorpay-refund", Setup::default()).await;
    let stage = stage(&system).await;
    let show = stage.show("Lost answers", 600_000).await.expect("a show");
    let mut bookings = Vec::new();
    for (name, seat) in [("ann", "A-1"), ("bob", "A-2")] {
        let customer = stage.customer(name).await.expect("a customer");
        let booking = customer.hold(show, &[seat]).await.expect("a hold");
        let silent = ["refund.created", "refund.processed"];
        let behaviour = json!({
            "amount_received": 44_999, "lose_answer": "refund", "webhook": { "only": silent, "lose": true },
        });
        stage
            .tell_gateway(&booking, behaviour)
            .await
            .expect("the simulator listens");
        let attempt = customer
            .open_payment_at(&booking, GATEWAY)
            .await
            .expect("an attempt");
        customer.pay_order(&attempt, "card").await.expect("a try");
        bookings.push(booking);
    }
    let once = (44_999, 44_999, 1);
    for booking in &bookings {
        let books = stage
            .until(&once, async || stage.books(booking).await)
            .await;
        assert_eq!(books.expect("books"), once, "{}", system.log());
    }
    advance(&stage, 25).await;
    for booking in &bookings {
        comes_to(
            &stage,
            booking,
            &[("GATEWAY", -44_999), ("REFUNDED", 44_999)],
            &system,
        )
        .await;
        assert_eq!(
            stage.books(booking).await.expect("books"),
            once,
            "refunded once"
        );
        let books = stage.gateway_books(booking).await.expect("books");
        assert_eq!(refund_calls(&books), 1, "{books:#}");
        let theirs = books["payments"][0]["refunds"][0]["id"].as_str();
        let ours: Vec<Option<String>> =
            sqlx::query_scalar("select gateway_refund_id from refunds where booking_id = $1::uuid")
                .bind(booking)
                .fetch_all(&stage.database)
                .await
                .expect("refunds");
        assert_eq!(
            ours.iter().map(Option::as_deref).collect::<Vec<_>>(),
            [theirs]
        );
    }
    system.audit();
}

/// The money is only reserved until the seats are the customer's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_taken_after_the_seats() {
    let setup = Setup {
        capture: "after_seats",
        ..Setup::default()
    };
    let (system, _servers) = of_its_own("razorpay-capture", setup).await;
    let stage = stage(&system).await;
    let show = stage
        .show("After the seats", 600_000)
        .await
        .expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = ann
        .open_payment_at(&booking, GATEWAY)
        .await
        .expect("an attempt");
    let reserved = ann.pay_order(&attempt, "card").await.expect("a try");
    assert_eq!(reserved["status"], "authorized");
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    comes_to(
        &stage,
        &booking,
        &[("APPLIED", PRICE), ("GATEWAY", -PRICE)],
        &system,
    )
    .await;
    let books = stage.gateway_books(&booking).await.expect("books");
    let calls = books["payments"][0]["calls"].as_array().expect("calls");
    assert_eq!(
        calls
            .iter()
            .filter(|call| call["call"] == "capture")
            .count(),
        1,
        "{calls:#?}"
    );
    system.audit();
}

/// No webhook comes, and nobody asks after the attempt. The reconciliation finds both payments of an order on Razorpay's
/// list, which say nothing of whose they are: one is the booking's, the other goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_payments_that_nobody_told_of_are_reconciled() {
    let setup = Setup {
        settings: worker(true),
        ..Setup::default()
    };
    let (system, _servers) = of_its_own("razorpay-reconciled", setup).await;
    let stage = stage(&system).await;
    let show = stage.show("Reconciled", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    stage
        .tell_gateway(&booking, json!({ "webhook": { "lose": true } }))
        .await
        .expect("the simulator listens");
    let attempt = ann
        .open_payment_at(&booking, GATEWAY)
        .await
        .expect("an attempt");
    sqlx::query("delete from tasks where kind = 'verify'")
        .execute(&stage.database)
        .await
        .expect("a statement");
    for _ in 0..2 {
        ann.pay_order(&attempt, "card").await.expect("a try");
    }
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let back = [
        ("APPLIED", PRICE),
        ("GATEWAY", -2 * PRICE),
        ("REFUNDED", PRICE),
    ];
    comes_to(&stage, &booking, &back, &system).await;
    system.audit();
    let audit = system.run(&["audit", "--gateway"]);
    let said = String::from_utf8_lossy(&audit.stdout);
    assert!(said.contains("the books balance"), "{said}");
}

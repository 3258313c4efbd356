//! Money that takes other ways than in and back: reserved and then taken, disputed, returned on the gateway's
//! dashboard, kept as a fee.

use std::sync::Arc;

use boxoffice::demo::Stage;
use serde_json::{Value, json};

use crate::order_pages::comes_to;
use crate::replay;
use crate::servers;
use crate::system::{Setup, System, shared};

async fn stage(system: &System) -> Arc<Stage> {
    Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached")
}

/// Tells the simulator what happens at the gateway to a payment, without us.
async fn at_the_gateway(stage: &Stage, payment: &str, what: &str, told: Value) {
    let url = format!("{}/_sim/payments/{payment}/{what}", stage.target.simulator);
    let answer = stage.http.post(url).json(&told).send().await;
    assert!(answer.is_ok_and(|answer| answer.status().is_success()));
}

/// What the simulator has of a booking's payment: its status, what was captured and refunded.
async fn at_gateway(stage: &Stage, booking: &str) -> (String, i64, i64) {
    let books = stage.gateway_books(booking).await.expect("books");
    let payment = &books["payments"][0];
    (
        payment["status"].as_str().unwrap_or_default().to_owned(),
        payment["captured"].as_i64().unwrap_or(-1),
        payment["refunded"].as_i64().unwrap_or(-1),
    )
}

/// The money is only taken when the seats are the customer's: a lost seat is an authorisation given up, no refund.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_taken_after_the_seats() {
    let dir = servers::fresh_dir("money");
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
    let stage = stage(&system).await;
    let show = stage
        .show("After the seats", 600_000)
        .await
        .expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let bob = stage.customer("bob").await.expect("a customer");

    let anns = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = ann.open_payment(&anns).await.expect("an attempt");
    ann.pay(&attempt).await.expect("the bank reserves it");
    ann.wait_for(&anns, "CONFIRMED").await.expect("confirmed");
    comes_to(
        &stage,
        &anns,
        &[("APPLIED", 45_000), ("GATEWAY", -45_000)],
        &system,
    )
    .await;
    assert_eq!(
        at_gateway(&stage, &anns).await,
        ("succeeded".to_owned(), 45_000, 0)
    );

    // The bank reserves it, and nobody hears of it before the hold is over: the reservation is given up.
    let short = stage.show("Too late", 1_500).await.expect("a show");
    let bobs = bob.hold(short, &["A-2"]).await.expect("a hold");
    stage
        .tell_gateway(&bobs, json!({ "webhook": { "lose": true } }))
        .await
        .expect("the simulator listens");
    let attempt = bob.open_payment(&bobs).await.expect("an attempt");
    // On a busy machine he may be too late with it: either way nothing is taken.
    let _ = bob.pay(&attempt).await;
    bob.wait_for(&bobs, "EXPIRED").await.expect("expired");
    let (status, captured, refunded) = at_gateway(&stage, &bobs).await;
    assert_eq!((status.as_str(), captured, refunded), ("canceled", 0, 0));
    comes_to(&stage, &bobs, &[], &system).await;
    replay::record(&stage.database, show, "reserved").await;
    replay::record(&stage.database, short, "given-up").await;
    system.audit();
}

/// What the bank takes back, and what somebody returns on the dashboard, is in the ledger to the last unit, and a
/// person is told; the seats stay the customer's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disputes_and_refunds_on_the_dashboard_are_counted() {
    let system = shared().await;
    let stage = stage(system).await;
    let show = stage.show("Disputed", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let mut paid = Vec::new();
    for seat in ["A-1", "A-2"] {
        let booking = ann.hold(show, &[seat]).await.expect("a hold");
        let attempt = ann.open_payment(&booking).await.expect("an attempt");
        ann.pay(&attempt).await.expect("the gateway takes it");
        ann.wait_for(&booking, "CONFIRMED")
            .await
            .expect("confirmed");
        paid.push((booking, attempt.gateway_payment_id));
    }
    let [(first, at_first), (second, at_second)] = paid.try_into().expect("two");

    at_the_gateway(&stage, &at_first, "refund", json!({ "amount": 5_000 })).await;
    let part = [
        ("APPLIED", 40_000),
        ("GATEWAY", -45_000),
        ("REFUNDED", 5_000),
    ];
    comes_to(&stage, &first, &part, system).await;
    // The bank takes all of it back: of 45,000 only 40,000 were still there.
    at_the_gateway(&stage, &at_first, "dispute", json!({ "status": "lost" })).await;
    let beyond = [
        ("CHARGED_BACK", 45_000),
        ("GATEWAY", -45_000),
        ("LOSS", -5_000),
        ("REFUNDED", 5_000),
    ];
    comes_to(&stage, &first, &beyond, system).await;

    at_the_gateway(
        &stage,
        &at_second,
        "dispute",
        json!({ "status": "needs_response" }),
    )
    .await;
    at_the_gateway(&stage, &at_second, "dispute", json!({ "status": "lost" })).await;
    let back = [("CHARGED_BACK", 45_000), ("GATEWAY", -45_000)];
    comes_to(&stage, &second, &back, system).await;
    at_the_gateway(&stage, &at_second, "dispute", json!({ "status": "won" })).await;
    let won = [("APPLIED", 45_000), ("GATEWAY", -45_000)];
    comes_to(&stage, &second, &won, system).await;

    let open: Vec<String> = sqlx::query_scalar(
        "select kind from attention where booking_id = any($1::uuid[]) and closed_at is null order by 1",
    )
    .bind(vec![first.clone(), second.clone()])
    .fetch_all(&stage.database)
    .await
    .expect("the list");
    assert_eq!(open, ["dispute_lost", "foreign_refund"], "{}", system.log());
    for booking in [&first, &second] {
        let status = ann.status(booking).await.expect("a status");
        assert_eq!(status["status"], "CONFIRMED");
    }
    assert!(
        stage
            .broken_promises(show)
            .await
            .expect("the books")
            .is_empty()
    );
    replay::record(&stage.database, show, "disputed").await;
}

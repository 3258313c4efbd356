//! A gateway that acts and whose answer is lost, and that has forgotten the idempotency key when we ask again.

use boxoffice::demo::Stage;
use serde_json::{Value, json};

use crate::servers;
use crate::system::{System, shared};

/// Stripe forgets idempotency keys after a day: the same request would then refund again. The earlier try is
/// looked up before anything is repeated, so the money goes back once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_whose_answer_and_key_are_lost_is_made_once() {
    let dir = servers::fresh_dir("lost-answers");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    // A simulator of its own: its clock is moved, and with it the time in its signatures.
    let database = servers::empty_database(&postgres).await;
    let system = System::start(&kafka.bootstrap(), &database).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Lost answers", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    // Nor does a webhook tell of the refund: the worker must find out by itself.
    let silent = [
        "refund.created",
        "refund.updated",
        "charge.refunded",
        "charge.refund.updated",
    ];
    let behaviour = json!({
        "amount_received": 44_999, "lose_answer": "refund", "webhook": { "only": silent, "lose": true },
    });
    stage
        .tell_gateway(&booking, behaviour)
        .await
        .expect("the simulator listens");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");
    ann.pay(&attempt).await.expect("the gateway takes it");
    let once = (44_999, 44_999, 1);
    let books = stage
        .until(&once, async || stage.books(&booking).await)
        .await;
    assert_eq!(books.expect("books"), once, "{}", system.log());
    let later = stage
        .http
        .post(format!("{}/_sim/clock", system.target.simulator));
    let later = later
        .json(&json!({ "advance_seconds": 25 * 3_600 }))
        .send()
        .await;
    assert!(later.is_ok_and(|answer| answer.status().is_success()));
    let refunded = vec![
        ("GATEWAY".to_owned(), -44_999),
        ("REFUNDED".to_owned(), 44_999),
    ];
    let ledger = stage
        .until(&refunded, async || stage.ledger(&booking).await)
        .await;
    assert_eq!(ledger.expect("a ledger"), refunded, "{}", system.log());
    assert_eq!(
        stage.books(&booking).await.expect("books"),
        once,
        "refunded once"
    );
    // Not even asked twice: the gateway's own limit is not what saves us.
    let url = format!("{}/_sim/books?payment={booking}", system.target.simulator);
    let books: Value = stage
        .http
        .get(url)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("books");
    let calls = books["payments"][0]["calls"].as_array().expect("calls");
    let refunds = calls.iter().filter(|call| call["call"] == "refund").count();
    assert_eq!(refunds, 1, "{calls:#?}");
    system.audit();
}

/// Stripe keeps a 500 under the key and replays it to whoever asks again, though nothing was done. The key is given up for
/// another after a look that shows nothing. Two bookings with refunds of equal amounts are told apart throughout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_500_that_is_replayed_for_ever_is_got_through() {
    let system = shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Replayed 500", 600_000).await.expect("a show");
    let mut bookings = Vec::new();
    for (name, seat) in [("ann", "A-1"), ("bob", "A-2")] {
        let customer = stage.customer(name).await.expect("a customer");
        let booking = customer.hold(show, &[seat]).await.expect("a hold");
        let behaviour = json!({
            "amount_received": 44_999, "refuse": { "refund": { "times": 1, "status": 500 } },
        });
        stage
            .tell_gateway(&booking, behaviour)
            .await
            .expect("the simulator listens");
        let attempt = customer.open_payment(&booking).await.expect("an attempt");
        customer.pay(&attempt).await.expect("the gateway takes it");
        bookings.push(booking);
    }
    let once = (44_999, 44_999, 1);
    let refunded = vec![
        ("GATEWAY".to_owned(), -44_999),
        ("REFUNDED".to_owned(), 44_999),
    ];
    for booking in &bookings {
        let ledger = stage
            .until(&refunded, async || stage.ledger(booking).await)
            .await;
        assert_eq!(ledger.expect("a ledger"), refunded, "{}", system.log());
        assert_eq!(stage.books(booking).await.expect("books"), once);
        let books = stage.gateway_books(booking).await.expect("books");
        let calls = books["payments"][0]["calls"].as_array().expect("calls");
        let of_refunds: Vec<&Value> = calls
            .iter()
            .filter(|call| call["call"] == "refund")
            .collect();
        let replays = of_refunds.iter().filter(|call| call["replayed"] == true);
        assert!(replays.count() > 0, "{of_refunds:#?}");
        let last = of_refunds.last().expect("a call");
        assert_eq!(last["status"], 200);
        assert_ne!(last["key"], of_refunds[0]["key"], "a key of its own");
        let ours: Vec<Option<String>> =
            sqlx::query_scalar("select gateway_refund_id from refunds where booking_id = $1::uuid")
                .bind(booking)
                .fetch_all(&stage.database)
                .await
                .expect("refunds");
        let theirs = books["payments"][0]["refunds"][0]["id"].as_str();
        assert_eq!(
            ours.iter().map(Option::as_deref).collect::<Vec<_>>(),
            [theirs]
        );
    }
}

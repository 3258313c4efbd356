//! A story in which money is in many places and nothing is wrong.

use std::time::{Duration, Instant};

use boxoffice::demo::Stage;
use boxoffice_saga::identity::{BookingId, ShowId};
use serde_json::json;
use sqlx::PgPool;

use crate::operator::Operator;

const PATIENCE: Duration = Duration::from_secs(60);
const PRICE: i64 = 45_000;

/// What the story leaves behind, by name.
pub struct Story {
    pub show: ShowId,
    /// Confirmed, with two seats, A-1 and A-2.
    pub confirmed: String,
    /// Only held: A-5.
    pub held: String,
    /// Confirmed, and paid a second time: that money is back.
    pub paid_twice: String,
    /// Paid too little: nobody can return it, for the gateway does not know it.
    pub with_operator: String,
    /// Given up, with an attempt that the gateway says nothing about.
    pub undecided: String,
    /// Its customer cancelled; the gateway takes its time with the refund.
    pub returning: String,
    /// A show that was cancelled, with a booking that had paid.
    pub cancelled_show: ShowId,
}

/// Plays it, and waits for its end.
pub async fn play(stage: &std::sync::Arc<Stage>, log: &dyn Fn() -> String) -> Story {
    let show = stage.show("Audited", 600_000).await.expect("a show");
    let customer = stage.customer("ann").await.expect("a customer");
    let confirmed = customer.hold(show, &["A-1", "A-2"]).await.expect("a hold");
    let attempt = customer.open_payment(&confirmed).await.expect("an attempt");
    customer.pay(&attempt).await.expect("paid");
    customer
        .wait_for(&confirmed, "CONFIRMED")
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", log()));

    let holder = stage.customer("bob").await.expect("a customer");
    let held = holder.hold(show, &["A-5"]).await.expect("a hold");

    let twice = stage.customer("cy").await.expect("a customer");
    let paid_twice = twice.hold(show, &["A-3"]).await.expect("a hold");
    let attempts = [
        twice.open_payment(&paid_twice).await.expect("an attempt"),
        twice.open_payment(&paid_twice).await.expect("an attempt"),
    ];
    for attempt in &attempts {
        twice.pay(attempt).await.expect("paid");
    }
    let short = stage.customer("di").await.expect("a customer");
    let with_operator = short.hold(show, &["A-4"]).await.expect("a hold");
    let id = format!("pi_short{}", uuid::Uuid::new_v4().simple());
    let answer = stage.post_webhook(&with_operator, &id, 100).await;
    assert!(answer.expect("an answer").status().is_success());

    let silent = stage.customer("ed").await.expect("a customer");
    let undecided = silent.hold(show, &["B-1"]).await.expect("a hold");
    let busy = json!({ "refuse": { "cancel": { "times": 1000, "status": 503 },
                                   "fetch": { "times": 1000, "status": 503 } } });
    stage
        .tell_gateway(&undecided, busy)
        .await
        .expect("the simulator listens");
    silent.open_payment(&undecided).await.expect("an attempt");
    silent.release(&undecided).await.expect("given up");

    let going = stage.customer("fay").await.expect("a customer");
    let returning = going.hold(show, &["B-2"]).await.expect("a hold");
    stage
        .tell_gateway(&returning, json!({ "refund": "pending" }))
        .await
        .expect("the simulator listens");
    let attempt = going.open_payment(&returning).await.expect("an attempt");
    going.pay(&attempt).await.expect("paid");
    going
        .wait_for(&returning, "CONFIRMED")
        .await
        .expect("confirmed");
    let operator = Operator::new(stage).await;
    let because = json!({ "reason": "asked for by telephone" });
    let (status, answer) = operator
        .does(&format!("bookings/{returning}/cancel"), &because)
        .await;
    assert!(status < 300, "{status} {answer}");

    // Seats that come and go beside the saga.
    for (verb, seats) in [
        ("block", json!(["B-3", "B-4"])),
        ("unblock", json!(["B-4"])),
    ] {
        let body = json!({ "seats": seats, "reason": "the camera" });
        let (status, answer) = operator.does(&format!("shows/{show}/{verb}"), &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let replaced = going.hold(show, &["B-4"]).await.expect("a hold");
    going.hold(show, &["B-4"]).await.expect("a newer hold");
    going
        .wait_for(&replaced, "RELEASED")
        .await
        .expect("replaced");

    let cancelled_show = stage.show("Called off", 600_000).await.expect("a show");
    let guest = stage.customer("gus").await.expect("a customer");
    let called_off = guest.hold(cancelled_show, &["A-1"]).await.expect("a hold");
    let attempt = guest.open_payment(&called_off).await.expect("an attempt");
    guest.pay(&attempt).await.expect("paid");
    guest
        .wait_for(&called_off, "CONFIRMED")
        .await
        .expect("confirmed");
    let (status, answer) = operator
        .does(&format!("shows/{cancelled_show}/cancel"), &because)
        .await;
    assert_eq!(status, 202, "{answer}");

    // A webhook for a booking that does not exist, and one that nobody can read.
    let unknown = BookingId::pack(1, show, 1).to_string();
    let answer = stage.post_webhook(&unknown, "pi_nobody", PRICE).await;
    assert!(answer.expect("an answer").status().is_success());
    let unreadable =
        "{\"id\":\"evt_broken\",\"object\":\"event\",\"type\":\"payment_intent.succeeded\"}";
    let now = stage.machine_now().await.expect("a clock");
    let signature = stage.sign(now, unreadable.as_bytes());
    let answer = stage
        .post_to_ingress("stripe", Some(&signature), unreadable)
        .await;
    assert!(answer.expect("an answer").status().is_success());

    let story = Story {
        show,
        confirmed,
        held,
        paid_twice,
        with_operator,
        undecided,
        returning,
        cancelled_show,
    };
    settle(&stage.database, log).await;
    story
}

/// Waits until all of the story has come to its end.
async fn settle(database: &PgPool, log: &dyn Fn() -> String) {
    let ended = "select (select count(*) from refunds where standing = 'DONE') = 2
        and exists (select from refunds where standing = 'PENDING')
        and exists (select from refunds where standing = 'WITH_OPERATOR')
        and exists (select from parked_records) and exists (select from dead_letters)
        and not exists (select from tasks where kind in ('mail', 'cancel_booking', 'cancel_show', 'verify'))";
    let until = Instant::now() + PATIENCE;
    while !sqlx::query_scalar::<_, bool>(ended)
        .fetch_one(database)
        .await
        .expect("an answer")
    {
        assert!(Instant::now() < until, "the story never ended: {}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! A show is cancelled while people hold, pay and have paid; and the coordinator dies in the middle of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::demo::{Customer, Stage};
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::operator::{Operator, answer};
use crate::servers;
use crate::system::{self, System};

/// More bookings than one page names.
const HOLDS: u16 = 230;
const PAID: usize = 8;
const PRICE: i64 = 45_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Holds a seat as soon as we are let in.
async fn hold(stage: &Arc<Stage>, show: ShowId, seat: &str) -> (Customer, String) {
    let customer = stage.customer("guest").await.expect("a customer");
    let until = Instant::now() + PATIENCE;
    loop {
        let asked = customer.try_hold(show, &[seat]).await.expect("an answer");
        match asked.status().as_u16() {
            201 => {
                let held: Value = asked.json().await.expect("a hold");
                let booking = held["booking_id"].as_str().expect("an id").to_owned();
                return (customer, booking);
            }
            429 | 503 if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            status => panic!("{seat}: {status}"),
        }
    }
}

/// How many bookings of a show are in which state.
async fn bookings(operator: &Operator, show: ShowId) -> (u64, u64) {
    let seen = operator.looks_at(show).await;
    let count = |state: &str| seen["bookings"][state].as_u64().unwrap_or(0);
    (count("HELD") + count("CONFIRMED"), count("CANCELLED"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_payment_of_a_cancelled_show_goes_back_once_whoever_dies() {
    let dir = servers::fresh_dir("show-cancelled");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let mut system = System::start(&kafka.bootstrap(), &database).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let operator = Operator::new(&stage).await;
    let starts_at = stage.now().await.expect("a clock") + time::Duration::days(7);
    let rupees = "INR".parse().expect("a currency");
    let new = NewShow::hall("Cancelled", starts_at, rupees, 10, 25, PRICE);
    let show = create_show(&stage.database, &new).await.expect("a show");
    put_on_sale(&stage.database, show).await.expect("on sale");

    let held: Vec<(Customer, String)> = futures::stream::iter(&new.seats[..HOLDS.into()])
        .map(|seat| hold(&stage, show, &seat.seat))
        .buffer_unordered(8)
        .collect()
        .await;
    let (paid, rest) = held.split_at(PAID);
    for (customer, booking) in paid {
        let attempt = customer.open_payment(booking).await.expect("an attempt");
        customer.pay(&attempt).await.expect("the gateway takes it");
        customer
            .wait_for(booking, "CONFIRMED")
            .await
            .expect("confirmed");
    }
    // One has paid and we do not know it yet; one is on the gateway's page.
    let [paying, undecided, ..] = rest else {
        panic!("too few holds");
    };
    let silent = json!({ "webhook": { "only": ["payment_intent.succeeded"], "lose": true } });
    stage
        .tell_gateway(&paying.1, silent)
        .await
        .expect("the simulator listens");
    let attempt = paying.0.open_payment(&paying.1).await.expect("an attempt");
    paying.0.pay(&attempt).await.expect("the gateway takes it");
    undecided
        .0
        .open_payment(&undecided.1)
        .await
        .expect("an attempt");
    assert_eq!(
        paying.0.status(&paying.1).await.expect("a status")["status"],
        "PAYMENT_PENDING"
    );

    // One of the bookings cannot be cancelled before everything is killed.
    let mut in_the_way = stage.database.acquire().await.expect("a connection");
    let lock = format!(
        "begin; select from bookings where show_id = {} order by booking_id desc limit 1 for update",
        show.as_i64()
    );
    sqlx::raw_sql(AssertSqlSafe(lock))
        .execute(&mut *in_the_way)
        .await
        .expect("a lock");

    let cancel = format!("shows/{show}/cancel");
    let because = json!({ "reason": "the singer is ill" });
    let (status, cancelled) = operator.does(&cancel, &because).await;
    assert_eq!(
        (status, &cancelled["bookings"]),
        (202, &json!(HOLDS)),
        "{cancelled}"
    );
    let late = stage.customer("late").await.expect("a customer");
    let refused = late.try_hold(show, &["J-25"]).await.expect("an answer");
    assert_eq!(
        refused.status(),
        409,
        "nothing of it is for sale from here on"
    );

    // In the middle of it, everything is killed.
    let until = Instant::now() + PATIENCE;
    let (left, done) = loop {
        let now = bookings(&operator, show).await;
        if now.1 > 0 || Instant::now() > until {
            break now;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    system.kill_roles();
    println!("killed with {done} bookings cancelled and {left} to go");
    assert!(
        left > 0 && done > 0,
        "it was not in the middle: {}",
        system.log()
    );
    sqlx::query("rollback")
        .execute(&mut *in_the_way)
        .await
        .expect("the way is free");
    drop(in_the_way);
    system.start_roles(None).await;
    let all = stage
        .until(&(0, HOLDS.into()), async || {
            Ok(bookings(&operator, show).await)
        })
        .await;
    assert_eq!(
        all.expect("counts"),
        (0, u64::from(HOLDS)),
        "{}",
        system.log()
    );

    let once = (PRICE, PRICE, 1);
    for (customer, booking) in paid.iter().chain([paying]) {
        let books = stage
            .until(&once, async || stage.books(booking).await)
            .await;
        assert_eq!(books.expect("books"), once, "{booking}: {}", system.log());
        let told = customer
            .wait_for(booking, "CANCELLED")
            .await
            .expect("cancelled");
        assert_eq!(
            (&told["settled"], &told["pay_again"]),
            (&json!(true), &json!(false))
        );
    }
    for (customer, booking) in &rest[1..] {
        let told = customer
            .wait_for(booking, "CANCELLED")
            .await
            .expect("cancelled");
        assert_eq!(told["settled"], true, "{told}");
        assert_eq!(stage.books(booking).await.expect("books"), (0, 0, 0));
    }
    let seen = operator.looks_at(show).await;
    assert_eq!(
        (&seen["status"], &seen["seats"]),
        (&json!("CANCELLED"), &json!({ "CANCELLED": 250 }))
    );
    let (status, again) = operator.does(&cancel, &because).await;
    assert_eq!(
        (status, &again["before"], &again["bookings"]),
        (202, &json!(true), &json!(0))
    );
    let open = "select count(*) from tasks where kind in ('cancel_show', 'cancel_booking')";
    let open: i64 = sqlx::query_scalar(open)
        .fetch_one(&stage.database)
        .await
        .expect("a count");
    assert_eq!(open, 0);
    system.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_booking_is_cancelled_by_its_customer_or_by_an_operator() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let operator = Operator::new(&stage).await;
    let show = stage.show("One cancelled", 600_000).await.expect("a show");
    let (ann, bob) = (
        stage.customer("ann").await.expect("a customer"),
        stage.customer("bob").await.expect("a customer"),
    );
    let mut bookings = Vec::new();
    for (customer, seat) in [(&ann, "A-1"), (&bob, "A-2")] {
        let booking = customer.hold(show, &[seat]).await.expect("a hold");
        let attempt = customer.open_payment(&booking).await.expect("an attempt");
        customer.pay(&attempt).await.expect("the gateway takes it");
        customer
            .wait_for(&booking, "CONFIRMED")
            .await
            .expect("confirmed");
        bookings.push(booking);
    }
    let cancels = async |token: &str, booking: &str| {
        let url = format!("{}/v1/bookings/{booking}/cancel", stage.target.api);
        answer(stage.http.post(url).bearer_auth(token)).await
    };
    let (status, problem) = cancels(bob.token(), &bookings[0]).await;
    assert_eq!(
        (status, &problem["code"]),
        (404, &json!("not_found")),
        "it is Ann's"
    );
    let (status, told) = cancels(ann.token(), &bookings[0]).await;
    assert_eq!(
        (status, &told["status"]),
        (202, &json!("REFUND_PENDING")),
        "{told}"
    );
    assert_eq!(
        cancels(ann.token(), &bookings[0]).await.0,
        202,
        "twice is once"
    );
    let path = format!("bookings/{}/cancel", bookings[1]);
    let (status, problem) = operator.does(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("reason_missing")));
    let (status, _) = operator
        .does(&path, &json!({ "reason": "he rang us" }))
        .await;
    assert_eq!(status, 202);
    let act = (
        "booking.cancel".to_owned(),
        Some(bookings[1].clone()),
        Some("he rang us".to_owned()),
    );
    assert_eq!(operator.record().await, [act]);
    for (customer, booking) in [(&ann, &bookings[0]), (&bob, &bookings[1])] {
        let told = customer
            .wait_for(booking, "CANCELLED")
            .await
            .expect("cancelled");
        assert_eq!(told["refund"]["state"], "DONE", "{told}");
        let once = (PRICE, PRICE, 1);
        assert_eq!(stage.books(booking).await.expect("books"), once);
    }
    let cy = stage.customer("cy").await.expect("a customer");
    cy.hold(show, &["A-1", "A-2"])
        .await
        .expect("their seats are for sale again");
    system.audit();
}

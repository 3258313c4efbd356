//! The database or the broker goes away and comes back: clear answers meanwhile, and nothing is lost.

use std::time::{Duration, Instant};

use boxoffice::demo::Stage;

use crate::servers;
use crate::system::System;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_either_server_only_delays() {
    let dir = servers::fresh_dir("outages");
    let fetched = servers::fetched().await;
    let (mut kafka, mut postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let system = System::start(&kafka.bootstrap(), &database).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Outages", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");

    // The broker stands still: holds work, a genuine webhook is answered 503 with Retry-After in time.
    kafka.pause().expect("a signal");
    let booking = ann
        .hold(show, &["A-1"])
        .await
        .expect("holds need no broker");
    let attempt = ann
        .open_payment(&booking)
        .await
        .expect("attempts need no broker");
    let started = Instant::now();
    let answer = stage
        .post_webhook(&booking, "pi_outage", 45_000)
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    kafka.resume().expect("a signal");
    ann.pay(&attempt).await.expect("the gateway takes it");
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", system.log()));

    // The broker is killed and comes back.
    let second = ann.hold(show, &["A-2"]).await.expect("a hold");
    let attempt = ann.open_payment(&second).await.expect("an attempt");
    kafka.kill().await.expect("a kill");
    ann.pay(&attempt).await.expect("the gateway takes it");
    kafka.restart().await.expect("Kafka starts again");
    ann.wait_for(&second, "CONFIRMED")
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", system.log()));

    // The database is killed: the API says so, the ingress goes on, and all is decided later.
    let third = ann.hold(show, &["A-3"]).await.expect("a hold");
    let attempt = ann.open_payment(&third).await.expect("an attempt");
    postgres.kill().await.expect("a kill");
    let answer = ann.try_hold(show, &["A-4"]).await.expect("an answer");
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    ann.pay(&attempt).await.expect("the gateway takes it");
    let answer = stage
        .post_webhook(&third, "pi_of_nobody", 1)
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200, "the ingress needs no database");
    postgres.restart().await.expect("PostgreSQL starts again");
    ann.wait_for(&third, "CONFIRMED")
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", system.log()));
    system.audit();
}

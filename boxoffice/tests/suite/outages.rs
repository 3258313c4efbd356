//! The database, the broker or the notification worker goes away and comes back: clear answers meanwhile,
//! nothing is half done, and nothing is lost.

use std::sync::Arc;

use boxoffice::demo::{Customer, Stage};
use boxoffice_dev_servers::{Kafka, Postgres};
use boxoffice_saga::identity::ShowId;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::servers;
use crate::system::{Setup, System};

/// A system whose servers are its own.
struct Place {
    // In the order in which they go.
    system: System,
    stage: Arc<Stage>,
    kafka: Kafka,
    postgres: Postgres,
}

impl Place {
    async fn new(name: &str, setup: Setup) -> Self {
        let dir = servers::fresh_dir(name);
        let fetched = servers::fetched().await;
        let (kafka, postgres) = tokio::join!(
            servers::own_kafka(&fetched, &dir),
            servers::own_postgres(&fetched, &dir)
        );
        let database = servers::empty_database(&postgres).await;
        let system = System::start_with(&kafka.bootstrap(), &database, setup).await;
        let stage = Stage::enter(system.target.clone())
            .await
            .expect("the system can be reached");
        Self {
            system,
            stage,
            kafka,
            postgres,
        }
    }

    async fn show(&self) -> ShowId {
        self.stage.show("Outages", 600_000).await.expect("a show")
    }

    async fn customer(&self, name: &str) -> Customer {
        self.stage.customer(name).await.expect("a customer")
    }

    /// Waits until the booking is confirmed and Kafka has carried its story, in order.
    async fn confirmed(&self, customer: &Customer, booking: &str) {
        let confirmed = customer.wait_for(booking, "CONFIRMED").await;
        confirmed.unwrap_or_else(|error| panic!("{error:#}\n{}", self.system.log()));
        self.carried(
            booking,
            &["HoldPlaced", "PaymentCompleted", "BookingConfirmed"],
        )
        .await;
    }

    async fn carried(&self, booking: &str, kinds: &[&str]) {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let events = async || Ok(self.stage.events.of(booking));
        let events = self.stage.until(&kinds, events).await.expect("events");
        assert_eq!(events, kinds, "{}", self.system.log());
    }
}

/// The code of a 503 that says when to come back.
async fn away(what: &str, answer: Response) -> String {
    let status = answer.status();
    let patience = answer.headers().get("retry-after").cloned();
    let body = answer.text().await.expect("a body");
    assert_eq!(status, 503, "{what}: {body}");
    let patience = patience.unwrap_or_else(|| panic!("{what} does not say when: {body}"));
    let seconds: u32 = patience.to_str().expect("text").parse().expect("seconds");
    assert!(seconds > 0, "{what}: {body}");
    let problem: Value = serde_json::from_str(&body).expect("a problem");
    problem["code"].as_str().expect("a code").to_owned()
}

/// A request to every route of the booking API that needs the database.
fn every_route(
    stage: &Stage,
    show: ShowId,
    booking: &str,
    customer: &Customer,
) -> Vec<(String, RequestBuilder)> {
    let hold = json!({ "seats": ["B-1"], "contact": { "email": "ann@example.com" } });
    let reads = [
        format!("shows/{show}/seats"),
        format!("bookings/{booking}"),
        format!("bookings/{booking}/ticket"),
        format!("bookings/{booking}/ticket.png"),
    ];
    let writes = [
        (format!("shows/{show}/holds"), hold),
        (
            format!("bookings/{booking}/payments"),
            json!({ "gateway": "stripe" }),
        ),
        (format!("bookings/{booking}/release"), json!({})),
    ];
    let url = |path: &str| format!("{}/v1/{path}", stage.target.api);
    let reads = reads.into_iter().map(|path| {
        let request = stage.http.get(url(&path));
        (path, request)
    });
    let writes = writes.into_iter().map(|(path, body)| {
        let request = stage.http.post(url(&path)).json(&body);
        (path, request)
    });
    let all = reads.chain(writes);
    all.map(|(path, request)| (path, request.bearer_auth(customer.token())))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_webhooks_wait_outside_and_everything_else_works() {
    let mut place = Place::new("no-kafka", Setup::default()).await;
    let show = place.show().await;
    let ann = place.customer("ann").await;
    let bob = place.customer("bob").await;
    let cy = place.customer("cy").await;
    let before = ann.hold(show, &["A-1"]).await.expect("a hold");

    // Standing still is worse than gone: nobody refuses, nobody answers.
    place.kafka.pause().expect("a signal");
    let refused = place.stage.post_webhook(&before, "pi_outage", 45_000).await;
    let code = away("the ingress", refused.expect("an answer")).await;
    assert_eq!(code, "broker_unavailable");
    place.kafka.resume().expect("a signal");

    place.kafka.kill().await.expect("a kill");
    let refused = place.stage.post_webhook(&before, "pi_outage", 45_000).await;
    away("the ingress", refused.expect("an answer")).await;
    let held = bob.try_hold(show, &["A-2"]).await.expect("an answer");
    assert_eq!(held.status(), 201, "holds need no broker");
    let held: Value = held.json().await.expect("JSON");
    let during = held["booking_id"].as_str().expect("an id").to_owned();
    let given_up = cy.hold(show, &["A-3"]).await.expect("a hold");
    cy.release(&given_up)
        .await
        .expect("releases need no broker");
    let mut pays = Vec::new();
    for (customer, booking) in [(&ann, &before), (&bob, &during)] {
        let attempt = customer.open_payment(booking).await;
        let attempt = attempt.expect("attempts need no broker");
        let status = customer.status(booking).await.expect("a status");
        assert_eq!(status["status"], "PAYMENT_PENDING");
        pays.push((customer, attempt));
    }
    for (customer, attempt) in pays {
        customer.pay(&attempt).await.expect("the gateway takes it");
    }

    place.kafka.restart().await.expect("Kafka starts again");
    place.confirmed(&ann, &before).await;
    place.confirmed(&bob, &during).await;
    place
        .carried(&given_up, &["HoldPlaced", "HoldReleased"])
        .await;
    place.system.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgres_every_route_says_so_and_webhooks_are_taken() {
    let mut place = Place::new("no-postgres", Setup::default()).await;
    let show = place.show().await;
    let ann = place.customer("ann").await;
    let bob = place.customer("bob").await;
    let booking = ann.hold(show, &["A-1", "A-2"]).await.expect("a hold");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");
    let seen = ann.poll(&booking, None).await.expect("a status");
    let tag = seen.headers()["etag"].to_str().expect("text").to_owned();

    place.postgres.kill().await.expect("a kill");
    for (route, request) in every_route(&place.stage, show, &booking, &ann) {
        let answer = request.send().await.expect("an answer");
        assert_eq!(away(&route, answer).await, "unavailable", "{route}");
    }
    let unchanged = ann.poll(&booking, Some(&tag)).await.expect("an answer");
    assert_eq!(away("a long-poll", unchanged).await, "unavailable");
    ann.pay(&attempt).await.expect("the gateway takes it");
    let taken = async || {
        let payment = &attempt.gateway_payment_id;
        place.stage.deliveries_taken(payment).await
    };
    let taken = place.stage.until(&1, taken).await.expect("deliveries");
    assert_eq!(taken, 1, "the ingress needs no database");

    // Bob asks meanwhile, and goes on asking under the same key.
    let (held, restarted) = tokio::join!(bob.hold(show, &["A-3"]), place.postgres.restart());
    restarted.expect("PostgreSQL starts again");
    held.unwrap_or_else(|error| panic!("{error:#}\n{}", place.system.log()));
    place.confirmed(&ann, &booking).await;
    // Nothing of what was refused has happened: neither a hold of B-1, nor another attempt, nor a release.
    let free = place.stage.seats_available(show).await.expect("seats");
    assert_eq!(
        free,
        ["A-4", "A-5", "B-1", "B-2", "B-3", "B-4", "B-5"],
        "Ann and Bob have theirs, nobody else has any"
    );
    let books = place.stage.gateway_books(&booking).await.expect("books");
    assert_eq!(books["payments"].as_array().map(Vec::len), Some(1));
    place.system.audit();
}

/// A database that stands still answers neither yes nor no. Nobody waits for it longer than the API's own
/// limits, however many ask: their connections break off after 30 seconds here, which fails the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_stands_still_everybody_is_answered() {
    let place = Place::new("still-postgres", Setup::default()).await;
    let show = place.show().await;
    let ann = place.customer("ann").await;
    let booking = ann.hold(show, &["A-1", "A-2"]).await.expect("a hold");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");

    place.postgres.pause().expect("a signal");
    for _ in 0..2 {
        let asked = (0..12).flat_map(|_| every_route(&place.stage, show, &booking, &ann));
        let asked = asked
            .map(|(route, request)| tokio::spawn(async move { (route, request.send().await) }));
        for one in asked.collect::<Vec<_>>() {
            let (route, answer) = one.await.expect("no panic");
            let answer = answer.unwrap_or_else(|error| panic!("{route}: {error:#}"));
            let code = away(&route, answer).await;
            assert!(
                ["unavailable", "high_demand"].contains(&code.as_str()),
                "{route}: {code}"
            );
        }
    }
    ann.pay(&attempt).await.expect("the gateway takes it");

    place.postgres.resume().expect("a signal");
    place.confirmed(&ann, &booking).await;
    let bob = place.customer("bob").await;
    let his = bob.hold_when_free(show, &["B-2"]).await.expect("a hold");
    let attempt = bob.open_payment(&his).await.expect("an attempt");
    bob.pay(&attempt).await.expect("the gateway takes it");
    place.confirmed(&bob, &his).await;
    place.system.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_notification_worker_only_letters_wait() {
    let everything_else = Setup {
        roles: &["ingress", "--with", "coordinator,relay,refunds,api"],
        ..Setup::default()
    };
    let mut place = Place::new("no-notifications", everything_else).await;
    let show = place.show().await;
    let ann = place.customer("ann").await;
    let bob = place.customer("bob").await;
    let anns = ann.hold(show, &["A-1"]).await.expect("a hold");
    let bobs = bob.hold(show, &["A-2"]).await.expect("a hold");
    let too_little = json!({ "amount_received": 44_999 });
    place
        .stage
        .tell_gateway(&bobs, too_little)
        .await
        .expect("the simulator listens");
    for (customer, booking) in [(&ann, &anns), (&bob, &bobs)] {
        let attempt = customer.open_payment(booking).await.expect("an attempt");
        customer.pay(&attempt).await.expect("the gateway takes it");
    }
    place.confirmed(&ann, &anns).await;
    let refunded = (44_999, 44_999, 1);
    let books = async || place.stage.books(&bobs).await;
    let books = place.stage.until(&refunded, books).await.expect("books");
    assert_eq!(books, refunded, "{}", place.system.log());
    place.system.audit();
    assert_eq!(place.system.letters(), Vec::<String>::new());

    place.system.also_run("notifications");
    for (booking, template) in [(&anns, "booking_confirmed"), (&bobs, "refunded")] {
        let written = async || {
            let letters = place.system.letters().into_iter();
            let about = letters.filter(|file| file.contains(booking.as_str()));
            Ok(about.filter(|file| file.contains(template)).count())
        };
        let written = place.stage.until(&1, written).await.expect("letters");
        assert_eq!(written, 1, "{template}");
    }
    place.system.audit();
}

//! The books of a system that works: the running check stays at zero and names what is done by hand; the gateway's
//! books say the same, and what only the gateway knows is named.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::audit::gateway::{self, Comparison, Scope};
use boxoffice::demo::{Attempt, Customer, Stage};
use boxoffice_gateways::{AccountConfig, ApiConfig, Gateways, SigningSecret};
use boxoffice_saga::identity::ShowId;
use boxoffice_turn::postgres::PgStore;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::operator::Operator;
use crate::servers;
use crate::system::{Setup, System};

const PATIENCE: Duration = Duration::from_secs(60);

/// The value of a metric with these labels, as the system tells it; 0 if it does not.
async fn metric(stage: &Stage, name: &str, labels: &[&str]) -> f64 {
    let url = format!("{}/metrics", stage.target.api);
    let text = stage.http.get(url).send().await.expect("an answer");
    let text = text.text().await.expect("a text");
    text.lines()
        .filter(|line| {
            line.split(['{', ' ']).next() == Some(name)
                && labels.iter().all(|label| line.contains(label))
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

async fn until(what: &str, log: &dyn Fn() -> String, asked: impl AsyncFn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !asked().await {
        assert!(Instant::now() < until, "{what}: never\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn paid(stage: &Arc<Stage>, show: ShowId, seat: &str) -> (Customer, String, Attempt) {
    let customer = stage.customer("guest").await.expect("a customer");
    let booking = customer.hold(show, &[seat]).await.expect("a hold");
    let attempt = customer.open_payment(&booking).await.expect("an attempt");
    customer.pay(&attempt).await.expect("paid");
    customer
        .wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    (customer, booking, attempt)
}

/// Confirmed bookings, a second payment and two cancelled bookings, whose money is back.
async fn mixed_run(
    stage: &Arc<Stage>,
    log: &dyn Fn() -> String,
) -> (ShowId, Vec<(String, Attempt)>) {
    let show = stage.show("Mixed", 600_000).await.expect("a show");
    let mut confirmed = Vec::new();
    for seat in ["A-1", "A-2", "A-3"] {
        let (_, booking, attempt) = paid(stage, show, seat).await;
        confirmed.push((booking, attempt));
    }
    let operator = Operator::new(stage).await;
    for seat in ["B-1", "B-2"] {
        let (_, booking, _) = paid(stage, show, seat).await;
        let because = json!({ "reason": "asked for" });
        let (status, answer) = operator
            .does(&format!("bookings/{booking}/cancel"), &because)
            .await;
        assert!(status < 300, "{answer}");
    }
    let twice = stage.customer("twice").await.expect("a customer");
    let booking = twice.hold(show, &["B-5"]).await.expect("a hold");
    let attempts = [
        twice.open_payment(&booking).await.expect("an attempt"),
        twice.open_payment(&booking).await.expect("an attempt"),
    ];
    for attempt in &attempts {
        twice.pay(attempt).await.expect("paid");
    }
    let returned = "select count(*) = 3 from refunds where standing = 'DONE'";
    until("three refunds are done", log, async || {
        sqlx::query_scalar(returned)
            .fetch_one(&stage.database)
            .await
            .expect("an answer")
    })
    .await;
    (show, confirmed)
}

fn gateways(stage: &Stage) -> Gateways {
    let mut config = AccountConfig::new("stripe", SigningSecret::new("whsec_not_needed_here"));
    config.api = Some(ApiConfig {
        base_url: stage.target.simulator.clone(),
        user: None,
        merchant: None,
        client_version: None,
        api_key: "sk_test_key".into(),
        timeout_ms: 3_000,
    });
    Gateways::new(vec![config], Vec::new()).expect("gateways")
}

async fn compared(stage: &Stage) -> Comparison {
    let store = PgStore::reading(stage.target.database.parse().expect("a URL"), 2);
    gateway::run(&store, &gateways(stage), Scope::default(), |_| {})
        .await
        .expect("a comparison")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_of_a_working_system_hold_and_what_is_done_beside_it_is_named() {
    let dir = servers::fresh_dir("audit-live");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let setup = Setup {
        settings: vec![
            ("BOXOFFICE_RUNNING_CHECK__INTERVAL_MS", "100".to_owned()),
            ("BOXOFFICE_RUNNING_CHECK__EVENTS_SECONDS", "1".to_owned()),
        ],
        ..Setup::default()
    };
    let mut system = System::start_with(&kafka.bootstrap(), &database, setup).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let (show, confirmed) = mixed_run(&stage, &|| system.log()).await;

    clean(&stage, &|| system.log()).await;
    named(&stage, show, &confirmed, &|| system.log()).await;

    let balanced = compared(&stage).await;
    assert!(balanced.balances(), "{}", balanced.in_words());
    let rupees = balanced.money["INR"];
    assert_eq!(
        (rupees.captured_here, rupees.refunded_here),
        (rupees.captured_there, rupees.refunded_there)
    );
    assert_eq!(
        (rupees.captured_here, rupees.refunded_here),
        (7 * 45_000, 3 * 45_000)
    );

    // From here on nobody of ours hears anything.
    let late = stage.customer("late").await.expect("a customer");
    let booking = late.hold(show, &["A-5"]).await.expect("a hold");
    let unheard = late.open_payment(&booking).await.expect("an attempt");
    system.kill_roles();
    late.pay(&unheard).await.expect("paid");
    let refunded = &confirmed[0].1.gateway_payment_id;
    let made = stage
        .http
        .post(format!("{}/v1/refunds", stage.target.simulator))
        .bearer_auth("sk_test_key")
        .form(&[("payment_intent", refunded.as_str()), ("amount", "1000")])
        .send()
        .await
        .expect("an answer");
    assert!(made.status().is_success());
    let differing = compared(&stage).await;
    let text = differing.in_words();
    assert_eq!(differing.differences.len(), 2, "{text}");
    let says = |id: &str, what: &str| {
        let found = differing.differences.iter();
        found
            .filter(|finding| finding.what.contains(id) && finding.what.contains(what))
            .count()
            == 1
    };
    assert!(
        says(&unheard.gateway_payment_id, "there and is OPEN here"),
        "{text}"
    );
    assert!(says(refunded, "at the gateway and not here"), "{text}");
    let rupees = differing.money["INR"];
    assert_eq!(rupees.captured_there - rupees.captured_here, 45_000);
    assert_eq!(rupees.refunded_there - rupees.refunded_here, 1_000);

    let command = system.run(&["audit", "--gateway", "--since", "1h", "--json"]);
    assert_eq!(command.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&command.stdout).expect("JSON");
    assert_eq!(report["violations"], json!([]));
    assert_eq!(
        report["gateways"]["differences"].as_array().map(Vec::len),
        Some(2)
    );
    let replayed = system.run(&["replay", "--all"]);
    assert!(
        replayed.status.success(),
        "{}",
        String::from_utf8_lossy(&replayed.stdout)
    );
}

/// Everything is evaluated, the sums are the ledger's, and nothing is broken.
async fn clean(stage: &Stage, log: &dyn Fn() -> String) {
    let evaluated = "select journal_entry = (select max(entry) from journal)
        and ledger_entry = (select max(entry) from ledger) from running_check";
    until("everything is evaluated", log, async || {
        sqlx::query_scalar(evaluated)
            .fetch_one(&stage.database)
            .await
            .expect("an answer")
    })
    .await;
    until("the lag is nothing", log, async || {
        metric(stage, "boxoffice_check_lag_entries", &[]).await == 0.0
            && metric(stage, "boxoffice_check_bookings_total", &[]).await > 0.0
    })
    .await;
    assert_eq!(
        metric(stage, "boxoffice_promise_violations", &[]).await,
        0.0,
        "{}",
        log()
    );
    let balance = async |account: &str| {
        let labels = [r#"currency="INR""#, account];
        metric(stage, "boxoffice_money_minor", &labels).await
    };
    assert_eq!(balance(r#"account="APPLIED""#).await, 4.0 * 45_000.0);
    assert_eq!(balance(r#"account="REFUNDED""#).await, 3.0 * 45_000.0);
    assert_eq!(balance(r#"account="GATEWAY""#).await, -7.0 * 45_000.0);
}

/// What is changed by hand is named once, with a person and a metric, and forgotten once it is mended.
async fn named(
    stage: &Stage,
    show: ShowId,
    confirmed: &[(String, Attempt)],
    log: &dyn Fn() -> String,
) {
    let booking = &confirmed[1].0;
    let corruptions = [
        (
            "MONEY-1",
            format!("update payments set retained_minor = 100 where booking_id = '{booking}'"),
            format!("update payments set retained_minor = 0 where booking_id = '{booking}'"),
        ),
        (
            "SEAT-2",
            format!(
                "update show_seats set state = 'BLOCKED' where show_id = {show} and seat = 'A-2'"
            ),
            format!(
                "update show_seats set state = 'BOOKED' where show_id = {show} and seat = 'A-2'"
            ),
        ),
        (
            "EVENT-1",
            format!(
                "update outbox set sequence = 9 where booking_id = '{booking}' and sequence = 2"
            ),
            format!(
                "update outbox set sequence = 2 where booking_id = '{booking}' and sequence = 9"
            ),
        ),
    ];
    for (promise, breaks, mends) in corruptions {
        let label = format!(r#"promise="{promise}""#);
        let count = async || metric(stage, "boxoffice_promise_violations", &[&label]).await;
        sqlx::query(AssertSqlSafe(breaks))
            .execute(&stage.database)
            .await
            .expect("done by hand");
        until(promise, log, async || count().await >= 1.0).await;
        let items: Vec<(uuid::Uuid, String)> = sqlx::query_as(
            "select booking_id, reason from attention where kind = 'promise_broken' and closed_at is null",
        )
        .fetch_all(&stage.database)
        .await
        .expect("items");
        assert!(
            items
                .iter()
                .all(|(about, reason)| about.to_string() == *booking && reason.starts_with(promise)),
            "{items:?}"
        );
        assert!(log().contains("a promise is broken"), "{}", log());
        sqlx::query(AssertSqlSafe(mends))
            .execute(&stage.database)
            .await
            .expect("mended by hand");
        until("mended", log, async || count().await == 0.0).await;
    }
}

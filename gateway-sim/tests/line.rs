//! What a gateway sees of the line to it: the real Stripe client behind a real line, counted by the simulator.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use std::time::{Duration, Instant};

use boxoffice_gateway_sim::Options;
use boxoffice_gateways::{CallError, GatewayAccount, LineConfig, SaidBy};
use serde_json::json;
use stage::{KEY, Sim, calls, refund_of};

const PATIENCE: Duration = Duration::from_secs(20);

fn line() -> LineConfig {
    LineConfig {
        open_after: 4,
        open_seconds: 2,
        ..LineConfig::default()
    }
}

fn held_back<T>(answer: &Result<T, CallError>) -> bool {
    matches!(answer, Err(error) if error.held_back().is_some())
}

/// Asks until the line lets a call through.
async fn asked_again(sim: &Sim, payment: &str) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = sim.client().fetch_payment(payment).await;
        if !held_back(&answer) {
            return answer.is_ok();
        }
        assert!(
            Instant::now() < until,
            "nobody ever tries whether it is back"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_gateway_that_is_down_is_asked_little_and_used_again_when_it_is_back() {
    let sim = Sim::with_line(Options::new(KEY), 5_000, line()).await;
    let (order, payment) = sim.paid().await;
    let refund = refund_of(&order, &payment, 1);
    sim.post("/_sim/outage", json!({ "status": 503 })).await;
    let mut held = 0;
    for _ in 0..100 {
        held += u32::from(held_back(&sim.client().refund(&refund).await));
    }
    assert_eq!(held, 96);
    assert_eq!(sim.gateways.shut().count(), 1);
    let arrived = calls(&sim.page(&payment).await, "refund");
    assert_eq!(arrived.len(), 4, "{arrived:?}");

    assert!(
        !asked_again(&sim, &payment).await,
        "the probe finds it down"
    );
    let answer = sim.client().fetch_payment(&payment).await;
    assert!(
        held_back(&answer),
        "one probe, and then silence again: {answer:?}"
    );
    sim.post("/_sim/outage", json!({ "status": null })).await;
    assert!(asked_again(&sim, &payment).await, "the probe finds it back");
    assert_eq!(sim.gateways.shut().count(), 0);
    sim.client().refund(&refund).await.unwrap();
    let page = sim.page(&payment).await;
    assert_eq!(page["refunded"], order.amount.minor);
    assert_eq!(calls(&page, "refund").len(), 5);
    sim.stop().await;
}

#[tokio::test]
async fn a_gateway_that_nobody_can_reach_is_down_too() {
    let sim = Sim::with_line(Options::new(KEY), 5_000, line()).await;
    let (_, payment) = sim.paid().await;
    let gateways = sim.stop().await;
    let account = GatewayAccount::new("stripe", "default");
    let client = gateways.client(&account).unwrap();
    for _ in 0..4 {
        let answer = client.fetch_payment(&payment).await;
        let said_by = match answer {
            Err(CallError::RetryLater { said_by, .. }) => said_by,
            other => panic!("{other:?}"),
        };
        assert_eq!(said_by, SaidBy::Nobody, "it was certainly not done");
    }
    assert!(held_back(&client.fetch_payment(&payment).await));
}

#[tokio::test]
async fn declines_and_too_many_requests_leave_the_line_open() {
    let sim = Sim::with_line(Options::new(KEY), 5_000, line()).await;
    let (order, payment) = sim.paid().await;
    let limited =
        json!({ "refuse": { "refund": { "times": 20, "status": 429, "retry_after": 1 } } });
    sim.post(&format!("/_sim/payments/{payment}"), limited)
        .await;
    let refund = refund_of(&order, &payment, 1);
    for _ in 0..20 {
        let answer = sim.client().refund(&refund).await;
        let after = Some(Duration::from_secs(1));
        assert!(
            matches!(&answer, Err(error @ CallError::RetryLater { after: said, .. })
                if error.held_back().is_none() && *said == after),
            "the gateway's own word: {answer:?}"
        );
    }
    let unknown = sim.client().fetch_payment("pi_nobody").await;
    assert_eq!(unknown.unwrap_err(), CallError::NotFound);
    assert_eq!(sim.gateways.shut().count(), 0);
    sim.stop().await;
}

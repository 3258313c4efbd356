//! Refunds through the real Stripe client: never twice, never lost, and unknown where nobody can know.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use std::time::Duration;

use boxoffice_gateway_sim::Options;
use boxoffice_gateways::CallError;
use boxoffice_saga::fact::{PaymentState, RefundState};
use serde_json::json;
use stage::{KEY, Sim, calls, refund_of};

fn unknown<T: std::fmt::Debug>(answer: &Result<T, CallError>) -> bool {
    matches!(answer, Err(CallError::Unknown { .. }))
}

#[tokio::test]
async fn a_refund_is_made_once_and_found_again() {
    let sim = Sim::start().await;
    let (order, id) = sim.paid().await;
    let asked = refund_of(&order, &id, 1);
    let fact = sim.client().refund(&asked).await.unwrap();
    assert_eq!(
        (fact.state, fact.amount, fact.refund),
        (RefundState::Succeeded, order.amount, Some(asked.refund))
    );
    assert_eq!(sim.client().refund(&asked).await.unwrap(), fact);
    assert_eq!(
        sim.client()
            .fetch_refund(&fact.gateway_refund_id)
            .await
            .unwrap(),
        fact
    );
    assert_eq!(
        sim.client().refunds_of(&id).await.unwrap(),
        std::slice::from_ref(&fact)
    );
    assert_eq!(
        sim.client().refunds_of("pi_unknown").await,
        Err(CallError::NotFound)
    );
    // Captured stays captured.
    assert_eq!(
        sim.client().fetch_payment(&id).await.unwrap().state,
        PaymentState::Captured
    );

    // A day later the key is forgotten. The gateway would refund again if anything were left; it says
    // "already refunded", and the client finds our own refund behind that.
    sim.post("/_sim/clock", json!({ "advance_seconds": 24 * 3_600 }))
        .await;
    assert_eq!(sim.client().refund(&asked).await.unwrap(), fact);
    let page = sim.page(&id).await;
    assert_eq!(
        (&page["refunded"], page["refunds"].as_array().unwrap().len()),
        (&json!(45_000), 1)
    );
    assert_eq!(calls(&page, "refund").len(), 3);

    // Another refund of the same money is a plain no.
    let mut other = asked.clone();
    other.refund = boxoffice_saga::identity::RefundId::of(order.payment, 2);
    other.key = other.refund.gateway_key(1);
    let told = sim.client().refund(&other).await;
    assert!(
        matches!(&told, Err(CallError::Declined { code, .. }) if code == "charge_already_refunded"),
        "{told:?}"
    );
    sim.stop().await;
}

#[tokio::test]
async fn after_a_day_the_same_key_refunds_again_so_one_must_look_first() {
    let sim = Sim::start().await;
    let (order, id) = sim.paid().await;
    let mut half = refund_of(&order, &id, 1);
    half.amount.minor = 20_000;
    sim.client().refund(&half).await.unwrap();
    sim.post("/_sim/clock", json!({ "advance_seconds": 24 * 3_600 - 60 }))
        .await;
    sim.client().refund(&half).await.unwrap();
    assert_eq!(sim.client().refunds_of(&id).await.unwrap().len(), 1);
    sim.post("/_sim/clock", json!({ "advance_seconds": 60 }))
        .await;
    // This is what must never be done without looking: it is the trap that the worker's look-up avoids.
    sim.client().refund(&half).await.unwrap();
    let found = sim.client().refunds_of(&id).await.unwrap();
    assert_eq!(
        found
            .iter()
            .filter(|fact| fact.refund == Some(half.refund))
            .count(),
        2
    );
    sim.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_a_look_finds_exactly_one() {
    for how in ["drop", "hang", "status500"] {
        let sim = Sim::with(Options::new(KEY), 1_000).await;
        let (order, id) = sim.paid().await;
        sim.post(
            &format!("/_sim/payments/{id}"),
            json!({ "lose_answer": "refund", "lose_how": how }),
        )
        .await;
        let asked = refund_of(&order, &id, 1);
        assert!(unknown(&sim.client().refund(&asked).await), "{how}");
        let found = sim.client().refunds_of(&id).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].refund, found[0].state),
            (Some(asked.refund), RefundState::Succeeded)
        );
        // Under the same key: the refund, or the remembered 500. Never a second refund.
        let again = sim.client().refund(&asked).await;
        assert_eq!(unknown(&again), how == "status500", "{how}: {again:?}");
        let page = sim.page(&id).await;
        assert_eq!(page["refunded"], json!(45_000));
        assert_eq!(calls(&page, "refund")[0]["answer_lost"], json!(true));
        assert_eq!(calls(&page, "refund")[1]["replayed"], json!(true));
        sim.stop().await;
    }
}

#[tokio::test]
async fn a_500_is_replayed_until_the_key_changes() {
    let sim = Sim::start().await;
    let (order, id) = sim.paid().await;
    sim.post(
        &format!("/_sim/payments/{id}"),
        json!({ "refuse": { "refund": { "times": 1, "status": 500 } } }),
    )
    .await;
    let asked = refund_of(&order, &id, 1);
    for _ in 0..3 {
        assert!(unknown(&sim.client().refund(&asked).await));
    }
    assert_eq!(sim.client().refunds_of(&id).await.unwrap(), []);
    assert!(
        sim.client()
            .refund(&refund_of(&order, &id, 2))
            .await
            .is_ok()
    );
    let page = sim.page(&id).await;
    let replayed: Vec<bool> = calls(&page, "refund")
        .iter()
        .map(|c| c["replayed"] == json!(true))
        .collect();
    assert_eq!(replayed, [false, true, true, false]);
    sim.stop().await;
}

#[tokio::test]
async fn what_was_turned_away_at_the_door_may_be_repeated_with_the_same_key() {
    let sim = Sim::start().await;
    let (order, id) = sim.paid().await;
    let told = json!({ "refuse": { "refund": { "times": 1, "status": 429, "retry_after": 7 } } });
    sim.post(&format!("/_sim/payments/{id}"), told).await;
    let asked = refund_of(&order, &id, 1);
    let limited = sim.client().refund(&asked).await;
    let Err(CallError::RetryLater { after, .. }) = limited else {
        panic!("{limited:?}")
    };
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert!(sim.client().refund(&asked).await.is_ok());

    // Two at once under one key: the second is told to come back.
    let (order, id) = sim.paid().await;
    sim.post(
        &format!("/_sim/payments/{id}"),
        json!({ "hold_answer_ms": 400 }),
    )
    .await;
    let asked = refund_of(&order, &id, 1);
    let (one, two) = tokio::join!(sim.client().refund(&asked), sim.client().refund(&asked));
    let (done, told): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1);
    assert!(
        matches!(&told[0], Err(CallError::RetryLater { why, .. }) if why == "idempotency_key_in_use")
    );

    sim.post("/_sim/outage", json!({ "status": 503 })).await;
    assert!(unknown(&sim.client().fetch_payment(&id).await));
    sim.post("/_sim/outage", json!({ "status": null })).await;
    assert!(sim.client().fetch_payment(&id).await.is_ok());
    sim.stop().await;
}

#[tokio::test]
async fn an_effect_may_come_after_the_caller_has_given_up() {
    let sim = Sim::with(Options::new(KEY), 1_000).await;
    let (order, id) = sim.paid().await;
    sim.post(
        &format!("/_sim/payments/{id}"),
        json!({ "act_after_ms": { "refund": 2_000 } }),
    )
    .await;
    assert!(unknown(
        &sim.client().refund(&refund_of(&order, &id, 1)).await
    ));
    // Looked up too early there is nothing, which proves nothing: hence the deadline before another go.
    assert_eq!(sim.client().refunds_of(&id).await.unwrap(), []);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while sim.client().refunds_of(&id).await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    sim.stop().await;
}

#[tokio::test]
async fn pending_and_failing_refunds_are_followed_by_asking() {
    let sim = Sim::start().await;
    let (order, id) = sim.paid().await;
    sim.post(
        &format!("/_sim/payments/{id}"),
        json!({ "refund": "pending" }),
    )
    .await;
    let fact = sim
        .client()
        .refund(&refund_of(&order, &id, 1))
        .await
        .unwrap();
    assert_eq!(fact.state, RefundState::Pending);
    let ask = || async {
        sim.client()
            .fetch_refund(&fact.gateway_refund_id)
            .await
            .unwrap()
            .state
    };
    let tell = async |status: &str| {
        let path = format!("/_sim/refunds/{}", fact.gateway_refund_id);
        sim.post(&path, json!({ "status": status })).await
    };
    tell("succeeded").await;
    assert_eq!(ask().await, RefundState::Succeeded);
    tell("failed").await;
    assert_eq!(ask().await, RefundState::Failed);
    // The money is there again; a dead refund of ours does not answer for a living one.
    assert_eq!(sim.page(&id).await["refunded"], json!(0));
    sim.post(
        &format!("/_sim/payments/{id}"),
        json!({ "refund": "fails" }),
    )
    .await;
    let second = sim
        .client()
        .refund(&refund_of(&order, &id, 2))
        .await
        .unwrap();
    assert_eq!(second.state, RefundState::Pending);
    assert_eq!(
        sim.client()
            .fetch_refund(&second.gateway_refund_id)
            .await
            .unwrap()
            .state,
        RefundState::Failed
    );
    // Somebody else returns the money: our dead refunds are no answer to a decline.
    sim.post(&format!("/_sim/payments/{id}"), json!({})).await;
    let mut elsewhere = refund_of(&order, &id, 1);
    elsewhere.refund = boxoffice_saga::identity::RefundId::of(order.payment, 2);
    elsewhere.key = elsewhere.refund.gateway_key(1);
    sim.client().refund(&elsewhere).await.unwrap();
    let told = sim.client().refund(&refund_of(&order, &id, 3)).await;
    assert!(matches!(told, Err(CallError::Declined { .. })), "{told:?}");
    sim.stop().await;
}

#[tokio::test]
async fn every_page_of_a_list_is_read() {
    let sim = Sim::start().await;
    let (order, id) = sim.paid().await;
    for nth in 1..=130 {
        let mut asked = refund_of(&order, &id, 1);
        asked.refund = boxoffice_saga::identity::RefundId::of(order.payment, nth);
        asked.key = asked.refund.gateway_key(1);
        asked.amount.minor = 1;
        sim.client().refund(&asked).await.unwrap();
    }
    let mut found: Vec<_> = sim
        .client()
        .refunds_of(&id)
        .await
        .unwrap()
        .into_iter()
        .map(|f| f.gateway_refund_id)
        .collect();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 130);
    sim.stop().await;
}

//! The real Stripe client against the simulator: payments.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use boxoffice_gateways::{CallError, VoidAnswer};
use boxoffice_saga::fact::{PaymentState, Reference};
use boxoffice_saga::money::Money;
use serde_json::json;
use stage::{Sim, attempt, calls, order};

fn unknown<T: std::fmt::Debug>(answer: &Result<T, CallError>) -> bool {
    matches!(answer, Err(CallError::Unknown { .. }))
}

#[tokio::test]
async fn a_payment_is_opened_once_however_often_it_is_asked_for() {
    let sim = Sim::start().await;
    let order = order();
    let first = sim.client().create_payment(&order).await.unwrap();
    let again = sim.client().create_payment(&order).await.unwrap();
    assert_eq!(first, again);
    assert!(first.client_secret.is_some() && first.gateway_payment_id.starts_with("pi_"));
    let fact = sim
        .client()
        .fetch_payment(&first.gateway_payment_id)
        .await
        .unwrap();
    assert_eq!(
        (fact.state, fact.amount),
        (PaymentState::Open, order.amount)
    );
    assert_eq!(
        fact.reference,
        Reference::Booking {
            booking: order.booking,
            payment: Some(order.payment)
        }
    );
    let books = sim.get("/_sim/books").await;
    assert_eq!(books["payments"].as_array().unwrap().len(), 1);
    let creations = calls(&books["payments"][0], "create");
    assert_eq!(
        creations
            .iter()
            .map(|c| c["replayed"] == json!(true))
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(
        creations[0]["key"],
        json!(order.payment.uuid().simple().to_string())
    );

    // The same key for something else is nobody's answer.
    let mut other = order.clone();
    other.amount.minor += 1;
    assert!(unknown(&sim.client().create_payment(&other).await));
    sim.stop().await;
}

#[tokio::test]
async fn paid_declined_cancelled() {
    let sim = Sim::start().await;
    let order = order();
    let created = sim.client().create_payment(&order).await.unwrap();
    let (id, secret) = (created.gateway_payment_id, created.client_secret.unwrap());
    assert_eq!(sim.confirm(&id, "wrong", "pm_card_visa").await.0, 401);
    let (status, body) = sim.confirm(&id, &secret, "pm_card_chargeDeclined").await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (402, &json!("card_declined"))
    );
    let fact = sim.client().fetch_payment(&id).await.unwrap();
    assert_eq!(
        (fact.state, fact.reason.as_deref()),
        (PaymentState::Failed, Some("generic_decline"))
    );
    assert_eq!(sim.confirm(&id, &secret, "pm_card_visa").await.0, 200);
    let fact = sim.client().fetch_payment(&id).await.unwrap();
    assert_eq!(fact.state, PaymentState::Captured);
    let (status, body) = sim.confirm(&id, &secret, "pm_card_visa").await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (400, &json!("payment_intent_unexpected_state"))
    );
    assert_eq!(
        sim.client().void_payment(&attempt(&id)).await.unwrap(),
        VoidAnswer::AlreadyPaid(fact)
    );

    let open = sim
        .client()
        .create_payment(&stage::order())
        .await
        .unwrap()
        .gateway_payment_id;
    assert_eq!(
        sim.client().void_payment(&attempt(&open)).await,
        Ok(VoidAnswer::Cancelled)
    );
    assert_eq!(
        sim.client().void_payment(&attempt(&open)).await,
        Ok(VoidAnswer::Cancelled)
    );
    assert_eq!(
        sim.client().fetch_payment(&open).await.unwrap().state,
        PaymentState::Cancelled
    );

    assert_eq!(
        sim.client().void_payment(&attempt("pi_unknown")).await,
        Err(CallError::NotFound)
    );
    assert_eq!(
        sim.client().fetch_payment("../refunds").await,
        Err(CallError::NotFound)
    );
    sim.stop().await;
}

#[tokio::test]
async fn a_slow_bank_is_neither_paid_nor_cancelled() {
    let sim = Sim::start().await;
    let order = order();
    sim.post(
        &format!("/_sim/payments/{}", order.booking),
        json!({ "bank_is_slow": true, "amount_received": 7, "currency_received": "usd" }),
    )
    .await;
    let created = sim.client().create_payment(&order).await.unwrap();
    let id = created.gateway_payment_id;
    sim.confirm(&id, &created.client_secret.unwrap(), "pm_card_visa")
        .await;
    assert_eq!(
        sim.client().fetch_payment(&id).await.unwrap().state,
        PaymentState::Processing
    );
    assert!(matches!(
        sim.client().void_payment(&attempt(&id)).await,
        Ok(VoidAnswer::NotPossible { .. })
    ));
    sim.post(
        &format!("/_sim/payments/{id}/settle"),
        json!({ "outcome": "succeeded" }),
    )
    .await;
    let fact = sim.client().fetch_payment(&id).await.unwrap();
    let seven_cents = Money::new(7, "USD".parse().unwrap());
    assert_eq!(
        (fact.state, fact.amount),
        (PaymentState::Captured, seven_cents)
    );
    sim.stop().await;
}

#[tokio::test]
async fn a_lost_creation_is_the_same_payment_when_asked_again() {
    let sim = Sim::start().await;
    let order = order();
    sim.post(
        &format!("/_sim/payments/{}", order.payment),
        json!({ "lose_answer": "create" }),
    )
    .await;
    assert!(unknown(&sim.client().create_payment(&order).await));
    sim.client().create_payment(&order).await.unwrap();
    assert_eq!(
        sim.get("/_sim/books").await["payments"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // And by default, for payments that nobody told anything.
    sim.post("/_sim/defaults", json!({ "lose_answer": "cancel" }))
        .await;
    let id = sim
        .client()
        .create_payment(&stage::order())
        .await
        .unwrap()
        .gateway_payment_id;
    assert!(unknown(&sim.client().void_payment(&attempt(&id)).await));
    assert_eq!(
        sim.client().void_payment(&attempt(&id)).await,
        Ok(VoidAnswer::Cancelled)
    );
    // Told by our booking after it was met already.
    let order = stage::order();
    let id = sim
        .client()
        .create_payment(&order)
        .await
        .unwrap()
        .gateway_payment_id;
    let told = json!({ "refuse": { "fetch": { "times": 1, "status": 500 } } });
    sim.post(&format!("/_sim/payments/{}", order.booking), told)
        .await;
    assert!(unknown(&sim.client().fetch_payment(&id).await));
    assert!(sim.client().fetch_payment(&id).await.is_ok());
    sim.stop().await;
}

#[tokio::test]
async fn nobody_there_means_that_nothing_was_sent() {
    let sim = Sim::start().await;
    let client = std::sync::Arc::clone(sim.client());
    sim.stop().await;
    let told = client.create_payment(&order()).await;
    assert!(
        matches!(told, Err(CallError::RetryLater { .. })),
        "{told:?}"
    );
}

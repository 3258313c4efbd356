//! What has changed, asked for by the real client.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use boxoffice_gateways::{CallError, Window};
use boxoffice_saga::fact::{Fact, PaymentState, RefundState};
use serde_json::json;
use stage::{Sim, order};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

async fn now(sim: &Sim) -> OffsetDateTime {
    let clock = sim.get("/_sim/clock").await;
    OffsetDateTime::parse(clock["now"].as_str().unwrap(), &Rfc3339).unwrap()
}

/// All pages, with how many there were.
async fn changes(sim: &Sim, window: Window) -> (Vec<Fact>, usize) {
    let (mut facts, mut pages, mut page) = (Vec::new(), 0, None::<String>);
    loop {
        let told = sim
            .client()
            .changes(&window, page.as_deref())
            .await
            .unwrap();
        facts.extend(told.facts);
        pages += 1;
        page = told.next;
        if page.is_none() {
            return (facts, pages);
        }
    }
}

#[tokio::test]
async fn everything_that_changed_in_a_window_is_told_page_by_page() {
    let sim = Sim::start().await;
    let before = now(&sim).await;
    let mut payments = Vec::new();
    for _ in 0..130 {
        let created = sim.client().create_payment(&order()).await.unwrap();
        payments.push(created.gateway_payment_id);
    }
    let (_, paid) = sim.paid().await;
    let window = Window {
        since: before,
        until: now(&sim).await + Duration::seconds(1),
    };
    let (facts, pages) = changes(&sim, window).await;
    for id in &payments {
        assert!(facts.iter().any(|fact| matches!(
            fact,
            Fact::Payment(fact) if fact.gateway_payment_id == *id && fact.state == PaymentState::Open
        )));
    }
    assert!(facts.iter().any(|fact| matches!(
        fact,
        Fact::Payment(fact) if fact.gateway_payment_id == paid && fact.state == PaymentState::Captured
    )));
    // No refunds, two pages of payments, one of events.
    assert_eq!(pages, 4);
    let earlier = Window {
        since: before - Duration::hours(2),
        until: before - Duration::hours(1),
    };
    assert_eq!(changes(&sim, earlier).await, (Vec::new(), 3));
}

#[tokio::test]
async fn what_was_made_earlier_and_changes_in_the_window_is_told() {
    let sim = Sim::start().await;
    let (_, paid) = sim.paid().await;
    sim.post("/_sim/clock", json!({ "advance_seconds": 86_400 }))
        .await;
    let since = now(&sim).await;
    let refund = sim
        .post(
            &format!("/_sim/payments/{paid}/refund"),
            json!({ "amount": 100 }),
        )
        .await;
    sim.post("/_sim/clock", json!({ "advance_seconds": 86_400 }))
        .await;
    let came_back = now(&sim).await;
    let id = refund["id"].as_str().unwrap();
    sim.post(
        &format!("/_sim/refunds/{id}"),
        json!({ "status": "failed" }),
    )
    .await;

    let refunds = |facts: Vec<Fact>| -> Vec<RefundState> {
        facts
            .into_iter()
            .filter_map(|fact| match fact {
                Fact::Refund(fact) if fact.gateway_payment_id == paid => Some(fact.state),
                _ => None,
            })
            .collect()
    };
    let first_day = Window {
        since,
        until: since + Duration::hours(1),
    };
    // The list of refunds tells how it stands now, the event how it stood.
    let told = refunds(changes(&sim, first_day).await.0);
    assert_eq!(told, [RefundState::Failed, RefundState::Succeeded]);
    let second_day = Window {
        since: came_back,
        until: came_back + Duration::hours(1),
    };
    let told = refunds(changes(&sim, second_day).await.0);
    assert_eq!(told, [RefundState::Failed]);
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_tells_nothing() {
    let sim = Sim::start().await;
    sim.post("/_sim/outage", json!({ "status": 503 })).await;
    let at = now(&sim).await;
    let window = Window {
        since: at - Duration::hours(1),
        until: at,
    };
    let answer = sim.client().changes(&window, None).await;
    assert!(
        matches!(answer, Err(CallError::Unknown { .. })),
        "{answer:?}"
    );
}

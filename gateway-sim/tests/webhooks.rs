//! The simulator's webhooks: genuine to the real door, and as odd as they are told to be; and its memory.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use std::time::Duration;

use boxoffice_gateway_sim::Options;
use boxoffice_gateways::{GatewayAccount, Refusal};
use boxoffice_saga::fact::{Fact, PaymentState, Reference, RefundState};
use serde_json::{Value, json};
use stage::{KEY, Receiver, Sim, order, refund_of};
use time::OffsetDateTime;

async fn staged(first: &[u16]) -> (Sim, Receiver) {
    let receiver = Receiver::start(first).await;
    let mut options = Options::new(KEY);
    options.webhook = Some(receiver.webhook.clone());
    options.retry_base = Duration::from_millis(20);
    (Sim::with(options, 5_000).await, receiver)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator signs with the machine's time"
)]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

#[tokio::test]
async fn a_webhook_is_genuine_to_the_stripe_door() {
    let (sim, mut receiver) = staged(&[]).await;
    // Even with the simulator's clock far ahead: signatures bear the machine's time.
    sim.post("/_sim/clock", json!({ "advance_seconds": 7 * 86_400 }))
        .await;
    let (order, id) = sim.paid().await;
    let (headers, body) = receiver.next().await;
    let door = sim
        .gateways
        .door(&GatewayAccount::new("stripe", "default"))
        .unwrap();
    assert_eq!(door.verify(&headers, &body, now()), Ok(()));
    assert_eq!(
        door.verify(&headers, &body[1..], now()),
        Err(Refusal::Mismatch)
    );
    let reading = door.read(&headers, &body).only().unwrap();
    assert_eq!(reading.kind, "payment_intent.succeeded");
    let Fact::Payment(fact) = reading.fact else {
        panic!()
    };
    assert_eq!(
        (fact.state, fact.amount),
        (PaymentState::Captured, order.amount)
    );
    assert_eq!(
        fact.reference,
        Reference::Booking {
            booking: order.booking,
            payment: Some(order.payment)
        }
    );
    assert_eq!(sim.client().fetch_payment(&id).await.unwrap(), fact);

    let asked = refund_of(&order, &id, 1);
    sim.client().refund(&asked).await.unwrap();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (headers, body) = receiver.next().await;
        assert_eq!(door.verify(&headers, &body, now()), Ok(()));
        let reading = door.read(&headers, &body).only().unwrap();
        if let Fact::Refund(fact) = reading.fact {
            assert_eq!(
                (fact.state, fact.refund),
                (RefundState::Succeeded, Some(asked.refund))
            );
        }
        kinds.push(reading.kind);
    }
    kinds.sort();
    assert_eq!(kinds, ["charge.refunded", "refund.created"]);
    sim.stop().await;
}

#[tokio::test]
async fn a_webhook_is_repeated_until_it_is_taken() {
    let (sim, mut receiver) = staged(&[503, 400, 500]).await;
    let (_, id) = sim.paid().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(receiver.next_kind().await.0);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let statuses = loop {
        let listed = sim.get(&format!("/_sim/deliveries?payment={id}")).await;
        let delivery = &listed["deliveries"][0];
        if delivery["over"] == json!(true) {
            let attempts = delivery["attempts"].as_array().unwrap().clone();
            break attempts
                .iter()
                .map(|attempt| attempt["status"].as_u64().unwrap())
                .collect::<Vec<_>>();
        }
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    };
    assert_eq!(statuses, [503, 400, 500, 200]);
    receiver.nothing_more();
    sim.stop().await;
}

#[tokio::test]
async fn late_twice_lost_and_out_of_order_as_told() {
    let (sim, mut receiver) = staged(&[]).await;
    let open = |told: Value| {
        let sim = &sim;
        async move {
            let order = order();
            sim.post(
                &format!("/_sim/payments/{}", order.payment),
                json!({ "webhook": told }),
            )
            .await;
            let created = sim.client().create_payment(&order).await.unwrap();
            (created.gateway_payment_id, created.client_secret.unwrap())
        }
    };
    let (id, secret) = open(json!({ "duplicates": 2 })).await;
    sim.confirm(&id, &secret, "pm_card_visa").await;
    let first = receiver.next_kind().await;
    assert_eq!(receiver.next_kind().await, first);
    assert_eq!(receiver.next_kind().await, first);

    let (id, secret) = open(json!({ "delay_ms": 3_600_000 })).await;
    sim.confirm(&id, &secret, "pm_card_visa").await;
    receiver.nothing_more();
    sim.post("/_sim/clock", json!({ "advance_seconds": 3_600 }))
        .await;
    assert_eq!(receiver.next_kind().await.1, "payment_intent.succeeded");

    let (id, secret) = open(json!({ "reorder": true })).await;
    sim.confirm(&id, &secret, "pm_card_chargeDeclined").await;
    sim.confirm(&id, &secret, "pm_card_visa").await;
    assert_eq!(receiver.next_kind().await.1, "payment_intent.succeeded");
    assert_eq!(
        receiver.next_kind().await.1,
        "payment_intent.payment_failed"
    );

    // Held back with nothing after it: sent all the same, later.
    let (id, secret) = open(json!({ "reorder": true, "only": ["payment_intent.succeeded"] })).await;
    sim.confirm(&id, &secret, "pm_card_visa").await;
    assert_eq!(receiver.next_kind().await.1, "payment_intent.succeeded");

    let (id, secret) = open(json!({ "lose": true })).await;
    sim.confirm(&id, &secret, "pm_card_visa").await;
    let missed = sim
        .get("/v1/events?delivery_success=false&types[]=payment_intent.succeeded&types[]=x&created[gte]=1&limit=100")
        .await;
    assert_eq!(missed["data"].as_array().unwrap().len(), 1);
    assert_eq!(missed["data"][0]["data"]["object"]["id"], json!(id));
    receiver.nothing_more();
    sim.stop().await;
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let (sim, _receiver) = staged(&[]).await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(
            sim.client()
                .create_payment(&order())
                .await
                .unwrap()
                .gateway_payment_id,
        );
    }
    opened.reverse();
    let mut listed = Vec::new();
    let mut after = String::new();
    loop {
        let page = sim
            .get(&format!(
                "/v1/payment_intents?limit=2&created[gte]=1{after}"
            ))
            .await;
        let ids: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["id"].as_str().unwrap().to_owned())
            .collect();
        after = format!("&starting_after={}", ids.last().unwrap());
        listed.extend(ids);
        if page["has_more"] == json!(false) {
            break;
        }
    }
    assert_eq!(listed, opened);
    assert_eq!(
        sim.get("/v1/payment_intents?created[lt]=1").await["data"],
        json!([])
    );
    assert_eq!(
        sim.get("/v1/payment_intents?limit=0").await["error"]["type"],
        json!("invalid_request_error")
    );
    let told = sim
        .http
        .get(format!("{}/v1/events", sim.base))
        .bearer_auth("sk_wrong")
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 401);
    let told = sim
        .http
        .post(format!("{}/_sim/payments/x", sim.base))
        .json(&json!({ "los": 1 }))
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 400);
    sim.stop().await;
}

#[tokio::test]
async fn books_clock_and_open_deliveries_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(KEY);
    options.state_file = Some(folder.path().join("books.json"));
    // Nobody listens there yet.
    let mut receiver = Receiver::start(&[]).await;
    options.webhook = Some(receiver.webhook.clone());
    options.retry_base = Duration::from_millis(20);
    let url = receiver.webhook.url.clone();
    options.webhook.as_mut().unwrap().url = "http://127.0.0.1:1/nobody".into();
    let sim = Sim::with(options.clone(), 5_000).await;
    let (order, id) = sim.paid().await;
    let asked = refund_of(&order, &id, 1);
    let fact = sim.client().refund(&asked).await.unwrap();
    sim.post("/_sim/clock", json!({ "advance_seconds": 100 }))
        .await;
    let before = sim.page(&id).await;
    sim.stop().await;

    options.webhook.as_mut().unwrap().url = url;
    let sim = Sim::with(options.clone(), 5_000).await;
    assert_eq!(sim.page(&id).await, before);
    assert_eq!(sim.client().refund(&asked).await.unwrap(), fact);
    assert_eq!(sim.page(&id).await["refunds"].as_array().unwrap().len(), 1);
    assert_eq!(sim.get("/_sim/clock").await["ahead_seconds"], json!(100));
    let mut kinds = vec![
        receiver.next_kind().await.1,
        receiver.next_kind().await.1,
        receiver.next_kind().await.1,
    ];
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "charge.refunded",
            "payment_intent.succeeded",
            "refund.created"
        ]
    );
    sim.stop().await;

    // Broken books are not quietly replaced by empty ones.
    let path = options.state_file.clone().unwrap();
    std::fs::write(&path, b"{").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let told = boxoffice_gateway_sim::serve(listener, options, stop).await;
    assert!(
        matches!(told, Err(boxoffice_gateway_sim::SimError::Load { .. })),
        "{told:?}"
    );
}

//! Cashfree through the real client: orders, their payments, refunds, webhooks, its reconciliation list.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use boxoffice_gateway_sim::Options;
use boxoffice_gateways::cashfree::CashfreeDoor;
use boxoffice_gateways::{
    AccountConfig, CallError, CaptureAnswer, CreatePayment, Door, SigningSecret, VoidAnswer, Window,
};
use boxoffice_saga::fact::{Fact, PaymentState, Reference, RefundState};
use boxoffice_saga::identity::RefundId;

use serde_json::json;
use stage::{KEY, Receiver, SECRET, Sim, attempt, calls, cashfree, now, order, refund_of};

const GATEWAY: &str = "cashfree";

/// An order that is paid: what we asked for, the order's id, and the name of its payment.
async fn paid(sim: &Sim) -> (CreatePayment, String, String) {
    let order = order();
    let opened = sim.of(GATEWAY).create_payment(&order).await.unwrap();
    let id = opened.gateway_payment_id;
    let payment = sim
        .pay_page(GATEWAY, &id, json!({ "method": "card" }))
        .await;
    let name = format!("{id}:{}", payment["cf_payment_id"]);
    (order, id, name)
}

fn ours(order: &CreatePayment) -> Reference {
    Reference::Booking {
        booking: order.booking,
        payment: Some(order.payment),
    }
}

#[tokio::test]
async fn an_order_is_made_once_and_stands_as_the_best_of_its_payments() {
    let sim = Sim::start().await;
    let client = sim.of(GATEWAY);
    let wanted = order();
    let first = client.create_payment(&wanted).await.unwrap();
    assert!(first.client_secret.is_some());
    assert_eq!(client.create_payment(&wanted).await.unwrap(), first);
    // The gateway has forgotten the key; the id is of our making.
    sim.post("/_sim/clock", json!({ "advance_seconds": 100_000 }))
        .await;
    assert_eq!(client.create_payment(&wanted).await.unwrap(), first);

    let id = &first.gateway_payment_id;
    let fact = client.fetch_payment(id).await.unwrap();
    assert_eq!(
        (fact.state, &fact.reference),
        (PaymentState::Open, &ours(&wanted))
    );
    assert_eq!(fact.amount, wanted.amount);
    sim.pay_page(GATEWAY, id, json!({ "method": "declined" }))
        .await;
    let fact = client.fetch_payment(id).await.unwrap();
    assert_eq!(
        (fact.state, &fact.gateway_payment_id),
        (PaymentState::Failed, id)
    );
    let payment = sim.pay_page(GATEWAY, id, json!({ "method": "card" })).await;
    let fact = client.fetch_payment(id).await.unwrap();
    assert_eq!(fact.state, PaymentState::Captured);
    assert_eq!(fact.amount, wanted.amount);
    assert_eq!(
        fact.gateway_payment_id,
        format!("{id}:{}", payment["cf_payment_id"])
    );
    assert_eq!(fact.opened_as.as_ref(), Some(id));
    assert_eq!(
        client.fetch_payment(&fact.gateway_payment_id).await,
        Ok(fact.clone())
    );
    for unknown in ["nobody", &format!("{id}:1"), "a/b"] {
        assert_eq!(
            client.fetch_payment(unknown).await,
            Err(CallError::NotFound)
        );
    }
    sim.stop().await;
}

#[tokio::test]
async fn an_order_is_ended_unless_it_is_paid() {
    let sim = Sim::start().await;
    let client = sim.of(GATEWAY);
    let opened = client.create_payment(&order()).await.unwrap();
    let id = opened.gateway_payment_id;
    assert_eq!(
        client.void_payment(&attempt(&id)).await,
        Ok(VoidAnswer::Cancelled)
    );
    assert_eq!(
        client.void_payment(&attempt(&id)).await,
        Ok(VoidAnswer::Cancelled)
    );
    let fact = client.fetch_payment(&id).await.unwrap();
    assert_eq!(fact.state, PaymentState::Cancelled);

    let (_, order, payment) = paid(&sim).await;
    let Ok(VoidAnswer::AlreadyPaid(fact)) = client.void_payment(&attempt(&order)).await else {
        panic!()
    };
    assert_eq!(
        (fact.state, fact.gateway_payment_id),
        (PaymentState::Captured, payment)
    );
    sim.stop().await;
}

#[tokio::test]
async fn a_reservation_is_taken_once_or_given_up() {
    let mut options = Options::new(KEY);
    let mut account = cashfree(None);
    account.reserves = true;
    options.cashfree = Some(account);
    let sim = Sim::with(options, 5_000).await;
    let client = sim.of(GATEWAY);
    let (_, order, payment) = paid(&sim).await;
    let fact = client.fetch_payment(&order).await.unwrap();
    assert_eq!(fact.state, PaymentState::Authorised);
    for id in [&order, &payment] {
        let answer = client.capture_payment(&attempt(id)).await.unwrap();
        let CaptureAnswer::Taken(taken) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(
            (taken.state, &taken.gateway_payment_id),
            (PaymentState::Captured, &payment)
        );
    }
    let (_, order, _) = paid(&sim).await;
    assert_eq!(
        client.void_payment(&attempt(&order)).await,
        Ok(VoidAnswer::Cancelled)
    );
    let late = client.capture_payment(&attempt(&order)).await;
    assert!(matches!(late, Err(CallError::Declined { .. })), "{late:?}");
    sim.stop().await;
}

#[tokio::test]
async fn a_refund_is_made_once_under_its_own_id_for_ever() {
    let sim = Sim::start().await;
    let client = sim.of(GATEWAY);
    let (order, _, payment) = paid(&sim).await;
    let wanted = refund_of(&order, &payment, 1);
    sim.post(
        &format!("/_sim/payments/{}", order.payment),
        json!({ "lose_answer": "refund" }),
    )
    .await;
    let lost = client.refund(&wanted).await;
    assert!(matches!(lost, Err(CallError::Unknown { .. })), "{lost:?}");
    // The key is forgotten, the id is not.
    sim.post("/_sim/clock", json!({ "advance_seconds": 90_000 }))
        .await;
    let found = client.refund(&wanted).await.unwrap();
    assert_eq!(found.state, RefundState::Succeeded);
    assert_eq!(
        (found.refund, found.generation),
        (Some(wanted.refund), Some(1))
    );
    assert_eq!(
        (found.amount, &found.gateway_payment_id),
        (order.amount, &payment)
    );
    assert_eq!(client.refunds_of(&payment).await, Ok(vec![found.clone()]));
    assert_eq!(
        client.fetch_refund(&found.gateway_refund_id).await,
        Ok(found)
    );
    let (_, id) = payment.split_once(':').unwrap();
    let page = sim.page(id).await;
    assert_eq!(page["refunds"].as_array().unwrap().len(), 1);
    assert_eq!(page["refunded"], 45_000);

    // Another refund of the same payment: nothing is left.
    let mut another = refund_of(&order, &payment, 1);
    another.refund = RefundId::of(order.payment, 2);
    another.key = another.refund.gateway_key(1);
    let refused = client.refund(&another).await;
    assert!(
        matches!(refused, Err(CallError::Declined { .. })),
        "{refused:?}"
    );
    sim.stop().await;
}

/// Cashfree returns an order's money, and cannot be told which.
#[tokio::test]
async fn an_order_that_was_paid_twice_is_returned_by_a_person() {
    let sim = Sim::start().await;
    let client = sim.of(GATEWAY);
    let (order, id, payment) = paid(&sim).await;
    let again = json!({ "method": "card", "again": true });
    let second = sim.pay_page(GATEWAY, &id, again).await;
    let second = format!("{id}:{}", second["cf_payment_id"]);
    assert_ne!(second, payment);
    assert_eq!(
        client
            .fetch_payment(&second)
            .await
            .unwrap()
            .gateway_payment_id,
        second
    );
    let refused = client.refund(&refund_of(&order, &second, 1)).await;
    let Err(CallError::Declined { code, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(code, "several_payments");
    let books = sim
        .get(&format!("/_sim/books?payment={}", order.payment))
        .await;
    assert_eq!(
        (&books["captured"], &books["refunded"]),
        (&json!(90_000), &json!(0))
    );
    assert!(calls(&books["orders"][0], "refund").is_empty());
    sim.stop().await;
}

#[tokio::test]
async fn its_webhooks_are_believed_and_its_list_says_the_same() {
    let mut receiver = Receiver::start(&[]).await;
    let mut options = Options::new(KEY);
    options.cashfree = Some(cashfree(Some(receiver.webhook.clone())));
    let sim = Sim::with(options, 5_000).await;
    let client = sim.of(GATEWAY);
    let door = CashfreeDoor::new(&AccountConfig::new(GATEWAY, SigningSecret::new(SECRET)));
    let mut read = async || {
        let (headers, body) = receiver.next().await;
        door.verify(&headers, &body, now()).unwrap();
        door.read(&headers, &body).only().unwrap()
    };
    let since = now() - time::Duration::hours(1);
    let (order, _, payment) = paid(&sim).await;
    let told = read().await;
    assert_eq!(told.kind, "PAYMENT_SUCCESS_WEBHOOK");
    let Fact::Payment(captured) = told.fact else {
        panic!("{told:?}")
    };
    assert_eq!(captured, client.fetch_payment(&payment).await.unwrap());
    assert_eq!(captured.reference, ours(&order));

    let made = client
        .refund(&refund_of(&order, &payment, 1))
        .await
        .unwrap();
    let told = read().await;
    assert_eq!(
        (told.kind.as_str(), told.fact),
        ("REFUND_STATUS_WEBHOOK", Fact::Refund(made.clone()))
    );

    let window = Window {
        since,
        until: now() + time::Duration::hours(1),
    };
    let page = client.changes(&window, None).await.unwrap();
    assert_eq!(page.next, None);
    let [Fact::Payment(listed), Fact::Refund(returned)] = page.facts.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(listed.gateway_payment_id, payment);
    assert_eq!(
        (listed.amount, listed.state),
        (captured.amount, PaymentState::Captured)
    );
    assert_eq!(
        (returned.refund, returned.state),
        (made.refund, RefundState::Succeeded)
    );
    sim.stop().await;
}

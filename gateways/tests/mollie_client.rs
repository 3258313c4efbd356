//! Mollie's client against answers as Mollie's documentation prints them, over a real connection. What it asks is looked
//! at too: the simulator does not speak Mollie.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod scripted;

use std::sync::Arc;

use boxoffice_gateways::{
    AccountConfig, Attempt, CallError, CreatePayment, GatewayAccount, GatewayClient, Gateways,
    RefundOrder, VoidAnswer,
};
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::CaptureMode;
use scripted::{Asked, Scripted, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Answers with these, one after the other, and notes what was asked.
async fn mollie(answers: Vec<Scripted>) -> (Arc<dyn GatewayClient>, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config: AccountConfig = serde_json::from_value(json!({
        "gateway": "mollie",
        "secrets": ["secret"],
        "return_url": "https://tickets.example.org/back",
        "webhook_url": "https://tickets.example.org/webhooks/mollie",
        "api": { "base_url": format!("http://{}", listener.local_addr().unwrap()), "api_key": "test_key" },
    }))
    .unwrap();
    let gateways = Gateways::new(vec![config], vec![]).unwrap();
    let client = gateways.client(&GatewayAccount::new("mollie", "default"));
    (Arc::clone(client.unwrap()), serve(listener, answers))
}

fn booking() -> BookingId {
    BookingId::pack(1, ShowId::try_from(9_u64).unwrap(), 2)
}

fn amount() -> Money {
    Money::new(45_000, "EUR".parse().unwrap())
}

fn payment(status: &str) -> Value {
    json!({
        "resource": "payment", "id": "tr_5B8c", "mode": "test", "status": status,
        "amount": { "value": "450.00", "currency": "EUR" },
        "metadata": { "booking_id": booking() },
        "_links": { "checkout": { "href": "https://www.mollie.com/checkout/test", "type": "text/html" } },
    })
}

fn refund(id: RefundId, status: &str) -> Value {
    json!({
        "resource": "refund", "id": "re_4qqh", "mode": "test", "paymentId": "tr_5B8c", "status": status,
        "amount": { "value": "450.00", "currency": "EUR" },
        "metadata": { "booking_id": booking(), "refund_id": id, "generation": "1" },
    })
}

fn refund_order() -> RefundOrder {
    let refund = RefundId::from(Uuid::from_u128(7));
    RefundOrder {
        refund,
        generation: 1,
        key: refund.gateway_key(1),
        gateway_payment_id: "tr_5B8c".into(),
        amount: amount(),
        booking: booking(),
        payment: None,
        reason: "seats_lost".into(),
    }
}

fn problem(status: u16, title: &str) -> (u16, Value) {
    (
        status,
        json!({ "status": status, "title": title, "detail": "as it says" }),
    )
}

#[tokio::test]
async fn a_payment_is_opened_and_told_of() {
    let (client, asked) = mollie(vec![(201, payment("open")), (200, payment("paid"))]).await;
    let id = PaymentId::from(Uuid::from_u128(3));
    let order = CreatePayment::new(id, booking(), amount(), CaptureMode::Automatic);
    let created = client.create_payment(&order).await.unwrap();
    assert_eq!(created.gateway_payment_id, "tr_5B8c");
    assert_eq!(
        created.checkout_url.as_deref(),
        Some("https://www.mollie.com/checkout/test")
    );
    let fact = client.fetch_payment("tr_5B8c").await.unwrap();
    assert_eq!(
        (fact.state, fact.amount),
        (PaymentState::Captured, amount())
    );

    let asked = asked.lock().unwrap();
    assert!(
        asked[0].starts_with("POST /v2/payments HTTP/1.1"),
        "{}",
        asked[0]
    );
    assert!(
        asked[0].contains(&format!("idempotency-key: {id}")),
        "{}",
        asked[0]
    );
    assert!(
        asked[0].contains("authorization: Bearer test_key"),
        "{}",
        asked[0]
    );
    let body: Value = serde_json::from_str(asked[0].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body["amount"],
        json!({ "currency": "EUR", "value": "450.00" })
    );
    assert_eq!(body["metadata"]["booking_id"], json!(booking()));
    assert!(
        asked[1].starts_with("GET /v2/payments/tr_5B8c HTTP/1.1"),
        "{}",
        asked[1]
    );
}

#[tokio::test]
async fn what_cannot_be_cancelled_may_be_paid() {
    let refused = || problem(422, "Unprocessable Entity");
    for (answers, expected) in [
        (
            vec![(200, payment("canceled")), (200, payment("canceled"))],
            "cancelled",
        ),
        (vec![refused(), (200, payment("expired"))], "cancelled"),
        (vec![refused(), (200, payment("paid"))], "paid"),
        (vec![refused(), (200, payment("open"))], "not possible"),
    ] {
        let (client, _) = mollie(answers).await;
        let attempt = Attempt {
            payment: PaymentId::from(Uuid::nil()),
            booking: booking(),
            gateway_payment_id: "tr_5B8c".into(),
            amount: Money::new(45_000, "EUR".parse().unwrap()),
        };
        let became = match client.void_payment(&attempt).await.unwrap() {
            VoidAnswer::Cancelled => "cancelled",
            VoidAnswer::AlreadyPaid(_) => "paid",
            VoidAnswer::NotPossible { .. } => "not possible",
            VoidAnswer::UnderWay => "under way",
        };
        assert_eq!(became, expected);
    }
}

#[tokio::test]
async fn a_refund_that_is_refused_is_looked_up_before_that_is_believed() {
    let order = refund_order();
    let list = |refunds: Vec<Value>| {
        (
            200,
            json!({ "_embedded": { "refunds": refunds }, "_links": { "next": null } }),
        )
    };
    let refused = || problem(409, "Conflict");
    let declined = || problem(422, "Unprocessable Entity");

    let (client, asked) = mollie(vec![
        (201, refund(order.refund, "queued")),
        (200, refund(order.refund, "refunded")),
    ])
    .await;
    let made = client.refund(&order).await.unwrap();
    assert_eq!(
        (made.refund, made.state),
        (Some(order.refund), RefundState::Pending)
    );
    let now = client.fetch_refund(&made.gateway_refund_id).await.unwrap();
    assert_eq!(
        (now.state, now.gateway_refund_id),
        (RefundState::Succeeded, made.gateway_refund_id)
    );
    let asked = asked.lock().unwrap().clone();
    assert!(
        asked[0].contains(&format!("idempotency-key: {}", order.key)),
        "{}",
        asked[0]
    );
    assert!(
        asked[1].starts_with("GET /v2/payments/tr_5B8c/refunds/re_4qqh"),
        "{}",
        asked[1]
    );

    let (client, _) = mollie(vec![
        declined(),
        list(vec![refund(order.refund, "pending")]),
    ])
    .await;
    assert_eq!(
        client.refund(&order).await.unwrap().refund,
        Some(order.refund)
    );

    let other = RefundId::from(Uuid::from_u128(8));
    let (client, _) = mollie(vec![declined(), list(vec![refund(other, "pending")])]).await;
    let error = client.refund(&order).await.unwrap_err();
    assert!(matches!(error, CallError::Declined { .. }), "{error}");

    for answers in [
        vec![refused()],
        vec![problem(500, "Internal Server Error")],
        vec![(200, json!({ "resource": "refund" }))],
        vec![declined(), problem(503, "Service Unavailable")],
    ] {
        let (client, _) = mollie(answers).await;
        let error = client.refund(&order).await.unwrap_err();
        assert!(matches!(error, CallError::Unknown { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_did_nothing_is_told_from_what_nobody_knows() {
    for (answer, expected) in [
        (problem(404, "Not Found"), "not found"),
        (problem(429, "Too Many Requests"), "later"),
        (problem(401, "Unauthorized Request"), "later"),
        (problem(502, "Bad Gateway"), "unknown"),
        ((400, json!("<html>")), "unknown"),
        ((200, payment("something new")), "unknown"),
    ] {
        let (client, _) = mollie(vec![answer]).await;
        let became = match client.fetch_payment("tr_5B8c").await.unwrap_err() {
            CallError::NotFound => "not found",
            CallError::RetryLater { .. } => "later",
            CallError::Unknown { .. } => "unknown",
            CallError::Declined { .. } => "declined",
        };
        assert_eq!(became, expected);
    }
}

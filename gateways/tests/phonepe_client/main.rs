//! PhonePe's client against answers as PhonePe's documentation and SDKs print them, over real connections. What it asks is
//! looked at too: the simulator does not speak PhonePe.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod orders;
mod refunds;
#[path = "../scripted/mod.rs"]
mod scripted;
mod tokens;

use std::sync::Arc;

use boxoffice_gateways::{
    AccountConfig, Attempt, CallError, GatewayAccount, GatewayClient, Gateways, RefundOrder, SaidBy,
};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, ShowId};
use boxoffice_saga::money::Money;
use scripted::{Asked, Scripted, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

const TOKEN_PATH: &str = "POST /apis/pg-sandbox/v1/oauth/token HTTP/1.1";

/// Answers with these, one after the other, and notes what was asked.
async fn phonepe(answers: Vec<Scripted>) -> (Arc<dyn GatewayClient>, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateways = Gateways::new(vec![configured(&listener)], vec![]).unwrap();
    let client = gateways.client(&GatewayAccount::new("phonepe", "default"));
    (Arc::clone(client.unwrap()), serve(listener, answers))
}

fn configured(listener: &TcpListener) -> AccountConfig {
    serde_json::from_value(json!({
        "gateway": "phonepe",
        "secrets": ["user:password"],
        "return_url": "https://tickets.example.org/back",
        "api": {
            "base_url": format!("http://{}/apis/pg-sandbox/", listener.local_addr().unwrap()),
            "user": "CLIENT_1", "api_key": "hush & hush", "client_version": 3,
        },
    }))
    .unwrap()
}

/// The same, with a token first that is good for an hour.
async fn with_token(mut answers: Vec<Scripted>) -> (Arc<dyn GatewayClient>, Asked) {
    answers.insert(0, token("first", 3_600));
    phonepe(answers).await
}

fn token(text: &str, lives: i64) -> Scripted {
    let issued_at = 1_706_073_005;
    let answer = json!({
        "access_token": text, "encrypted_access_token": "e", "expires_in": 3453, "issued_at": issued_at,
        "expires_at": issued_at + lives, "session_expires_at": issued_at + lives, "token_type": "O-Bearer",
    });
    (200, answer)
}

fn booking() -> BookingId {
    BookingId::pack(1, ShowId::try_from(9_u64).unwrap(), 2)
}

fn attempt() -> PaymentId {
    PaymentId::from(Uuid::from_u128(3))
}

/// The same as our books know it once it is open.
fn opened() -> Attempt {
    Attempt {
        payment: attempt(),
        booking: booking(),
        gateway_payment_id: attempt().to_string(),
        amount: rupees(100),
    }
}

fn rupees(paise: i64) -> Money {
    Money::new(paise, "INR".parse().unwrap())
}

fn order(state: &str, tries: &[&str]) -> Scripted {
    let tries: Vec<Value> = tries
        .iter()
        .map(|state| {
            json!({ "paymentMode": "UPI_INTENT", "transactionId": "OM12334", "amount": 45_000, "state": state })
        })
        .collect();
    let answer = json!({
        "orderId": "OMO2403071437388196434033", "state": state, "amount": 45_000, "expireAt": 1_709_802_878_811_i64,
        "errorCode": "AUTHORIZATION_ERROR", "metaInfo": { "udf1": booking(), "udf2": attempt() }, "paymentDetails": tries,
    });
    (200, answer)
}

fn our_refund() -> RefundId {
    RefundId::from(Uuid::from_u128(7))
}

fn refund_order() -> RefundOrder {
    RefundOrder {
        refund: our_refund(),
        generation: 2,
        key: our_refund().gateway_key(2),
        gateway_payment_id: attempt().to_string(),
        amount: rupees(45_000),
        booking: booking(),
        payment: Some(attempt()),
        reason: "seats_lost".into(),
    }
}

fn taken(state: &str) -> Scripted {
    let answer = json!({ "refundId": "OMR7896789", "amount": 45_000, "state": state });
    (200, answer)
}

fn refund(state: &str) -> Scripted {
    refund_of(&attempt().to_string(), 45_000, state)
}

fn refund_of(order: &str, amount: i64, state: &str) -> Scripted {
    let answer = json!({
        "originalMerchantOrderId": order, "amount": amount, "state": state,
        "timestamp": 1_706_629_419_799_i64, "refundId": "OMR7896789",
    });
    (200, answer)
}

fn problem(status: u16, code: &str) -> Scripted {
    let answer = json!({ "success": false, "code": code, "message": "as it says", "data": {} });
    (status, answer)
}

fn became(error: &CallError) -> &'static str {
    match error {
        CallError::NotFound => "not found",
        CallError::RetryLater {
            said_by: SaidBy::Nobody,
            ..
        } => "never asked",
        CallError::RetryLater { .. } => "later",
        CallError::Unknown { .. } => "unknown",
        CallError::Declined { .. } => "declined",
    }
}

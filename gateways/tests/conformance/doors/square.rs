//! Square.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boxoffice_saga::fact::{PaymentState, RefundState};
use serde_json::json;

use super::{any_text, hmac_sha256, place};
use crate::door::{Covers, Sample, Says, Sent, Tested, booking, paid};

const URL: &str = "https://tickets.example.org/webhooks/square";

fn event(kind: &str, object: &str) -> String {
    format!(
        r#"{{"merchant_id":"ML1","type":"{kind}","event_id":"6a8f5f28-54a1","created_at":"2026-02-06T21:27:34.308Z","data":{{"type":"payment","id":"KkAkh","object":{{{object}}}}}}}"#
    )
}

fn payment(kind: &'static str, status: &str, state: PaymentState) -> Sample {
    let booking = booking();
    let object = format!(
        r#""payment":{{"id":"KkAkh","amount_money":{{"amount":44000,"currency":"INR"}},"tip_money":{{"amount":1000,"currency":"INR"}},"total_money":{{"amount":45000,"currency":"INR"}},"status":"{status}","reference_id":"{booking}","version":3}}"#
    );
    Sample::new(kind, event(kind, &object), paid(state))
}

fn refund(kind: &'static str, status: &str, state: RefundState) -> Sample {
    let object = format!(
        r#""refund":{{"id":"KkAkh_1","status":"{status}","amount_money":{{"amount":500,"currency":"JPY"}},"payment_id":"KkAkh"}}"#
    );
    let amount = (500, "JPY");
    Sample::new(kind, event(kind, &object), Says::Refund { state, amount })
}

pub fn tested() -> Tested {
    Tested {
        name: "square",
        config: json!({ "gateway": "square", "webhook_url": URL }),
        secrets: any_text(),
        sign: |secret, message| {
            let mac = hmac_sha256(secret.as_bytes(), &[URL.as_bytes(), message.body]);
            let header = "x-square-hmacsha256-signature";
            Sent::new(header, STANDARD.encode(mac), message.body)
        },
        covers: Covers::All,
        tolerance: None,
        any_case: false,
        amount: place("\"total_money\":{\"amount\":", 45_000),
        booking: place("\"reference_id\":", format!("\"{}\"", booking())),
        samples: vec![
            payment("payment.updated", "COMPLETED", PaymentState::Captured),
            payment("payment.created", "PENDING", PaymentState::Processing),
            payment("payment.created", "APPROVED", PaymentState::Authorised),
            payment("payment.updated", "CANCELED", PaymentState::Cancelled),
            payment("payment.updated", "FAILED", PaymentState::Failed),
            refund("refund.created", "PENDING", RefundState::Pending),
            refund("refund.updated", "COMPLETED", RefundState::Succeeded),
            refund("refund.updated", "REJECTED", RefundState::Failed),
            refund("refund.updated", "FAILED", RefundState::Failed),
            Sample::new("order.updated", event("order.updated", ""), Says::Nothing),
        ],
    }
}

//! Two gateways that nobody has written code for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boxoffice_saga::fact::{PaymentState, RefundState};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;

use super::{any_text, generic, hmac_sha256, place};
use crate::door::{Covers, Sample, Says, Sent, Tested, booking, paid};

const URL: &str = "https://tickets.example.org/webhooks/acme";

/// Signs much, says it in its own words, and writes amounts as decimals.
pub fn elaborate() -> Tested {
    let body = |kind: &str, more: &str| {
        let booking = booking();
        format!(
            r#"{{"event":{{"name":"{kind}"}},"charge":[{{"ref":"ch-1","sum":"450.00","money":"INR","notes":{{"booking":"{booking}"}}{more}}}]}}"#
        )
    };
    let returned = |state| Says::Refund {
        state,
        amount: (45_000, "INR"),
    };
    let refund = r#","back":"rf-1""#;
    Tested {
        name: "elaborate",
        config: json!({
            "gateway": "acme",
            "scheme": "hmac",
            "webhook_url": URL,
            "tolerance_seconds": 120,
            "hmac": {
                "header": "X-Acme-Signature",
                "prefix": "v2:",
                "encoding": "base64",
                "digest": "sha512",
                "key_encoding": "hex",
                "signed": "v2:{timestamp}:{id}:{url}\n{body}",
                "timestamp_header": "X-Acme-Time",
                "id_header": "X-Acme-Id",
                "fields": {
                    "kind": "/event/name",
                    "kinds": {
                        "paid": "payment.succeeded",
                        "unpaid": "payment.failed",
                        "returned": "refund.succeeded",
                        "kept": "refund.failed",
                    },
                    "payment_id": "/charge/0/ref",
                    "booking_id": "/charge/0/notes/booking",
                    "refund_id": "/charge/0/back",
                    "amount": "/charge/0/sum",
                    "amount_is": "decimal",
                    "currency": "/charge/0/money",
                },
            },
        }),
        secrets: ["00ff17".repeat(8), "00ff18".repeat(8)],
        sign: |secret, message| {
            let key = hex::decode(secret).unwrap();
            let mut mac = Hmac::<sha2::Sha512>::new_from_slice(&key).unwrap();
            mac.update(format!("v2:{}:{}:{URL}\n", message.at, message.id).as_bytes());
            mac.update(message.body);
            let mac = STANDARD.encode(mac.finalize().into_bytes());
            Sent {
                headers: vec![
                    ("x-acme-signature", format!("v2:{mac}").into(), true),
                    ("x-acme-time", message.at.into(), true),
                    ("x-acme-id", message.id.into(), true),
                ],
                body: message.body.to_vec(),
            }
        },
        covers: Covers::All,
        tolerance: Some(120),
        any_case: false,
        amount: place("\"sum\":", "\"450.00\""),
        booking: place("\"booking\":", format!("\"{}\"", booking())),
        samples: vec![
            Sample::new("paid", body("paid", ""), paid(PaymentState::Captured)),
            Sample::new("unpaid", body("unpaid", ""), paid(PaymentState::Failed)),
            Sample::new(
                "returned",
                body("returned", refund),
                returned(RefundState::Succeeded),
            ),
            Sample::new("kept", body("kept", refund), returned(RefundState::Failed)),
            Sample::new("other", body("other", ""), Says::Nothing),
        ],
    }
}

/// Signs the body alone and speaks the generic scheme's words; its event id is not signed.
pub fn plain() -> Tested {
    Tested {
        name: "plain",
        config: json!({
            "gateway": "plain",
            "scheme": "hmac",
            "hmac": { "header": "x-signature", "id_header": "x-event-id" },
        }),
        secrets: any_text(),
        sign: |secret, message| {
            let mac = hex::encode(hmac_sha256(secret.as_bytes(), &[message.body]));
            Sent {
                headers: vec![
                    ("x-signature", mac.into(), true),
                    ("x-event-id", message.id.into(), false),
                ],
                body: message.body.to_vec(),
            }
        },
        covers: Covers::All,
        tolerance: None,
        any_case: true,
        amount: place("\"minor\":", 45_000),
        booking: place("\"booking_id\":", format!("\"{}\"", booking())),
        samples: generic::samples(),
    }
}

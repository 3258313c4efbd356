//! Home-made senders.

use boxoffice_saga::fact::{PaymentState, RefundState};
use serde_json::json;

use super::{any_text, hmac_sha256, place};
use crate::door::{Covers, Sample, Says, Sent, Tested, booking, paid};

/// A body of the generic scheme.
pub fn body(kind: &str) -> String {
    let booking = booking();
    format!(
        r#"{{"id":"e-1","type":"{kind}","payment_id":"p-1","booking_id":"{booking}","amount":{{"minor":45000,"currency":"INR"}}}}"#
    )
}

/// All kinds of the generic scheme.
pub fn samples() -> Vec<Sample> {
    let returned = |state| Says::Refund {
        state,
        amount: (45_000, "INR"),
    };
    let sample = |kind, says| Sample::new(kind, body(kind), says);
    vec![
        sample("payment.succeeded", paid(PaymentState::Captured)),
        sample("payment.failed", paid(PaymentState::Failed)),
        sample("refund.succeeded", returned(RefundState::Succeeded)),
        sample("refund.failed", returned(RefundState::Failed)),
        sample("coffee.spilled", Says::Nothing),
    ]
}

pub fn tested() -> Tested {
    Tested {
        name: "generic",
        config: json!({ "gateway": "generic" }),
        secrets: any_text(),
        sign: |secret, message| {
            let mac = hex::encode(hmac_sha256(secret.as_bytes(), &[message.body]));
            Sent::new("x-hub-signature-256", format!("sha256={mac}"), message.body)
        },
        covers: Covers::All,
        tolerance: None,
        any_case: true,
        amount: place("\"minor\":", 45_000),
        booking: place("\"booking_id\":", format!("\"{}\"", booking())),
        samples: samples(),
    }
}

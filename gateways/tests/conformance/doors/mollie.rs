//! Mollie: what it signs, and the forms that it does not.

use boxoffice_saga::fact::{PaymentState, RefundState};
use serde_json::json;

use super::{any_text, hmac_sha256, place};
use crate::door::{Covers, Sample, Says, Sent, Tested, booking, paid};

fn event(kind: &str, id: &str, embedded: &str) -> String {
    format!(
        r#"{{"resource":"event","id":"event_GvJ8WHrp5isUdRub9CJyH","type":"{kind}","entityId":"{id}","createdAt":"2026-02-16T15:57:04.0Z"{embedded},"_links":{{}}}}"#
    )
}

fn payment_entity(status: &str) -> String {
    let booking = booking();
    format!(
        r#"{{"resource":"payment","id":"tr_5B8c","mode":"test","amount":{{"value":"450.00","currency":"INR"}},"status":"{status}","metadata":{{"booking_id":"{booking}"}}}}"#
    )
}

fn payment(kind: &'static str, status: &str, state: PaymentState) -> Sample {
    let embedded = format!(r#","_embedded":{{"entity":{}}}"#, payment_entity(status));
    Sample::new(kind, event(kind, "tr_5B8c", &embedded), paid(state))
}

fn refund(kind: &'static str, status: &str, state: RefundState) -> Sample {
    let embedded = format!(
        r#","_embedded":{{"entity":{{"resource":"refund","id":"re_4qqh","mode":"test","paymentId":"tr_5B8c","amount":{{"currency":"KWD","value":"5.950"}},"status":"{status}","metadata":"anything"}}}}"#
    );
    let amount = (5_950, "KWD");
    let says = Says::Refund { state, amount };
    Sample::new(kind, event(kind, "re_4qqh", &embedded), says)
}

pub fn signed() -> Tested {
    Tested {
        name: "signed",
        config: json!({ "gateway": "mollie" }),
        secrets: any_text(),
        sign: |secret, message| {
            let mac = hex::encode(hmac_sha256(secret.as_bytes(), &[message.body]));
            Sent::new("x-mollie-signature", format!("sha256={mac}"), message.body)
        },
        covers: Covers::All,
        tolerance: None,
        any_case: true,
        amount: place("\"value\":", "\"450.00\""),
        booking: place("\"booking_id\":", format!("\"{}\"", booking())),
        samples: vec![
            payment("payment.paid", "paid", PaymentState::Captured),
            payment("payment.authorized", "authorized", PaymentState::Authorised),
            payment("payment.pending", "pending", PaymentState::Processing),
            payment("payment.failed", "failed", PaymentState::Failed),
            payment("payment.canceled", "canceled", PaymentState::Cancelled),
            payment("payment.expired", "expired", PaymentState::Cancelled),
            payment("payment.created", "open", PaymentState::Open),
            refund("refund.queued", "queued", RefundState::Pending),
            refund("refund.pending", "pending", RefundState::Pending),
            refund("refund.processing", "processing", RefundState::Pending),
            refund("refund.refunded", "refunded", RefundState::Succeeded),
            refund("refund.failed", "failed", RefundState::Failed),
            refund("refund.canceled", "canceled", RefundState::Failed),
            // Without the payment in it, and the payment without an event around it.
            Sample::new(
                "payment.paid",
                event("payment.paid", "tr_5B8c", ""),
                Says::Hint,
            ),
            Sample::new(
                "payment",
                payment_entity("paid"),
                paid(PaymentState::Captured),
            ),
            Sample::new(
                "payment-link.paid",
                event(
                    "payment-link.paid",
                    "pl_4Y0e",
                    r#","_embedded":{"entity":{}}"#,
                ),
                Says::Nothing,
            ),
        ],
    }
}

pub fn unsigned() -> Tested {
    Tested {
        name: "unsigned",
        sign: |_, message| Sent {
            headers: vec![],
            body: message.body.to_vec(),
        },
        covers: Covers::Nothing,
        amount: None,
        booking: None,
        samples: vec![
            Sample::new("hint", "id=tr_d0b0E3EA3v", Says::Hint),
            Sample::new("hint", "id=ord_pbjz8x", Says::Hint),
        ],
        ..signed()
    }
}

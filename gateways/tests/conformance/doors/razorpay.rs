//! Razorpay: the body is signed, and the event's id stands in a header beside it.

use boxoffice_saga::fact::{PaymentState, RefundState};
use serde_json::json;

use super::{any_text, hmac_sha256, place};
use crate::door::{Covers, Sample, Says, Sent, Tested, booking, paid};

fn event(kind: &str, payload: &str) -> String {
    format!(
        r#"{{"entity":"event","account_id":"acc_BFQ7uQEaa7j2z7","event":"{kind}","contains":["payment"],"payload":{{{payload}}},"created_at":1691735748}}"#
    )
}

fn payment(status: &str, notes: &str) -> String {
    let captured = matches!(status, "captured" | "refunded");
    format!(
        r#""payment":{{"entity":{{"id":"pay_1","entity":"payment","amount":45000,"currency":"INR","status":"{status}","order_id":"order_1","captured":{captured},"notes":{notes},"error_code":null}}}}"#
    )
}

fn ours() -> String {
    format!(r#"{{"booking_id":"{}"}}"#, booking())
}

fn order() -> String {
    let notes = ours();
    format!(
        r#""order":{{"entity":{{"id":"order_1","amount":45000,"amount_paid":45000,"currency":"INR","status":"paid","notes":{notes}}}}}"#
    )
}

fn refund(kind: &'static str, status: &str, state: RefundState) -> Sample {
    let payment = payment("captured", "[]");
    let payload = format!(
        r#""refund":{{"entity":{{"id":"rfnd_1","amount":5950,"currency":"KWD","payment_id":"pay_1","notes":[],"status":"{status}"}}}},{payment}"#
    );
    let amount = (5_950, "KWD");
    Sample::new(kind, event(kind, &payload), Says::Refund { state, amount })
}

fn dispute(kind: &'static str, status: &str) -> Sample {
    let payload = format!(
        r#""dispute":{{"entity":{{"id":"disp_1","payment_id":"pay_1","amount":45000,"currency":"INR","status":"{status}"}}}}"#
    );
    Sample::new(kind, event(kind, &payload), Says::Dispute)
}

pub fn tested() -> Tested {
    let of_payment = |kind, status, state| {
        Sample::new(kind, event(kind, &payment(status, &ours())), paid(state))
    };
    let both = format!("{},{}", payment("captured", "[]"), order());
    Tested {
        name: "razorpay",
        config: json!({ "gateway": "razorpay" }),
        secrets: any_text(),
        sign: |secret, message| {
            let mac = hex::encode(hmac_sha256(secret.as_bytes(), &[message.body]));
            let mut sent = Sent::new("x-razorpay-signature", mac, message.body);
            let id = message.id.as_bytes().to_vec();
            sent.headers.push(("x-razorpay-event-id", id, false));
            sent
        },
        covers: Covers::All,
        tolerance: None,
        any_case: true,
        amount: place("\"amount\":", 45_000),
        booking: place("\"booking_id\":", format!("\"{}\"", booking())),
        samples: vec![
            of_payment("payment.captured", "captured", PaymentState::Captured),
            of_payment("payment.authorized", "authorized", PaymentState::Authorised),
            of_payment("payment.failed", "failed", PaymentState::Failed),
            Sample::new(
                "order.paid",
                event("order.paid", &both),
                paid(PaymentState::Captured),
            ),
            refund("refund.created", "pending", RefundState::Pending),
            refund("refund.created", "processed", RefundState::Succeeded),
            refund("refund.processed", "processed", RefundState::Succeeded),
            refund("refund.failed", "failed", RefundState::Failed),
            dispute("payment.dispute.created", "open"),
            dispute("payment.dispute.under_review", "under_review"),
            dispute("payment.dispute.won", "won"),
            dispute("payment.dispute.lost", "lost"),
            dispute("payment.dispute.closed", "closed"),
            Sample::new(
                "settlement.processed",
                event("settlement.processed", r#""settlement":{"entity":{}}"#),
                Says::Nothing,
            ),
        ],
    }
}

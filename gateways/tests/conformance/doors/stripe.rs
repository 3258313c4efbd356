//! Stripe.

use boxoffice_saga::fact::{PaymentState, RefundState};
use serde_json::json;

use super::{any_text, hmac_sha256, place};
use crate::door::{Covers, Sample, Says, Sent, Tested, booking, paid};

fn event(kind: &str, object: &str) -> String {
    format!(
        r#"{{"id":"evt_1","object":"event","created":1700000000,"livemode":false,"type":"{kind}","data":{{"object":{object}}}}}"#
    )
}

fn intent(kind: &'static str, status: &str, state: PaymentState) -> Sample {
    let received = if status == "succeeded" { 45_000 } else { 0 };
    let capturable = if status == "requires_capture" {
        45_000
    } else {
        0
    };
    let booking = booking();
    let object = format!(
        r#"{{"id":"pi_1","object":"payment_intent","amount":45000,"amount_capturable":{capturable},"amount_received":{received},"currency":"inr","livemode":false,"status":"{status}","metadata":{{"booking_id":"{booking}"}}}}"#
    );
    Sample::new(kind, event(kind, &object), paid(state))
}

fn refund(kind: &'static str, status: &str, state: RefundState) -> Sample {
    let object = format!(
        r#"{{"id":"re_1","object":"refund","amount":45000,"currency":"inr","payment_intent":"pi_1","status":"{status}","metadata":{{}}}}"#
    );
    let says = Says::Refund {
        state,
        amount: (45_000, "INR"),
    };
    Sample::new(kind, event(kind, &object), says)
}

fn dispute(kind: &'static str, status: &str) -> Sample {
    let object = format!(
        r#"{{"id":"dp_1","object":"dispute","amount":45000,"currency":"inr","payment_intent":"pi_1","charge":"ch_1","status":"{status}","reason":"fraudulent","livemode":false,"metadata":{{}}}}"#
    );
    Sample::new(kind, event(kind, &object), Says::Dispute)
}

fn session(kind: &'static str) -> Sample {
    let booking = booking();
    let object = format!(
        r#"{{"id":"cs_1","object":"checkout.session","payment_intent":"pi_1","payment_status":"paid","amount_total":45000,"currency":"inr","livemode":false,"metadata":{{"booking_id":"{booking}"}}}}"#
    );
    Sample::new(kind, event(kind, &object), paid(PaymentState::Captured))
}

pub fn tested() -> Tested {
    Tested {
        name: "stripe",
        config: json!({ "gateway": "stripe" }),
        secrets: any_text(),
        sign: |secret, message| {
            let signed = [message.at.as_bytes(), b".", message.body];
            let mac = hex::encode(hmac_sha256(secret.as_bytes(), &signed));
            let value = format!("t={},v1={mac}", message.at);
            Sent::new("stripe-signature", value, message.body)
        },
        covers: Covers::All,
        tolerance: Some(300),
        any_case: true,
        amount: place("\"amount_received\":", 45_000),
        booking: place("\"booking_id\":", format!("\"{}\"", booking())),
        samples: vec![
            intent(
                "payment_intent.succeeded",
                "succeeded",
                PaymentState::Captured,
            ),
            intent(
                "payment_intent.payment_failed",
                "requires_payment_method",
                PaymentState::Failed,
            ),
            intent(
                "payment_intent.processing",
                "processing",
                PaymentState::Processing,
            ),
            intent(
                "payment_intent.canceled",
                "canceled",
                PaymentState::Cancelled,
            ),
            intent(
                "payment_intent.amount_capturable_updated",
                "requires_capture",
                PaymentState::Authorised,
            ),
            refund("refund.created", "pending", RefundState::Pending),
            refund("refund.updated", "succeeded", RefundState::Succeeded),
            refund("refund.failed", "failed", RefundState::Failed),
            dispute("charge.dispute.created", "needs_response"),
            dispute("charge.dispute.updated", "under_review"),
            dispute("charge.dispute.closed", "lost"),
            dispute("charge.dispute.funds_withdrawn", "needs_response"),
            dispute("charge.dispute.funds_reinstated", "won"),
            session("checkout.session.completed"),
            session("checkout.session.async_payment_succeeded"),
            Sample::new(
                "charge.refunded",
                event("charge.refunded", "{}"),
                Says::Nothing,
            ),
        ],
    }
}

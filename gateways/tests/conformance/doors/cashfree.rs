//! Cashfree.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boxoffice_saga::fact::{PaymentState, RefundState};
use serde_json::json;

use super::{any_text, hmac_sha256, place};
use crate::door::{Covers, Sample, Says, Sent, Tested, booking, paid};

fn event(kind: &str, data: &str) -> String {
    format!(r#"{{"data":{data},"event_time":"2023-11-15T03:43:20+05:30","type":"{kind}"}}"#)
}

fn payment(kind: &'static str, status: &str, state: PaymentState) -> Sample {
    let booking = booking();
    let data = format!(
        r#"{{"order":{{"order_id":"0190b5a000007000800000000000002a","order_amount":450.00,"order_currency":"INR","order_tags":{{"booking_id":"{booking}"}}}},"payment":{{"cf_payment_id":1107253,"payment_status":"{status}","payment_amount":450.00,"payment_currency":"INR","payment_message":"words"}},"customer_details":{{"customer_phone":"9999999999"}},"error_details":{{"error_code":"TRANSACTION_DECLINED","error_reason":"auth_declined"}}}}"#
    );
    Sample::new(kind, event(kind, &data), paid(state))
}

fn refund(kind: &'static str, object: &str, status: &str, state: RefundState) -> Sample {
    let data = format!(
        r#"{{"{object}":{{"cf_refund_id":11325632,"cf_payment_id":"1107253","refund_id":"0190b5a000007000800000000000002bg1","order_id":"0190b5a000007000800000000000002a","refund_amount":450.0,"refund_currency":"INR","refund_status":"{status}"}}}}"#
    );
    let says = Says::Refund {
        state,
        amount: (45_000, "INR"),
    };
    Sample::new(kind, event(kind, &data), says)
}

fn dispute(kind: &'static str, status: &str) -> Sample {
    let data = format!(
        r#"{{"dispute":{{"dispute_id":433475257,"dispute_type":"CHARGEBACK","reason_code":"4855","dispute_amount":450,"dispute_amount_currency":"INR","dispute_status":"{status}"}},"order_details":{{"order_id":"0190b5a000007000800000000000002a","cf_payment_id":1107253}}}}"#
    );
    Sample::new(kind, event(kind, &data), Says::Dispute)
}

pub fn tested() -> Tested {
    let (paid, refunded) = (PaymentState::Captured, RefundState::Succeeded);
    Tested {
        name: "cashfree",
        config: json!({ "gateway": "cashfree" }),
        secrets: any_text(),
        sign: |secret, message| {
            // It signs milliseconds.
            let at = format!("{}000", message.at);
            let mac = hmac_sha256(secret.as_bytes(), &[at.as_bytes(), message.body]);
            let mut sent = Sent::new("x-webhook-signature", STANDARD.encode(mac), message.body);
            let time = ("x-webhook-timestamp", at.into_bytes(), true);
            sent.headers.push(time);
            sent
        },
        covers: Covers::All,
        // Long enough for its repetitions, whatever time they bear.
        tolerance: Some(3_600),
        any_case: false,
        amount: place("\"payment_amount\":", "450.00"),
        booking: place("\"booking_id\":", format!("\"{}\"", booking())),
        samples: vec![
            payment("PAYMENT_SUCCESS_WEBHOOK", "SUCCESS", paid),
            payment("PAYMENT_FAILED_WEBHOOK", "FAILED", PaymentState::Failed),
            payment(
                "PAYMENT_USER_DROPPED_WEBHOOK",
                "USER_DROPPED",
                PaymentState::Failed,
            ),
            refund("REFUND_STATUS_WEBHOOK", "refund", "SUCCESS", refunded),
            refund(
                "REFUND_STATUS_WEBHOOK",
                "refund",
                "CANCELLED",
                RefundState::Failed,
            ),
            refund(
                "REFUND_STATUS_WEBHOOK",
                "refund",
                "ONHOLD",
                RefundState::Pending,
            ),
            refund(
                "AUTO_REFUND_STATUS_WEBHOOK",
                "auto_refund",
                "SUCCESS",
                refunded,
            ),
            dispute("DISPUTE_CREATED", "CHARGEBACK_CREATED"),
            dispute("DISPUTE_UPDATED", "CHARGEBACK_DOCS_RECEIVED"),
            dispute("DISPUTE_CLOSED", "CHARGEBACK_MERCHANT_LOST"),
            Sample::new(
                "SETTLEMENT_SUCCESS",
                event("SETTLEMENT_SUCCESS", "{}"),
                Says::Nothing,
            ),
        ],
    }
}

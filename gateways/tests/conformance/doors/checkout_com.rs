//! Checkout.com.

use boxoffice_saga::fact::{PaymentState, RefundState};
use serde_json::json;

use super::{any_text, hmac_sha256, place};
use crate::door::{Covers, Sample, Says, Sent, Tested, booking, paid};

fn body(kind: &str) -> String {
    let booking = booking();
    format!(
        r#"{{"id":"evt_fkfqht","source":"gwc_notifier","type":"{kind}","timestamp":"2023-05-24T09:12:32.357+00:00","data":{{"id":"pay_vti5","action_id":"act_uqlj","reference":"ORD-5023","amount":45000,"currency":"INR","response_code":"10000","metadata":{{"coupon_code":"NY2018","booking_id":"{booking}"}}}}}}"#
    )
}

fn payment(kind: &'static str, state: PaymentState) -> Sample {
    Sample::new(kind, body(kind), paid(state))
}

fn refund(kind: &'static str, state: RefundState) -> Sample {
    let amount = (45_000, "INR");
    Sample::new(kind, body(kind), Says::Refund { state, amount })
}

pub fn tested() -> Tested {
    Tested {
        name: "checkout_com",
        config: json!({ "gateway": "checkout_com" }),
        secrets: any_text(),
        sign: |secret, message| {
            let mac = hmac_sha256(secret.as_bytes(), &[message.body]);
            Sent::new("cko-signature", hex::encode(mac), message.body)
        },
        covers: Covers::All,
        tolerance: None,
        any_case: true,
        amount: place("\"amount\":", 45_000),
        booking: place("\"booking_id\":", format!("\"{}\"", booking())),
        samples: vec![
            payment("payment_captured", PaymentState::Captured),
            payment("payment_approved", PaymentState::Authorised),
            payment("payment_pending", PaymentState::Processing),
            payment("payment_declined", PaymentState::Failed),
            payment("payment_voided", PaymentState::Cancelled),
            payment("payment_canceled", PaymentState::Cancelled),
            payment("payment_expired", PaymentState::Cancelled),
            refund("payment_refunded", RefundState::Succeeded),
            refund("payment_refund_pending", RefundState::Pending),
            refund("payment_refund_declined", RefundState::Failed),
            Sample::new("card_verified", body("card_verified"), Says::Nothing),
        ],
    }
}

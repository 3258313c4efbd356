//! PhonePe v2.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::door::{Covers, Sample, Says, Sent, Tested, booking};

fn body(kind: &str) -> String {
    let booking = booking();
    format!(
        r#"{{"type":"PG_ORDER_COMPLETED","event":"{kind}","payload":{{"merchantId":"M1","merchantOrderId":"MO-974-9c0084d009a8","orderId":"OMO24","state":"COMPLETED","amount":45000,"expireAt":1732959621335,"metaInfo":{{"udf1":"{booking}","udf2":"b"}},"paymentDetails":[]}}}}"#
    )
}

pub fn tested() -> Tested {
    let sample = |kind, says| Sample::new(kind, body(kind), says);
    Tested {
        name: "phonepe",
        config: json!({ "gateway": "phonepe" }),
        secrets: ["user:password".to_owned(), "user:another".to_owned()],
        sign: |secret, message| {
            let shown = hex::encode(Sha256::digest(secret));
            Sent::new("authorization", shown, message.body)
        },
        covers: Covers::Nothing,
        tolerance: None,
        any_case: true,
        amount: None,
        booking: super::place("\"udf1\":", format!("\"{}\"", booking())),
        samples: vec![
            sample("checkout.order.completed", Says::Hint),
            sample("checkout.order.failed", Says::Hint),
            sample("pg.order.completed", Says::Hint),
            sample("pg.order.failed", Says::Hint),
            // The worker that made the refund asks for it by itself.
            sample("pg.refund.completed", Says::Nothing),
            sample("pg.refund.failed", Says::Nothing),
            sample("pg.refund.accepted", Says::Nothing),
        ],
    }
}

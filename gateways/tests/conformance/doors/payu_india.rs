//! PayU India.

use boxoffice_saga::fact::PaymentState;
use serde_json::json;
use sha2::{Digest, Sha512};

use super::{any_text, place};
use crate::door::{Covers, Message, Sample, Says, Sent, Tested, booking, paid};

fn body(status: &str) -> String {
    let booking = booking();
    format!(
        "mihpayid=403993715531077182&mode=CC&status={status}&key=gtKFFx&txnid=t6svtq&amount=450.00&productinfo=Two+seats%2C+row+A&firstname=Ann&email=ann%40example.org&udf1={booking}&udf2=&udf3=&udf4=&udf5=&field9=Transaction+Completed&hash="
    )
}

/// The hash goes to the end of the body, if there is room for it.
fn sign(salt: &str, message: &Message<'_>) -> Sent {
    let mut body = message.body.to_vec();
    if body.ends_with(b"hash=") {
        let value = |name: &str| {
            let found = form_urlencoded::parse(message.body).filter(|(key, _)| key == name);
            found
                .last()
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        let mut signed = format!("{salt}|{}||||||", value("status"));
        for name in [
            "udf5",
            "udf4",
            "udf3",
            "udf2",
            "udf1",
            "email",
            "firstname",
            "productinfo",
            "amount",
            "txnid",
        ] {
            signed += &value(name);
            signed.push('|');
        }
        signed += &value("key");
        body.extend_from_slice(hex::encode(Sha512::digest(signed)).as_bytes());
    }
    Sent {
        headers: vec![],
        body,
    }
}

pub fn tested() -> Tested {
    let sample = |status, says| Sample::new(status, body(status), says);
    Tested {
        name: "payu_india",
        config: json!({ "gateway": "payu_india" }),
        secrets: any_text(),
        sign,
        covers: Covers::Fields,
        tolerance: None,
        any_case: true,
        amount: place("&amount=", "450.00"),
        booking: place("&udf1=", booking()),
        samples: vec![
            sample("success", paid(PaymentState::Captured)),
            sample("failure", paid(PaymentState::Failed)),
            sample("pending", paid(PaymentState::Processing)),
            sample("dropped", Says::Nothing),
        ],
    }
}

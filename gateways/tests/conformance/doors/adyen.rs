//! Adyen.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boxoffice_saga::fact::{PaymentState, RefundState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{hmac_sha256, place};
use crate::door::{Covers, Message, Sample, Says, Sent, Tested, booking, paid};

/// Where a signature goes.
const UNSIGNED: &str = r#""hmacSignature":"""#;

fn reference() -> String {
    format!("{}_0190b5a0-0000-7000-8000-00000000002a", booking())
}

fn item(code: &str, success: bool) -> String {
    let (own, original) = match code {
        "AUTHORISATION" => ("7914073381342284", ""),
        _ => ("KRWQ4TXJ4D3BTS22", "7914073381342284"),
    };
    let reference = reference();
    format!(
        r#"{{"NotificationRequestItem":{{"additionalData":{{{UNSIGNED},"paymentLinkId":"PL6DB3157D27FFBBCF"}},"amount":{{"value":45000,"currency":"INR"}},"eventCode":"{code}","eventDate":"2023-11-14T23:13:20+01:00","merchantAccountCode":"TestMerchant","merchantReference":"{reference}","originalReference":"{original}","pspReference":"{own}","reason":"","success":"{success}"}}}}"#
    )
}

/// What is beside the items may be deeper than a value can hold.
#[derive(Default, Deserialize)]
struct Request {
    #[serde(rename = "notificationItems")]
    items: Vec<Value>,
}

fn request(items: &[String]) -> String {
    let items = items.join(",");
    format!(r#"{{"live":"false","notificationItems":[{items}]}}"#)
}

fn sample(code: &'static str, success: bool, says: Says) -> Sample {
    Sample::new(code, request(&[item(code, success)]), says)
}

/// The same about a payment that was opened as a reservation.
fn reserved(code: &'static str, success: bool, says: Says) -> Sample {
    let mut sample = sample(code, success, says);
    sample.body = sample
        .body
        .replace(&reference(), &format!("{}_auth", reference()));
    sample
}

/// Signs each item, in the order in which they stand there.
fn sign(secret: &str, message: &Message<'_>) -> Sent {
    let mut text = String::from_utf8_lossy(message.body).into_owned();
    let read: Request = serde_json::from_slice(message.body).unwrap_or_default();
    for wrapped in read.items {
        let item = &wrapped["NotificationRequestItem"];
        let signed: Vec<String> = [
            &item["pspReference"],
            &item["originalReference"],
            &item["merchantAccountCode"],
            &item["merchantReference"],
            &item["amount"]["value"],
            &item["amount"]["currency"],
            &item["eventCode"],
            &item["success"],
        ]
        .map(|field| match field {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .to_vec();
        let key = hex::decode(secret).unwrap();
        let mac = STANDARD.encode(hmac_sha256(&key, &[signed.join(":").as_bytes()]));
        text = text.replacen(UNSIGNED, &format!(r#""hmacSignature":"{mac}""#), 1);
    }
    // What is no text stays as it is: a lossy copy of it would be another body.
    let untouched = std::str::from_utf8(message.body).is_err();
    Sent {
        headers: vec![],
        body: if untouched {
            message.body.to_vec()
        } else {
            text.into_bytes()
        },
    }
}

pub fn tested() -> Tested {
    let refund = |code, success, state| {
        let says = Says::Refund {
            state,
            amount: (45_000, "INR"),
        };
        sample(code, success, says)
    };
    let captured = || paid(PaymentState::Captured);
    let cancelled = || paid(PaymentState::Cancelled);
    let mut several = sample("AUTHORISATION", true, captured());
    several.body = request(&[item("AUTHORISATION", true), item("REFUND_FAILED", true)]);
    several.says.push(Says::Refund {
        state: RefundState::Failed,
        amount: (45_000, "INR"),
    });
    let (succeeded, failed) = (RefundState::Succeeded, RefundState::Failed);
    Tested {
        name: "adyen",
        config: json!({ "gateway": "adyen" }),
        secrets: [
            "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056".to_owned(),
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".to_owned(),
        ],
        sign,
        covers: Covers::Fields,
        tolerance: None,
        any_case: false,
        amount: place("\"value\":", 45_000),
        booking: place("\"merchantReference\":", format!("\"{}\"", reference())),
        samples: vec![
            sample("AUTHORISATION", true, captured()),
            sample("AUTHORISATION", false, paid(PaymentState::Failed)),
            several,
            refund("REFUND", true, succeeded),
            refund("REFUND", false, failed),
            refund("REFUND_FAILED", true, failed),
            refund("REFUNDED_REVERSED", true, failed),
            refund("CANCELLATION", true, succeeded),
            refund("CANCEL_OR_REFUND", true, succeeded),
            refund("TECHNICAL_CANCEL", true, succeeded),
            sample("CANCELLATION", false, Says::Nothing),
            sample("CAPTURE", true, Says::Nothing),
            sample("CAPTURE", false, Says::Dispute),
            sample("CAPTURE_FAILED", true, Says::Dispute),
            reserved("AUTHORISATION", true, paid(PaymentState::Authorised)),
            reserved("AUTHORISATION", false, paid(PaymentState::Failed)),
            reserved("CAPTURE", true, captured()),
            reserved("CAPTURE", false, cancelled()),
            reserved("CAPTURE_FAILED", true, Says::Dispute),
            reserved("CANCELLATION", true, cancelled()),
            reserved("CANCELLATION", false, Says::Nothing),
            reserved("TECHNICAL_CANCEL", true, cancelled()),
            reserved("EXPIRE", true, cancelled()),
            sample("NOTIFICATION_OF_CHARGEBACK", true, Says::Dispute),
            sample("CHARGEBACK", true, Says::Dispute),
            sample("CHARGEBACK_REVERSED", true, Says::Dispute),
            sample("SECOND_CHARGEBACK", true, Says::Dispute),
            sample("PREARBITRATION_WON", true, Says::Dispute),
            sample("PREARBITRATION_LOST", true, Says::Dispute),
            sample("DISPUTE_DEFENSE_PERIOD_ENDED", true, Says::Dispute),
            sample("REPORT_AVAILABLE", true, Says::Nothing),
        ],
    }
}

#[test]
fn the_official_vector_is_accepted() {
    let tested = tested();
    let body = format!(
        r#"{{"live":"false","notificationItems":[{{"NotificationRequestItem":{{"additionalData":{{"hmacSignature":"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="}},"amount":{{"value":1130,"currency":"EUR"}},"pspReference":"7914073381342284","eventCode":"AUTHORISATION","merchantAccountCode":"TestMerchant","merchantReference":"{}","success":"true"}}}}]}}"#,
        "TestPayment-1407325143704"
    );
    let sent = Sent {
        headers: vec![],
        body: body.into_bytes(),
    };
    let read = crate::door::became(&tested, &tested.gateways(), &sent, crate::door::T);
    assert_eq!(
        read.facts(),
        [boxoffice_saga::fact::Fact::Nothing],
        "{read:?}"
    );
}

#[test]
fn one_bad_item_refuses_the_whole_request() {
    let tested = tested();
    let gateways = tested.gateways();
    for (from, to) in [
        ("\"value\":45000", "\"value\":45001"),
        ("hmacSignature", "hmacSignatur"),
        ("\"REFUND_FAILED\"", "\"REFUND\""),
    ] {
        let mut sent = tested.sent(tested.samples[2].body.as_bytes());
        let body = String::from_utf8(sent.body).unwrap();
        let (first, last) = body.split_at(body.rfind("{\"NotificationRequestItem").unwrap());
        assert!(last.contains(from));
        sent.body = format!("{first}{}", last.replacen(from, to, 1)).into_bytes();
        let read = crate::door::became(&tested, &gateways, &sent, crate::door::T);
        assert!(matches!(read, crate::door::Became::Refused(_)), "{read:?}");
    }
}

/// What one field ends with cannot become what the next one begins with.
#[test]
fn the_separator_in_a_field_is_refused() {
    let tested = tested();
    let gateways = tested.gateways();
    let genuine = tested.sent(tested.samples[3].body.as_bytes());
    let body = String::from_utf8(genuine.body).unwrap();
    // The same signed text, with the payment's reference moved into the refund's.
    let moved = body
        .replacen(
            "\"originalReference\":\"7914073381342284\"",
            "\"originalReference\":\"\"",
            1,
        )
        .replacen(
            "\"pspReference\":\"KRWQ4TXJ4D3BTS22\"",
            "\"pspReference\":\"KRWQ4TXJ4D3BTS22:7914073381342284\"",
            1,
        )
        .replacen(
            "\"merchantAccountCode\":\"TestMerchant\"",
            "\"merchantAccountCode\":\"\"",
            1,
        );
    assert_ne!(moved, body);
    let sent = Sent {
        headers: vec![],
        body: moved.into_bytes(),
    };
    let read = crate::door::became(&tested, &gateways, &sent, crate::door::T);
    assert!(
        matches!(
            read,
            crate::door::Became::Refused(boxoffice_gateways::Refusal::Malformed)
        ),
        "{read:?}"
    );
}

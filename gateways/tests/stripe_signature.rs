//! Stripe's signature, by the vector of `gateways.md` and by everything that can be wrong with it.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod signer;

use boxoffice_gateways::stripe::StripeDoor;
use boxoffice_gateways::{AccountConfig, Door, Refusal, SigningSecret};
use signer::{headers, hmac_hex, stripe, unix};

const HEADER: &str = "stripe-signature";
const T: i64 = 1_533_204_620;
const VECTOR: &str =
    "t=1533204620,v1=d7373bc68f4bd320b253cd7461f87af6e1cdf1b4d7db1614d8d1d746972d2d0a";
const BODY: &str = r#"{"account":"acct_123","api_version":"2017-05-25","created":1533204620,"data":{"object":{"amount":1000,"currency":"usd","customer":"cus_123","date":1533204620,"description":"Test Invoice Item","discountable":false,"id":"ii_123","invoice":"in_123","livemode":false,"metadata":{},"object":"invoiceitem","period":{"end":1533204620,"start":1533204620},"proration":false,"quantity":3,"quantity_decimal":"0"}},"id":"evt_123","livemode":false,"object":"event","pending_webhooks":1,"request":{"id":"req_123","idempotency_key":"idempotency-key-123"},"type":"invoiceitem.created"}"#;

fn door(secrets: Vec<SigningSecret>) -> StripeDoor {
    let mut config = AccountConfig::new("stripe", SigningSecret::new(""));
    config.secrets = secrets;
    StripeDoor::new(&config)
}

fn told(value: &str) -> Result<(), Refusal> {
    door(vec![SigningSecret::new("secret")]).verify(
        &headers(HEADER, &[value.as_bytes()]),
        BODY.as_bytes(),
        unix(T),
    )
}

#[test]
fn the_official_vector_is_accepted_and_read() {
    assert_eq!(BODY.len(), 569);
    assert_eq!(told(VECTOR), Ok(()));
    assert_eq!(stripe("secret", T, BODY.as_bytes()), VECTOR);
    let reading = door(vec![])
        .read(&headers(HEADER, &[]), BODY.as_bytes())
        .only()
        .unwrap();
    assert_eq!(
        (reading.event_id.as_str(), reading.kind.as_str()),
        ("evt_123", "invoiceitem.created")
    );
    assert_eq!(reading.occurred_at, Some(unix(T)));
}

#[test]
fn every_flipped_bit_of_body_signature_and_time_is_noticed() {
    let door = door(vec![SigningSecret::new("secret")]);
    let good = headers(HEADER, &[VECTOR.as_bytes()]);
    for place in 0..BODY.len() * 8 {
        let mut body = BODY.as_bytes().to_vec();
        body[place / 8] ^= 1 << (place % 8);
        assert_eq!(
            door.verify(&good, &body, unix(T)),
            Err(Refusal::Mismatch),
            "bit {place}"
        );
    }
    assert_eq!(door.verify(&good, b"", unix(T)), Err(Refusal::Mismatch));
    for place in 2..VECTOR.len() {
        for bit in 0..7 {
            let mut value = VECTOR.as_bytes().to_vec();
            value[place] ^= 1 << bit;
            // `a` and `A` are the same hex digit, and an unprintable header cannot be built.
            let case = VECTOR[..place].contains("v1=")
                && VECTOR.as_bytes()[place].eq_ignore_ascii_case(&value[place]);
            if case || http::HeaderValue::from_bytes(&value).is_err() {
                continue;
            }
            let got = door.verify(&headers(HEADER, &[&value]), BODY.as_bytes(), unix(T));
            assert!(
                got.is_err(),
                "byte {place} bit {bit}: {}",
                String::from_utf8_lossy(&value)
            );
        }
    }
}

#[test]
fn any_v1_may_match_and_broken_or_foreign_ones_are_passed_over() {
    let mac = VECTOR.split("v1=").nth(1).unwrap();
    let zeros = "0".repeat(64);
    for value in [
        format!("t={T},v1={zeros},v1={mac}"),
        format!("t={T},v1={mac},v1={zeros}"),
        format!("t={T},v0={zeros},v1=xyz,v1=,v1={mac}00,v1={mac},v2=future,nonsense"),
        format!("v1={mac},t={T}"),
        format!("t={T}, v1={mac}"),
        format!("t={T},v1={}", mac.to_uppercase()),
    ] {
        assert_eq!(told(&value), Ok(()), "{value}");
    }
    assert_eq!(told(&format!("t={T},v0={mac}")), Err(Refusal::Malformed));
    assert_eq!(
        told(&format!("t={T},v1={},v1={}", &mac[..62], "g".repeat(64))),
        Err(Refusal::Mismatch)
    );
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let mac = VECTOR.split("v1=").nth(1).unwrap();
    let door = door(vec![SigningSecret::new("secret")]);
    let verify = |values: &[&[u8]]| door.verify(&headers(HEADER, values), BODY.as_bytes(), unix(T));
    assert_eq!(verify(&[]), Err(Refusal::Missing));
    assert_eq!(verify(&[b""]), Err(Refusal::Missing));
    assert_eq!(
        verify(&[VECTOR.as_bytes(), VECTOR.as_bytes()]),
        Err(Refusal::Malformed)
    );
    assert_eq!(verify(&[b"garbage"]), Err(Refusal::Malformed));
    assert_eq!(verify(&[b"\xff\xfe\xfd"]), Err(Refusal::Malformed));
    assert_eq!(
        verify(&[format!("{VECTOR},{}", "x".repeat(5_000)).as_bytes()]),
        Err(Refusal::Malformed)
    );
    let time = |t: &str| verify(&[format!("t={t},v1={mac}").as_bytes()]);
    for t in [
        "",
        "-1",
        "+1533204620",
        " ",
        "1e9",
        "0x5",
        "99999999999999999999999",
        "9223372036854775808",
    ] {
        assert_eq!(time(t), Err(Refusal::Malformed), "{t:?}");
    }
    assert_eq!(
        verify(&[format!("t={T},t={T},v1={mac}").as_bytes()]),
        Err(Refusal::Malformed)
    );
    assert_eq!(
        verify(&[format!("v1={mac}").as_bytes()]),
        Err(Refusal::Malformed)
    );
}

#[test]
fn the_tolerance_holds_both_ways_to_the_second() {
    let door = door(vec![SigningSecret::new("secret")]);
    let sent = headers(HEADER, &[VECTOR.as_bytes()]);
    let at = |second| door.verify(&sent, BODY.as_bytes(), unix(T + second));
    assert_eq!(at(300), Ok(()));
    assert_eq!(at(301), Err(Refusal::Stale));
    assert_eq!(at(-300), Ok(()));
    assert_eq!(at(-301), Err(Refusal::Future));
    for (t, refusal) in [(0, Refusal::Stale), (i64::MAX, Refusal::Future)] {
        let value = stripe("secret", t, BODY.as_bytes());
        let got = door.verify(
            &headers(HEADER, &[value.as_bytes()]),
            BODY.as_bytes(),
            unix(T),
        );
        assert_eq!(got, Err(refusal));
    }
}

#[test]
fn secrets_rotate_and_retire_as_of_the_time_of_receipt() {
    let door = door(vec![
        SigningSecret::new("new"),
        SigningSecret::new("old").until(unix(T + 100)),
        SigningSecret::new("older").until(unix(T - 100)),
    ]);
    let verify = |secret: &str, at| {
        let value = stripe(secret, at, b"{}");
        door.verify(&headers(HEADER, &[value.as_bytes()]), b"{}", unix(at))
    };
    assert_eq!(verify("new", T), Ok(()));
    assert_eq!(verify("old", T), Ok(()));
    assert_eq!(verify("old", T + 100), Ok(()));
    assert_eq!(verify("old", T + 101), Err(Refusal::RetiredSecret));
    assert_eq!(verify("older", T), Err(Refusal::RetiredSecret));
    assert_eq!(verify("stranger", T), Err(Refusal::Mismatch));
    // Rolling: Stripe signs with both at once.
    let t = T.to_string();
    let both = format!(
        "t={t},v1={},v1={}",
        hmac_hex("older", &[t.as_bytes(), b".{}"]),
        hmac_hex("new", &[t.as_bytes(), b".{}"])
    );
    assert_eq!(
        door.verify(&headers(HEADER, &[both.as_bytes()]), b"{}", unix(T)),
        Ok(())
    );
}

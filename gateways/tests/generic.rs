//! The generic scheme: vector, headers, body.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod signer;

use boxoffice_gateways::generic::GenericDoor;
use boxoffice_gateways::{AccountConfig, Door, Refusal, SigningSecret, Unreadable};
use boxoffice_saga::fact::{Fact, PaymentState, Reading, Reference, RefundState};
use boxoffice_saga::identity::{BookingId, ShowId};
use signer::{headers, hmac_hex, unix};

const HEADER: &str = "x-hub-signature-256";
const SECRET: &str = "It's a Secret to Everybody";
const VECTOR: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn door() -> GenericDoor {
    GenericDoor::new(&AccountConfig::new(
        "generic",
        SigningSecret::new(SECRET).until(unix(1_000)),
    ))
}

fn verify(values: &[&[u8]], at: i64) -> Result<(), Refusal> {
    door().verify(&headers(HEADER, values), b"Hello, World!", unix(at))
}

fn read(body: &str) -> Result<Reading, Unreadable> {
    door().read(&http::HeaderMap::new(), body.as_bytes()).only()
}

#[test]
fn the_vector_is_accepted_and_nothing_near_it() {
    assert_eq!(
        format!("sha256={}", hmac_hex(SECRET, &[b"Hello, World!"])),
        VECTOR
    );
    assert_eq!(verify(&[VECTOR.as_bytes()], 0), Ok(()));
    assert_eq!(verify(&[VECTOR.as_bytes()], 1_000), Ok(()));
    assert_eq!(
        verify(&[VECTOR.as_bytes()], 1_001),
        Err(Refusal::RetiredSecret)
    );
    for place in 7..VECTOR.len() {
        let mut value = VECTOR.as_bytes().to_vec();
        value[place] = if value[place] == b'0' { b'1' } else { b'0' };
        assert_eq!(verify(&[&value], 0), Err(Refusal::Mismatch), "{place}");
    }
    assert_eq!(
        door().verify(
            &headers(HEADER, &[VECTOR.as_bytes()]),
            b"Hello, World?",
            unix(0)
        ),
        Err(Refusal::Mismatch)
    );
}

#[test]
fn headers_that_cannot_be_are_refused() {
    assert_eq!(verify(&[], 0), Err(Refusal::Missing));
    assert_eq!(verify(&[b""], 0), Err(Refusal::Missing));
    let twice = [VECTOR.as_bytes(), VECTOR.as_bytes()];
    assert_eq!(verify(&twice, 0), Err(Refusal::Malformed));
    let bare = &VECTOR.as_bytes()[7..];
    for value in [
        bare,
        &VECTOR.as_bytes()[..70],
        b"sha256=",
        b"sha1=00",
        b"\xff\xff",
        &[b'x'; 9_000],
    ] {
        assert_eq!(verify(&[value], 0), Err(Refusal::Malformed));
    }
}

#[test]
fn the_body_is_read_as_documented() {
    let booking = BookingId::pack(1, ShowId::try_from(9_u64).unwrap(), 2);
    let body = format!(
        r#"{{"id":"e-1","type":"payment.succeeded","payment_id":"p-1","booking_id":"{booking}","amount":{{"minor":45000,"currency":"INR"}},"more":1}}"#
    );
    let reading = read(&body).unwrap();
    assert_eq!(
        (reading.event_id.as_str(), reading.kind.as_str()),
        ("e-1", "payment.succeeded")
    );
    let Fact::Payment(fact) = reading.fact else {
        panic!()
    };
    assert_eq!(
        (fact.state, fact.amount.minor),
        (PaymentState::Captured, 45_000)
    );
    assert_eq!(
        fact.reference,
        Reference::Booking {
            booking,
            payment: None
        }
    );
    let Fact::Payment(fact) = read(&body.replace("succeeded", "failed")).unwrap().fact else {
        panic!()
    };
    assert_eq!(fact.state, PaymentState::Failed);

    let Fact::Refund(fact) = read(&body.replace("payment.succeeded", "refund.succeeded"))
        .unwrap()
        .fact
    else {
        panic!()
    };
    assert_eq!(
        (fact.state, fact.gateway_refund_id.as_str()),
        (RefundState::Succeeded, "p-1:refund:45000")
    );
    let named = body
        .replace("payment.succeeded", "refund.failed")
        .replace(r#""more""#, r#""refund_id":"r-1","more""#);
    let Fact::Refund(fact) = read(&named).unwrap().fact else {
        panic!()
    };
    assert_eq!(
        (fact.state, fact.gateway_refund_id.as_str()),
        (RefundState::Failed, "r-1")
    );

    assert_eq!(
        read(r#"{"type":"something.else"}"#).unwrap().fact,
        Fact::Nothing
    );
    for (from, to) in [
        (r#""minor":45000"#, r#""minor":9223372036854775808"#),
        (r#""minor":45000"#, r#""minor":-1"#),
        (r#""minor":45000"#, r#""minor":450.0"#),
        (r#""payment_id":"p-1","#, ""),
        (r#""payment_id":"p-1""#, r#""payment_id":"p 1""#),
        (r#""id":"e-1""#, r#""id":"e-1","id":"e-2""#),
        (r#""id":"e-1""#, r#""id":5"#),
        ("\"INR\"", "\"RUPEES\""),
    ] {
        assert!(read(&body.replacen(from, to, 1)).is_err(), "{to}");
    }
    assert!(read(&"[".repeat(10 << 20)).is_err());
}

#[test]
fn without_an_id_the_body_is_the_id() {
    let body = r#"{"type":"x"}"#;
    let id = read(body).unwrap().event_id;
    assert_eq!(
        id,
        hex::encode(<sha2::Sha256 as sha2::Digest>::digest(body.as_bytes()))
    );
    assert_ne!(read(r#"{"type":"x" }"#).unwrap().event_id, id);
}

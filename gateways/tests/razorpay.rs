//! Razorpay's door: vector, headers, events.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod signer;

use boxoffice_gateways::razorpay::RazorpayDoor;
use boxoffice_gateways::{
    AccountConfig, Door, EventIds, Gateways, Refusal, SigningSecret, Unreadable,
};
use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reading, Reference, RefundState};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::DisputeStanding;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};
use signer::{headers, hmac_hex, unix};

const HEADER: &str = "x-razorpay-signature";
const EVENT_ID: &str = "x-razorpay-event-id";
const SECRET: &str = "123456";
const BODY: &[u8] = br#"{"a":1,"b":2,"c":{"d":3}}"#;
const VECTOR: &str = "2fe04e22977002e6c7cb553adab8b460cb9e2a4970d5953cb27a8472752e3bbc";

fn door() -> RazorpayDoor {
    let mut config = AccountConfig::new("razorpay", SigningSecret::new("the new one"));
    config
        .secrets
        .push(SigningSecret::new(SECRET).until(unix(1_000)));
    RazorpayDoor::new(&config)
}

fn verify(values: &[&[u8]], at: i64) -> Result<(), Refusal> {
    door().verify(&headers(HEADER, values), BODY, unix(at))
}

fn read(body: &Value) -> Result<Reading, Unreadable> {
    let event = headers(EVENT_ID, &[b"evt_1"]);
    let read = door().read(&event, body.to_string().as_bytes());
    read.only()
}

fn booking() -> BookingId {
    BookingId::pack(1_700_000_000_000, ShowId::try_from(7_u64).unwrap(), 1)
}

fn attempt() -> PaymentId {
    "00000000-0000-0000-0000-000000000009".parse().unwrap()
}

fn notes() -> Value {
    json!({ "booking_id": booking().to_string(), "payment_id": attempt().to_string() })
}

fn payment(status: &str, notes: &Value) -> Value {
    json!({
        "id": "pay_1", "entity": "payment", "amount": 45_000, "currency": "INR", "status": status,
        "order_id": "order_1", "captured": matches!(status, "captured" | "refunded"),
        "notes": notes, "error_code": null, "error_reason": null, "created_at": 1_691_735_700,
        "email": "a@example.com", "contact": "+919999999999", "card": { "last4": "1111" },
    })
}

fn event(kind: &str, entities: &[(&str, Value)]) -> Value {
    let payload: serde_json::Map<_, _> = entities
        .iter()
        .map(|(name, entity)| ((*name).to_owned(), json!({ "entity": entity })))
        .collect();
    json!({
        "entity": "event", "account_id": "acc_BFQ7uQEaa7j2z7", "event": kind,
        "contains": entities.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "payload": payload, "created_at": 1_691_735_748,
    })
}

fn fact(event: &Value) -> PaymentFact {
    match read(event).unwrap().fact {
        Fact::Payment(fact) => fact,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_vector_is_accepted_and_nothing_near_it() {
    assert_eq!(hmac_hex(SECRET, &[BODY]), VECTOR);
    assert_eq!(verify(&[VECTOR.as_bytes()], 1_000), Ok(()));
    // What Razorpay sends again stays signed with the old secret, until that has its end.
    assert_eq!(
        verify(&[VECTOR.as_bytes()], 1_001),
        Err(Refusal::RetiredSecret)
    );
    for place in 0..VECTOR.len() {
        let mut value = VECTOR.as_bytes().to_vec();
        value[place] = if value[place] == b'0' { b'1' } else { b'0' };
        assert_eq!(verify(&[&value], 0), Err(Refusal::Mismatch), "{place}");
    }
    let signed = headers(HEADER, &[VECTOR.as_bytes()]);
    assert_eq!(
        door().verify(&signed, b"{}", unix(0)),
        Err(Refusal::Mismatch)
    );
    assert_eq!(verify(&[], 0), Err(Refusal::Missing));
    assert_eq!(verify(&[b""], 0), Err(Refusal::Missing));
    assert_eq!(
        verify(&[VECTOR.as_bytes(), VECTOR.as_bytes()], 0),
        Err(Refusal::Malformed)
    );
    assert_eq!(verify(&[b"not hexadecimal"], 0), Err(Refusal::Malformed));
    let prefixed = format!("sha256={VECTOR}");
    assert_eq!(verify(&[prefixed.as_bytes()], 0), Err(Refusal::Malformed));
}

#[test]
fn the_event_id_stands_in_a_header_that_nobody_signs() {
    assert_eq!(door().event_ids(), EventIds::Unsigned);
    let body = event(
        "payment.captured",
        &[("payment", payment("captured", &notes()))],
    );
    assert_eq!(read(&body).unwrap().event_id, "evt_1");
    let id = |headers: &HeaderMap| {
        let read = door().read(headers, body.to_string().as_bytes());
        read.only().unwrap().event_id
    };
    let hash = id(&HeaderMap::new());
    assert_eq!(hash.len(), 64);
    // Which of two would be it? Neither; nor one that no row could hold.
    assert_eq!(id(&headers(EVENT_ID, &[b"evt_1", b"evt_2"])), hash);
    assert_eq!(id(&headers(EVENT_ID, &[&[0xff, b'1']])), hash);
}

#[test]
fn payments_are_read_with_their_order() {
    for (kind, status, state) in [
        ("payment.authorized", "authorized", PaymentState::Authorised),
        ("payment.captured", "captured", PaymentState::Captured),
        ("payment.captured", "refunded", PaymentState::Captured),
        ("payment.failed", "failed", PaymentState::Failed),
    ] {
        let fact = fact(&event(kind, &[("payment", payment(status, &notes()))]));
        assert_eq!(fact.state, state, "{kind}");
        assert_eq!(fact.gateway_payment_id, "pay_1");
        assert_eq!(fact.opened_as.as_deref(), Some("order_1"));
        assert_eq!(fact.amount, Money::new(45_000, "INR".parse().unwrap()));
        let ours = Reference::Booking {
            booking: booking(),
            payment: Some(attempt()),
        };
        assert_eq!(fact.reference, ours);
        assert!(!fact.live);
    }
}

#[test]
fn notes_may_be_an_empty_list_and_the_order_says_whose_it_is() {
    let bare = payment("captured", &json!([]));
    let captured = event("payment.captured", &[("payment", bare.clone())]);
    assert_eq!(fact(&captured).reference, Reference::Absent);
    let order = json!({
        "id": "order_1", "entity": "order", "amount": 45_000, "amount_paid": 45_000, "currency": "INR",
        "status": "paid", "receipt": null, "notes": notes(),
    });
    let paid = fact(&event("order.paid", &[("payment", bare), ("order", order)]));
    assert_eq!(paid.state, PaymentState::Captured);
    assert_eq!(paid.gateway_payment_id, "pay_1");
    assert!(
        matches!(paid.reference, Reference::Booking { booking: found, .. } if found == booking())
    );
}

#[test]
fn amounts_are_whole_numbers_of_the_smallest_unit() {
    let with = |amount: Value, currency: &str| {
        let mut payment = payment("captured", &notes());
        payment["amount"] = amount;
        payment["currency"] = currency.into();
        read(&event("payment.captured", &[("payment", payment)]))
    };
    for (minor, currency) in [(500, "JPY"), (295_990, "KWD"), (1, "INR")] {
        match with(minor.into(), currency).unwrap().fact {
            Fact::Payment(fact) => {
                assert_eq!(fact.amount, Money::new(minor, currency.parse().unwrap()));
            }
            other => panic!("{other:?}"),
        }
    }
    for amount in [
        json!(-1),
        json!(450.0),
        json!("450"),
        json!(9_223_372_036_854_775_808_u64),
    ] {
        assert!(with(amount.clone(), "INR").is_err(), "{amount}");
    }
    assert!(with(1.into(), "RUPEES").is_err());
}

#[test]
fn a_captured_payment_that_says_otherwise_goes_to_a_person() {
    let odd = event(
        "payment.captured",
        &[("payment", payment("authorized", &notes()))],
    );
    assert!(matches!(read(&odd), Err(Unreadable::Value { .. })));
    assert!(read(&event("payment.captured", &[])).is_err());
    assert!(read(&json!({ "event": "payment.captured" })).is_err());
}

#[test]
fn refunds_stand_as_they_say() {
    let ours = RefundId::of(attempt(), 1);
    let refund = |status: &str| {
        json!({
            "id": "rfnd_1", "entity": "refund", "amount": 500, "currency": "INR", "payment_id": "pay_1",
            "notes": {
                "booking_id": booking().to_string(), "refund_id": ours.to_string(), "generation": "2",
            },
            "receipt": null, "status": status, "speed_processed": "normal",
        })
    };
    for (kind, status, state) in [
        ("refund.created", "pending", RefundState::Pending),
        ("refund.created", "processed", RefundState::Succeeded),
        ("refund.processed", "processed", RefundState::Succeeded),
        ("refund.failed", "failed", RefundState::Failed),
        ("refund.created", "something new", RefundState::Pending),
    ] {
        let told = event(
            kind,
            &[
                ("refund", refund(status)),
                ("payment", payment("refunded", &json!([]))),
            ],
        );
        match read(&told).unwrap().fact {
            Fact::Refund(fact) => {
                assert_eq!(fact.state, state, "{kind} {status}");
                assert_eq!((fact.refund, fact.generation), (Some(ours), Some(2)));
                assert_eq!(fact.gateway_payment_id, "pay_1");
            }
            other => panic!("{other:?}"),
        }
    }
    // Razorpay gives back by itself what nobody captured in time: none of our money moves.
    for captured in [json!(false), json!(0)] {
        let mut never = payment("refunded", &json!([]));
        never["captured"] = captured;
        let told = event(
            "refund.processed",
            &[("refund", refund("processed")), ("payment", never)],
        );
        assert_eq!(read(&told).unwrap().fact, Fact::Nothing);
    }
}

#[test]
fn disputes_are_lost_only_when_they_are_lost() {
    for (kind, status, standing) in [
        ("payment.dispute.created", "open", DisputeStanding::Opened),
        (
            "payment.dispute.under_review",
            "under_review",
            DisputeStanding::Opened,
        ),
        ("payment.dispute.won", "won", DisputeStanding::Won),
        ("payment.dispute.closed", "closed", DisputeStanding::Won),
        ("payment.dispute.lost", "lost", DisputeStanding::Lost),
    ] {
        let dispute = json!({
            "id": "disp_1", "payment_id": "pay_1", "amount": 45_000, "currency": "INR", "status": status,
            "phase": "chargeback", "reason_code": "fraud",
        });
        match read(&event(kind, &[("dispute", dispute)])).unwrap().fact {
            Fact::Dispute(fact) => assert_eq!(fact.standing, standing, "{kind}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_kinds_are_nothing_whatever_is_in_them() {
    for kind in [
        "subscription.charged",
        "settlement.processed",
        "payment.downtime.started",
        "tomorrow",
    ] {
        let told = json!({ "event": kind, "payload": [[[{}]]], "created_at": "never" });
        let reading = read(&told).unwrap();
        assert_eq!((reading.fact, reading.kind.as_str()), (Fact::Nothing, kind));
    }
}

#[test]
fn the_key_must_be_of_the_configured_mode() {
    let configured = |live: bool, user: Option<&str>| {
        let mut config = AccountConfig::new("razorpay", SigningSecret::new(SECRET));
        config.live = live;
        config.api = Some(boxoffice_gateways::ApiConfig {
            base_url: "https://api.razorpay.com".into(),
            merchant: None,
            client_version: None,
            user: user.map(str::to_owned),
            api_key: "secret".into(),
            timeout_ms: 1_000,
        });
        Gateways::new(vec![config], vec![]).map(drop)
    };
    assert_eq!(configured(false, Some("rzp_test_1")), Ok(()));
    assert_eq!(configured(true, Some("rzp_live_1")), Ok(()));
    for (live, user) in [(true, "rzp_test_1"), (false, "rzp_live_1"), (true, "acc_1")] {
        let error = configured(live, Some(user)).unwrap_err();
        assert!(error.what.contains("api.user"), "{error}");
    }
    assert!(configured(false, None).is_err());
}

proptest! {
    #[test]
    fn nothing_panics_on_any_event(
        kind in prop_oneof![
            Just("payment.captured"), Just("order.paid"), Just("refund.created"), Just("payment.dispute.lost"),
        ],
        entity in "[a-z]{0,8}", text in ".{0,80}", number in any::<i64>(),
    ) {
        let odd = json!({
            "event": kind,
            "payload": {
                "payment": { "entity": {
                    "id": text, "amount": number, "currency": entity, "status": "captured", "notes": text,
                    "order_id": entity, "captured": number,
                } },
                "refund": { "entity": text }, "dispute": { "entity": { "id": number } },
            },
        });
        let _ = read(&odd);
        let _ = door().read(&HeaderMap::new(), text.as_bytes());
    }
}

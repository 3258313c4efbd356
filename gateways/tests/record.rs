//! The Kafka record and our own signed facts: written, read back, verified again, and not to be forged.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod signer;

use boxoffice_gateways::record::UNREADABLE;
use boxoffice_gateways::{
    AccountConfig, EventIds, GatewayAccount, Gateways, RecordError, Refusal, ReverifyError,
    SignError, SigningSecret, Source, Unreadable, WebhookRecord, kafka_key,
};
use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::money::Money;
use bytes::Bytes;
use signer::{headers, stripe, unix};
use time::{Duration, OffsetDateTime, UtcOffset};

const T: i64 = 1_700_000_000;

fn account() -> GatewayAccount {
    GatewayAccount::new("stripe", "default")
}

fn gateways() -> Gateways {
    let stripe = AccountConfig::new("stripe", SigningSecret::new("secret").until(unix(T + 10)));
    let generic = AccountConfig::new("generic", SigningSecret::new("other"));
    let facts = vec![
        SigningSecret::new("gone").until(unix(T - 1)),
        SigningSecret::new("facts"),
    ];
    Gateways::new(vec![stripe, generic], facts).unwrap()
}

fn received(gateways: &Gateways, body: &str, at: OffsetDateTime) -> WebhookRecord {
    let mut sent = headers(
        "stripe-signature",
        &[stripe("secret", T, body.as_bytes()).as_bytes()],
    );
    sent.insert("user-agent", http::HeaderValue::from_static("Stripe/1.0"));
    let door = gateways.door(&account()).unwrap();
    let reading = door.read(&sent, body.as_bytes()).only();
    let body = Bytes::copy_from_slice(body.as_bytes());
    WebhookRecord::received(account(), door, &sent, body, (0, &reading), at).0
}

fn there_and_back(record: &WebhookRecord) -> WebhookRecord {
    let written = record.to_headers();
    let parts = written
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()));
    WebhookRecord::from_parts(parts, record.body.clone()).unwrap()
}

#[test]
fn a_record_comes_back_as_it_was_and_verifies_again_as_of_then() {
    let gateways = gateways();
    let at = (unix(T) + Duration::nanoseconds(123_456_789))
        .to_offset(UtcOffset::from_hms(5, 30, 0).unwrap());
    let record = received(&gateways, r#"{"id":"evt_1","type":"ping"}"#, at).with_traceparent(Some(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
    ));
    let written = record.to_headers();
    let names: Vec<&str> = written.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "gateway",
            "account",
            "source",
            "event_id",
            "kind",
            "received_at",
            "sig-stripe-signature",
            "traceparent"
        ]
    );
    assert_eq!(written[5].1, b"2023-11-14T22:13:20.123456Z");
    let back = there_and_back(&record);
    assert_eq!(back, record);
    // Years later, on our clock; what counts is the record's.
    assert_eq!(gateways.reverify(&back).unwrap().event_id, "evt_1");

    let round = received(&gateways, r#"{"id":"evt_1","type":"ping"}"#, unix(T));
    assert_eq!(round.to_headers()[5].1, b"2023-11-14T22:13:20.000000Z");
    assert_eq!(there_and_back(&round), round);
}

#[test]
fn what_was_changed_in_the_topic_is_noticed() {
    let gateways = gateways();
    let good = received(&gateways, r#"{"id":"evt_1","type":"ping"}"#, unix(T));
    let refused = |change: &dyn Fn(&mut WebhookRecord)| {
        let mut record = good.clone();
        change(&mut record);
        gateways.reverify(&record).unwrap_err()
    };
    let mismatch = ReverifyError::Refused(Refusal::Mismatch);
    assert_eq!(
        refused(&|r| r.body = Bytes::from_static(br#"{"id":"evt_2","type":"ping"}"#)),
        mismatch
    );
    assert_eq!(
        refused(&|r| r.headers.clear()),
        ReverifyError::Refused(Refusal::Missing)
    );
    assert_eq!(
        refused(&|r| r.received_at += Duration::hours(1)),
        ReverifyError::Refused(Refusal::RetiredSecret)
    );
    assert_eq!(
        refused(&|r| r.source = Source::Fetched),
        ReverifyError::Refused(Refusal::Missing)
    );
    assert_eq!(
        refused(&|r| r.account.gateway = "generic".into()),
        ReverifyError::Refused(Refusal::Missing)
    );
    assert_eq!(
        refused(&|r| r.account.account = "eu".into()),
        ReverifyError::UnknownAccount
    );
    assert_eq!(
        refused(&|r| r.event_id = "evt_9".into()),
        ReverifyError::Tampered { what: "event_id" }
    );
}

#[test]
fn an_unreadable_webhook_is_kept_and_stays_unreadable_until_a_parser_is_corrected() {
    let gateways = gateways();
    let door = gateways.door(&account()).unwrap();
    let keep = |body: &'static [u8]| {
        let sent = headers("stripe-signature", &[stripe("secret", T, body).as_bytes()]);
        let unreadable = Err(Unreadable::Value { what: "the body" });
        let body = Bytes::from_static(body);
        WebhookRecord::received(account(), door, &sent, body, (0, &unreadable), unix(T)).0
    };
    let record = keep(b"[]");
    assert_eq!(record.kind, UNREADABLE);
    assert!(matches!(
        gateways.reverify(&there_and_back(&record)),
        Err(ReverifyError::Unreadable(_))
    ));
    let record = keep(br#"{"id":"evt_1","type":"ping"}"#);
    assert_eq!(gateways.reverify(&record).unwrap().event_id, "evt_1");
}

#[test]
fn a_record_that_is_none_of_ours_says_what_is_wrong() {
    let record = received(&gateways(), r#"{"id":"evt_1","type":"ping"}"#, unix(T));
    let written = record.to_headers();
    let parse = |headers: &[(String, Vec<u8>)]| {
        let parts = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        WebhookRecord::from_parts(parts, record.body.clone())
    };
    for (place, name) in [
        "gateway",
        "account",
        "source",
        "event_id",
        "kind",
        "received_at",
    ]
    .into_iter()
    .enumerate()
    {
        let mut without = written.clone();
        without.remove(place);
        assert_eq!(parse(&without), Err(RecordError::Absent(name)));
        let mut twice = written.clone();
        twice.push(written[place].clone());
        assert_eq!(parse(&twice), Err(RecordError::Twice(name)));
        let mut broken = written.clone();
        broken[place].1 = vec![0xff];
        assert_eq!(parse(&broken), Err(RecordError::Broken(name)));
    }
    let mut more = written.clone();
    more.push(("ce_id".into(), vec![0xff]));
    assert_eq!(parse(&more).as_ref(), Ok(&record));
    more.push(("sig-bad name".into(), b"x".to_vec()));
    assert_eq!(parse(&more), Err(RecordError::Broken("sig-")));
}

#[test]
fn inbox_keys_tell_sources_and_unsigned_ids_apart() {
    let gateways = gateways();
    let record = received(&gateways, r#"{"id":"evt_1","type":"ping"}"#, unix(T));
    let key = gateways.inbox_key(&record);
    assert_eq!(
        (key.source.as_str(), key.event_id.as_str()),
        ("stripe/default", "evt_1")
    );
    let unsigned = record.inbox_key(EventIds::Unsigned).event_id;
    assert_eq!(unsigned.len(), "evt_1:".len() + 32);
    let mut other = record.clone();
    other.body = Bytes::from_static(b"{}");
    assert_ne!(other.inbox_key(EventIds::Unsigned).event_id, unsigned);
}

fn payment_fact(state: PaymentState) -> PaymentFact {
    let booking = BookingId::pack(1, ShowId::try_from(9_u64).unwrap(), 2);
    PaymentFact {
        account: account(),
        gateway_payment_id: "pi_1".into(),
        opened_as: None,
        reference: Reference::Booking {
            booking,
            payment: None,
        },
        state,
        amount: Money::new(i64::MAX, "INR".parse().unwrap()),
        live: false,
        reason: Some("words \u{1F600}".into()),
    }
}

#[test]
fn a_fetched_fact_goes_the_same_way_as_a_webhook() {
    let gateways = gateways();
    let fact = payment_fact(PaymentState::Captured);
    let record = gateways.facts().payment(fact.clone(), 5, unix(T)).unwrap();
    assert_eq!(
        record.event_id,
        "fetched:pi_1:captured:9223372036854775807:5"
    );
    let back = there_and_back(&record);
    assert_eq!(back, record);
    let reading = gateways.reverify(&back).unwrap();
    assert_eq!(kafka_key(&reading), "9");
    assert_eq!(
        (reading.event_id.as_str(), reading.fact),
        (record.event_id.as_str(), Fact::Payment(fact))
    );
    let key = gateways.inbox_key(&record);
    assert_eq!(key.source, "fetched/stripe/default");
    let open = gateways
        .facts()
        .payment(payment_fact(PaymentState::Open), 0, unix(T))
        .unwrap();
    assert_eq!(open.event_id, "fetched:pi_1:open:0:0");

    let refund = RefundFact {
        account: account(),
        gateway_refund_id: "re_1".into(),
        gateway_payment_id: "pi_1".into(),
        reference: Reference::Absent,
        refund: None,
        generation: None,
        state: RefundState::Failed,
        amount: Money::new(7, "INR".parse().unwrap()),
        live: false,
        reason: None,
    };
    let record = gateways.facts().refund(refund.clone(), unix(T)).unwrap();
    assert_eq!(record.event_id, "fetched:pi_1:re_1:failed:7");
    let reading = gateways.reverify(&record).unwrap();
    assert_eq!(kafka_key(&reading), "pi_1");
    assert_eq!(reading.fact, Fact::Refund(refund));
}

#[test]
fn nobody_else_can_make_a_fact_up() {
    let gateways = gateways();
    let record = gateways
        .facts()
        .payment(payment_fact(PaymentState::Captured), 0, unix(T))
        .unwrap();
    for place in 0..record.body.len() * 8 {
        let mut forged = record.clone();
        let mut body = forged.body.to_vec();
        body[place / 8] ^= 1 << (place % 8);
        forged.body = Bytes::from(body);
        assert_eq!(
            gateways.reverify(&forged),
            Err(ReverifyError::Refused(Refusal::Mismatch))
        );
    }
    let mut elsewhere = record.clone();
    elsewhere.account.gateway = "generic".into();
    assert_eq!(
        gateways.reverify(&elsewhere),
        Err(ReverifyError::Tampered { what: "account" })
    );
    // A gateway's secret signs no facts, and without a secret there are none.
    let strangers = Gateways::new(vec![], vec![SigningSecret::new("secret")]).unwrap();
    assert_eq!(
        strangers.reverify(&record),
        Err(ReverifyError::Refused(Refusal::Mismatch))
    );
    let none = Gateways::default();
    assert_eq!(
        none.reverify(&record),
        Err(ReverifyError::Refused(Refusal::Mismatch))
    );
    let unsigned = none
        .facts()
        .payment(payment_fact(PaymentState::Open), 0, unix(T));
    assert_eq!(unsigned, Err(SignError::NoSecret));
}

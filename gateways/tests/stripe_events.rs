//! Stripe's events: what is read, what is left alone, and what is told apart from both.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

use boxoffice_gateways::stripe::StripeDoor;
use boxoffice_gateways::{AccountConfig, Door, SigningSecret, Unreadable, kafka_key};
use boxoffice_saga::fact::{
    Fact, PaymentFact, PaymentState, Reading, Reference, RefundFact, RefundState,
};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, ShowId};
use boxoffice_saga::money::Money;

fn door() -> StripeDoor {
    StripeDoor::new(&AccountConfig::new("stripe", SigningSecret::new("s")))
}

fn read(body: &str) -> Result<Reading, Unreadable> {
    door().read(&http::HeaderMap::new(), body.as_bytes()).only()
}

fn event(kind: &str, object: &str) -> String {
    format!(
        r#"{{"id":"evt_1","object":"event","type":"{kind}","created":1700000000,"livemode":false,"pending_webhooks":1,"data":{{"object":{object},"previous_attributes":{{"status":"x"}}}}}}"#
    )
}

fn booking() -> BookingId {
    BookingId::pack(1_700_000_000_000, ShowId::try_from(42_u64).unwrap(), 7)
}

fn attempt() -> PaymentId {
    "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap()
}

fn intent(status: &str, extra: &str) -> String {
    format!(
        r#"{{"id":"pi_1","object":"payment_intent","amount":45000,"amount_received":44000,"currency":"inr","status":"{status}","livemode":false,"metadata":{{"other":"x","booking_id":"{}","payment_id":"{}"}}{extra}}}"#,
        booking(),
        attempt().uuid().simple()
    )
}

fn payment(body: &str) -> PaymentFact {
    match read(body).unwrap().fact {
        Fact::Payment(fact) => fact,
        other => panic!("{other:?}"),
    }
}

fn refund(body: &str) -> RefundFact {
    match read(body).unwrap().fact {
        Fact::Refund(fact) => fact,
        other => panic!("{other:?}"),
    }
}

#[test]
fn payment_intents_become_facts_with_what_was_captured() {
    let fact = payment(&event(
        "payment_intent.succeeded",
        &intent("succeeded", r#","new_field":[{}]"#),
    ));
    assert_eq!(fact.state, PaymentState::Captured);
    assert_eq!(fact.amount, Money::new(44_000, "INR".parse().unwrap()));
    assert_eq!(
        fact.reference,
        Reference::Booking {
            booking: booking(),
            payment: Some(attempt())
        }
    );
    assert_eq!(
        (fact.gateway_payment_id.as_str(), fact.live),
        ("pi_1", false)
    );

    let failed = intent(
        "requires_payment_method",
        r#","last_payment_error":{"code":"card_declined","decline_code":"insufficient_funds","message":"x"}"#,
    );
    let fact = payment(&event("payment_intent.payment_failed", &failed));
    assert_eq!(
        (fact.state, fact.amount.minor),
        (PaymentState::Failed, 45_000)
    );
    assert_eq!(fact.reason.as_deref(), Some("insufficient_funds"));

    let cancelled = intent(
        "canceled",
        r#","cancellation_reason":"abandoned","last_payment_error":null"#,
    );
    let fact = payment(&event("payment_intent.canceled", &cancelled));
    assert_eq!(
        (fact.state, fact.reason.as_deref()),
        (PaymentState::Cancelled, Some("abandoned"))
    );
    let fact = payment(&event(
        "payment_intent.processing",
        &intent("processing", ""),
    ));
    assert_eq!(fact.state, PaymentState::Processing);
    let fact = payment(&event(
        "payment_intent.amount_capturable_updated",
        &intent("requires_capture", ""),
    ));
    assert_eq!(fact.state, PaymentState::Authorised);
    let partly = read(&event(
        "payment_intent.amount_capturable_updated",
        &intent("succeeded", ""),
    ))
    .unwrap();
    assert_eq!(partly.fact, Fact::Nothing);
}

#[test]
fn whose_it_is_stands_in_the_metadata_whatever_its_shape() {
    let with = |metadata: &str| {
        let object = format!(
            r#"{{"id":"pi_1","amount":1,"amount_received":1,"currency":"inr","status":"succeeded","metadata":{metadata}}}"#
        );
        payment(&event("payment_intent.succeeded", &object))
    };
    for absent in [
        "null",
        "{}",
        "[]",
        r#"{"booking_id":null}"#,
        r#"{"a":{"b":[1,{"booking_id":"x"}]}}"#,
    ] {
        assert_eq!(with(absent).reference, Reference::Absent, "{absent}");
    }
    let malformed = |metadata: &str| match with(metadata).reference {
        Reference::Malformed { found } => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(malformed(r#"{"booking_id":"ORDER-7"}"#), "ORDER-7");
    assert_eq!(malformed(r#"{"booking_id":""}"#), "");
    assert_eq!(malformed(r#"{"booking_id":"a\u0000b"}"#), "a\u{fffd}b");
    assert_eq!(malformed(r#"{"booking_id":7}"#), "(not a text)");
    assert_eq!(malformed(r#"{"booking_id":{"x":1}}"#), "(not a text)");
    assert_eq!(
        malformed(r#"{"booking_id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#).len(),
        36
    );
    assert_eq!(
        malformed(&format!(r#"{{"booking_id":"{}"}}"#, "é".repeat(500)))
            .chars()
            .count(),
        64
    );
    let no_attempt = format!(
        r#"{{"booking_id":"{}","payment_id":"nonsense"}}"#,
        booking()
    );
    assert_eq!(
        with(&no_attempt).reference,
        Reference::Booking {
            booking: booking(),
            payment: None
        }
    );
}

#[test]
fn refunds_become_facts_with_or_without_our_name_on_them() {
    let ours: RefundId = RefundId::of(attempt(), 1);
    let object = |status: &str, extra: &str| {
        format!(
            r#"{{"id":"re_1","object":"refund","amount":44000,"currency":"inr","charge":"ch_1","payment_intent":"pi_1","status":{status}{extra}}}"#
        )
    };
    let fact = refund(&event(
        "refund.created",
        &object(r#""pending""#, r#","pending_reason":"insufficient_funds""#),
    ));
    assert_eq!(
        (fact.state, fact.reason.as_deref()),
        (RefundState::Pending, Some("insufficient_funds"))
    );
    assert_eq!(
        (fact.reference.clone(), fact.refund),
        (Reference::Absent, None)
    );
    assert_eq!(fact.gateway_payment_id, "pi_1");

    let metadata = format!(
        r#","metadata":{{"booking_id":"{}","refund_id":"{ours}"}}"#,
        booking()
    );
    let fact = refund(&event(
        "refund.updated",
        &object(r#""succeeded""#, &metadata),
    ));
    assert_eq!(
        (fact.state, fact.refund),
        (RefundState::Succeeded, Some(ours))
    );

    let fact = refund(&event(
        "refund.failed",
        &object(r#""failed""#, r#","failure_reason":"lost_or_stolen_card""#),
    ));
    assert_eq!(
        (fact.state, fact.reason.as_deref()),
        (RefundState::Failed, Some("lost_or_stolen_card"))
    );
    assert_eq!(
        refund(&event("refund.updated", &object(r#""canceled""#, ""))).state,
        RefundState::Failed
    );
    assert_eq!(
        refund(&event("refund.updated", &object("null", ""))).state,
        RefundState::Pending
    );
    assert_eq!(
        refund(&event("refund.updated", &object(r#""from_tomorrow""#, ""))).state,
        RefundState::Pending
    );

    let expanded = object(r#""succeeded""#, "")
        .replace(r#""pi_1""#, r#"{"id":"pi_9","object":"payment_intent"}"#);
    assert_eq!(
        refund(&event("refund.updated", &expanded)).gateway_payment_id,
        "pi_9"
    );
    let foreign = object(r#""succeeded""#, "").replace(r#""pi_1""#, "null");
    assert_eq!(
        read(&event("refund.updated", &foreign)).unwrap().fact,
        Fact::Nothing
    );
}

#[test]
fn a_paid_session_with_our_reference_is_a_payment() {
    let session = |status: &str, booking: &str| {
        event(
            "checkout.session.completed",
            &format!(
                r#"{{"id":"cs_1","payment_intent":"pi_1","payment_status":"{status}","amount_total":5,"currency":"inr","metadata":{{{booking}}}}}"#
            ),
        )
    };
    let ours = format!(r#""booking_id":"{}""#, booking());
    let fact = payment(&session("paid", &ours));
    assert_eq!((fact.state, fact.amount.minor), (PaymentState::Captured, 5));
    assert_eq!(read(&session("unpaid", &ours)).unwrap().fact, Fact::Nothing);
    assert_eq!(read(&session("paid", "")).unwrap().fact, Fact::Nothing);
}

fn dispute(status: &str) -> String {
    format!(
        r#"{{"id":"dp_1","object":"dispute","amount":700,"currency":"inr","charge":"ch_1","payment_intent":"pi_1","reason":"fraudulent","status":"{status}","metadata":{{}},"livemode":false}}"#
    )
}

#[test]
fn a_dispute_is_opened_won_or_lost_and_an_inquiry_moves_no_money() {
    use boxoffice_saga::payment::DisputeStanding::{Lost, Opened, Won};
    for (status, standing) in [
        ("needs_response", Some(Opened)),
        ("under_review", Some(Opened)),
        ("a status from tomorrow", Some(Opened)),
        ("won", Some(Won)),
        ("lost", Some(Lost)),
        ("warning_needs_response", None),
        ("warning_closed", None),
    ] {
        for kind in [
            "charge.dispute.created",
            "charge.dispute.updated",
            "charge.dispute.closed",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.funds_reinstated",
        ] {
            let fact = read(&event(kind, &dispute(status))).unwrap().fact;
            match (fact, standing) {
                (Fact::Nothing, None) => {}
                (Fact::Dispute(fact), Some(standing)) => {
                    assert_eq!(fact.standing, standing, "{status}");
                    assert_eq!(fact.gateway_dispute_id, "dp_1");
                    assert_eq!(fact.gateway_payment_id, "pi_1");
                    assert_eq!(fact.amount.minor, 700);
                    assert_eq!(fact.reason.as_deref(), Some("fraudulent"));
                    assert_eq!(fact.reference, Reference::Absent);
                }
                (fact, _) => panic!("{kind} {status}: {fact:?}"),
            }
        }
    }
    let other_mode = dispute("lost").replace(r#""livemode":false"#, r#""livemode":true"#);
    assert!(read(&event("charge.dispute.closed", &other_mode)).is_err());
}

#[test]
fn what_is_of_no_interest_is_still_told_by_kind() {
    for kind in [
        "charge.refunded",
        "charge.succeeded",
        "charge.refund.updated",
        "payment_intent.created",
        "x",
    ] {
        for object in [
            "null",
            "7",
            r#"{"amount":9223372036854775808}"#,
            &format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)),
        ] {
            let reading = read(&event(kind, object)).unwrap();
            assert_eq!((reading.kind.as_str(), reading.fact), (kind, Fact::Nothing));
        }
    }
    let thin = r#"{"id":"evt_2","object":"v2.core.event","type":"v1.billing.meter","created":"2026-01-02T03:04:05.678Z","related_object":{"id":"x"},"livemode":true}"#;
    let reading = read(thin).unwrap();
    assert_eq!(reading.fact, Fact::Nothing);
    assert!(reading.occurred_at.is_some());
    let odd = r#"{"id":"evt_2","type":"payment_intent.succeeded\u0000\n","created":1.5e300,"object":null}"#;
    assert_eq!(
        read(odd).unwrap().kind,
        "payment_intent.succeeded\u{fffd}\u{fffd}"
    );
}

#[test]
fn what_cannot_be_is_unreadable_and_never_a_panic() {
    let good = event("payment_intent.succeeded", &intent("succeeded", ""));
    assert!(read(&good).is_ok());
    for (from, to) in [
        (
            r#""amount_received":44000"#,
            r#""amount_received":9223372036854775808"#,
        ),
        (r#""amount_received":44000"#, r#""amount_received":-1"#),
        (r#""amount_received":44000"#, r#""amount_received":440.00"#),
        (r#""amount_received":44000"#, r#""amount_received":null"#),
        (r#""amount_received":44000"#, r#""amount_received":"44000""#),
        (r#""currency":"inr""#, r#""currency":"rupees""#),
        (r#""status":"succeeded""#, r#""status":"processing""#),
        (r#""id":"pi_1""#, r#""id":"pi_1","id":"pi_2""#),
        (r#""id":"pi_1""#, r#""id":"pi\u00001""#),
        (r#""id":"pi_1""#, r#""id":"""#),
        (r#""id":"evt_1""#, r#""id":7"#),
        (r#""id":"evt_1""#, r#""id":"a b""#),
        (r#""id":"evt_1","#, ""),
        (r#""type":"#, r#""type":"x","type":"#),
        (r#""booking_id":"#, r#""booking_id":"x","booking_id":"#),
        (r#""currency":"inr""#, r#""currency":"\ud800""#),
    ] {
        assert!(good.contains(from), "{from}");
        let body = good.replace(from, to);
        assert!(
            matches!(
                read(&body),
                Err(Unreadable::Shape { .. } | Unreadable::Value { .. })
            ),
            "{to}: {:?}",
            read(&body)
        );
    }
    let live = good.replace(
        r#""created":1700000000,"livemode":false"#,
        r#""created":1700000000,"livemode":true"#,
    );
    assert_eq!(read(&live), Err(Unreadable::WrongMode { live: true }));
    assert!(read(&event("payment_intent.succeeded", "null")).is_err());
    assert!(read(r#"{"id":"evt_1","type":"payment_intent.succeeded","data":null}"#).is_err());
    for body in [
        &b""[..],
        b"null",
        b"[]",
        b"\"\"",
        b"{",
        b"\xff\xfe",
        b"{\"id\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
    ] {
        assert!(door().read(&http::HeaderMap::new(), body).only().is_err());
    }
}

#[test]
fn ten_megabytes_of_brackets_are_a_clean_error_wherever_they_stand() {
    let brackets = "[".repeat(10 << 20);
    assert!(read(&brackets).is_err());
    assert!(read(&event("payment_intent.succeeded", &brackets)).is_err());
    let closed = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    assert!(read(&event("payment_intent.succeeded", &closed)).is_err());
    // In a field that nobody reads they are merely skipped.
    let beside = intent("succeeded", &format!(r#","x":{closed}"#));
    assert!(read(&event("payment_intent.succeeded", &beside)).is_ok());
    let deep = intent("succeeded", "").replace(r#""other":"x""#, &format!(r#""other":{closed}"#));
    assert!(read(&event("payment_intent.succeeded", &deep)).is_ok());
    let in_ours = intent("succeeded", "").replace(
        r#""booking_id":""#,
        &format!(r#""booking_id":{closed},"x":""#),
    );
    assert!(!matches!(
        read(&event("payment_intent.succeeded", &in_ours)).map(|reading| reading.fact),
        Ok(Fact::Payment(PaymentFact {
            opened_as: None,
            reference: Reference::Booking { .. } | Reference::Absent,
            ..
        }))
    ));
}

#[test]
fn the_kafka_key_is_the_show_else_the_payment_else_the_event() {
    let key = |body: &str| kafka_key(&read(body).unwrap());
    let ours = event("payment_intent.succeeded", &intent("succeeded", ""));
    assert_eq!(key(&ours), "42");
    assert_eq!(key(&ours.replace("booking_id", "basket_id")), "pi_1");
    assert_eq!(key(&ours.replace(&booking().to_string(), "what")), "pi_1");
    assert_eq!(key(&event("charge.succeeded", "{}")), "evt_1");
    assert_eq!(
        key(&event("charge.dispute.created", &dispute("lost"))),
        "pi_1"
    );
}

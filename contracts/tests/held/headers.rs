//! `schemas/headers/`: headers as the code writes them fit their schemas, with none that a schema does not
//! name; and each one that a schema names is written by somebody.

use std::collections::BTreeSet;

use boxoffice_consumer_turns::letter;
use boxoffice_contracts::Schemas;
use boxoffice_contracts::schemas::closed;
use boxoffice_gateways::{
    AccountConfig, FactSigner, GatewayAccount, Gateways, Item, SigningSecret, Unreadable,
    WebhookRecord,
};
use boxoffice_producers::Envelope;
use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::event::{Event, EventBody};
use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reading, Reference};
use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::world::World;
use boxoffice_stream::{Assignment, Partition, Record, Run};
use boxoffice_turn::Appends;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::macros::datetime;

type Headers = Vec<(String, Vec<u8>)>;

const NOW: OffsetDateTime = datetime!(2026-02-03 04:05:06.789012 UTC);
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A booking of show 42.
pub fn booking() -> BookingId {
    let show = ShowId::try_from(42_u64).expect("a show");
    BookingId::pack(1_700_000_000_000, show, 99)
}

/// The headers as a reader that takes them for text sees them.
fn as_text(headers: &Headers) -> Value {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
    let headers: Map<_, _> = headers
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    Value::Object(headers)
}

/// Checks `written` against the schema of `topic`, and gives back its names.
fn fit(topic: &str, written: &Headers) -> BTreeSet<String> {
    let schemas = Schemas::in_tree().expect("the schemas");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&closed(&schemas.0[&format!("headers/{topic}")]))
        .expect("a schema");
    let text = as_text(written);
    if let Err(error) = validator.validate(&text) {
        panic!("{topic}: {text}: {error}");
    }
    written.iter().map(|(name, _)| name.clone()).collect()
}

/// The headers that the schema of `topic` names.
fn named(topic: &str) -> BTreeSet<String> {
    let schemas = Schemas::in_tree().expect("the schemas");
    let properties = schemas.0[&format!("headers/{topic}")]["properties"].as_object();
    properties.expect("headers").keys().cloned().collect()
}

/// An event of [`booking`].
pub fn event() -> Event {
    Event {
        booking_id: booking(),
        show_id: booking().show(),
        sequence: 3,
        at: NOW,
        body: EventBody::HoldExpiring { expires_at: NOW },
    }
}

fn of_an_event(trace: Option<&str>) -> Headers {
    let envelope = Envelope {
        traceparent: trace.map(str::to_owned),
        ..Envelope::from(&event())
    };
    let headers = envelope.headers().expect("headers");
    headers
        .into_iter()
        .map(|(name, value)| (name.into_owned(), value))
        .collect()
}

#[test]
fn of_booking_events() {
    let written = fit("bookings.events.v1", &of_an_event(Some(TRACE)));
    assert_eq!(written, named("bookings.events.v1"));
    fit("bookings.events.v1", &of_an_event(None));
}

/// A record of every door, and of our own asking.
fn webhooks() -> Vec<WebhookRecord> {
    let secret = || SigningSecret::new("a secret of thirty-two characters");
    let configs = ["stripe", "generic"].map(|name| AccountConfig::new(name, secret()));
    let gateways = Gateways::new(configs.to_vec(), vec![secret()]).expect("gateways");
    let mut sent = HeaderMap::new();
    for name in ["stripe-signature", "x-hub-signature-256", "user-agent"] {
        sent.insert(name, HeaderValue::from_static("t=1,v1=00"));
    }
    let reading = Reading {
        event_id: "evt_1".to_owned(),
        kind: "ping".to_owned(),
        fact: Fact::Nothing,
        occurred_at: None,
    };
    let mut records = Vec::new();
    for account in gateways.names() {
        let door = gateways.door(account).expect("a door");
        let body = Bytes::from_static(b"{}");
        let record = |item: u32, read: &Item| {
            let (name, body) = (account.clone(), body.clone());
            WebhookRecord::received(name, door, &sent, body, (item, read), NOW).0
        };
        records.push(record(0, &Ok(reading.clone())).with_traceparent(Some(TRACE.to_owned())));
        records.push(record(0, &Err(Unreadable::Value { what: "the amount" })));
        records.push(record(12, &Ok(reading.clone())));
    }
    let fact = PaymentFact {
        account: GatewayAccount::new("stripe", "default"),
        gateway_payment_id: "pi_1".to_owned(),
        opened_as: None,
        reference: Reference::Booking {
            booking: booking(),
            payment: None,
        },
        state: PaymentState::Captured,
        amount: Money::new(90_000, "INR".parse().expect("a currency")),
        live: false,
        reason: None,
    };
    let fetched = FactSigner::new(vec![secret()]).payment(fact, 0, NOW);
    records.push(fetched.expect("a record"));
    records
}

#[test]
fn of_webhooks() {
    let written: BTreeSet<String> = webhooks()
        .iter()
        .flat_map(|record| {
            let written = fit("payments.webhooks.v1", &record.to_headers());
            assert!(
                written.iter().any(|name| name.starts_with("sig-")),
                "the signature is among them: {written:?}"
            );
            written
        })
        .filter(|name| !name.starts_with("sig-"))
        .collect();
    assert_eq!(written, named("payments.webhooks.v1"));
}

#[test]
fn of_dead_letters() {
    for consumer in [
        boxoffice_coordinator::CONSUMER,
        boxoffice_refunds::CONSUMER,
        boxoffice_notifications::CONSUMER,
    ] {
        let (had, payload) = (of_an_event(None), b"what nobody can read");
        let record = Record::new(7, None, Some(b"42"), &had, payload);
        let place = Partition::new("bookings.events.v1", 3);
        let run = Run::new(place, Assignment::new(1), 1, None, vec![record.clone()])
            .expect("a run of one record");
        let (mut world, mut appends) = (World::new(NOW), Appends::default());
        letter(
            consumer,
            AttentionKind::DeadLetter,
            &run,
            &record,
            "it is no JSON",
            &mut world,
            &mut appends,
        );
        let [sent] = appends.outgoing.as_slice() else {
            panic!("one record is sent: {:?}", appends.outgoing);
        };
        assert_eq!(sent.topic, consumer.dead_letters);
        assert_eq!(
            (sent.key.as_bytes(), &*sent.payload),
            (&b"42"[..], &payload[..])
        );
        let headers = sent.headers.as_deref().expect("headers of its own");
        let (own, added) = headers.split_at(had.len());
        assert_eq!(own, had, "it keeps what it had");
        assert_eq!(fit("dead-letters", &added.to_vec()), named("dead-letters"));
    }
}

//! `docs/asyncapi.json`: sound by the official schema, and as the code has it: topics, settings, keys, headers,
//! events. What headers hold is the matter of [`crate::headers`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use boxoffice_contracts::{Python, Schemas};
use boxoffice_gateways::kafka_key;
use boxoffice_producers::topics::{
    self, BOOKINGS_EVENTS, COORDINATOR_DLQ, NOTIFICATIONS_DLQ, PAYMENTS_WEBHOOKS, REFUNDS_DLQ,
};
use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reading, Reference};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::money::Money;
use boxoffice_turn::Outgoing;
use serde_json::{Map, Value, json};

use crate::headers::{booking, event};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn document() -> Value {
    let text = std::fs::read_to_string(docs().join("asyncapi.json")).expect("the document");
    serde_json::from_str(&text).expect("JSON")
}

fn members<'a>(document: &'a Value, pointer: &str) -> &'a Map<String, Value> {
    let members = document.pointer(pointer).and_then(Value::as_object);
    members.unwrap_or_else(|| panic!("nothing at {pointer}"))
}

/// The names of the messages of a channel.
fn messages(document: &Value, topic: &str) -> BTreeSet<String> {
    let pointer = format!("/channels/{topic}/messages");
    members(document, &pointer).keys().cloned().collect()
}

#[test]
fn the_document_is_sound_by_the_official_schema() {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let packages = Python::ready(tools)
        .and_then(|python| python.npm_packages(tools))
        .unwrap_or_else(|error| panic!("{error:#}"));
    let official = packages.join("@asyncapi/specs/schemas/3.0.0.json");
    let official = std::fs::read_to_string(official).expect("the official schema");
    let official: Value = serde_json::from_str(&official).expect("JSON");
    let validator = jsonschema::draft7::new(&official).expect("a schema");
    let complaints = |document: &Value| -> Vec<String> {
        validator
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    };
    assert_eq!(complaints(&document()), [""; 0]);

    // And it would complain.
    let mut wrong = document();
    wrong["channels"][BOOKINGS_EVENTS]["bindings"]["kafka"]["partitions"] = json!("twelve");
    assert!(!complaints(&wrong).is_empty());
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let exists = match reference.strip_prefix('#') {
            Some(pointer) => document.pointer(pointer).is_some(),
            None => docs().join(reference).is_file(),
        };
        assert!(exists, "{reference} leads nowhere");
    }
}

#[test]
fn the_channels_are_the_topics_as_they_are_created() {
    let document = document();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let channels: BTreeSet<&str> = members(&document, "/channels")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        channels,
        topics::ALL.iter().map(|topic| topic.name).collect()
    );
    for topic in topics::ALL {
        let channel = &document["channels"][topic.name];
        assert_eq!(channel["address"], topic.name);
        let kafka = &channel["bindings"]["kafka"];
        assert_eq!(kafka["topic"], topic.name);
        assert_eq!(kafka["partitions"], topics::DEFAULT_PARTITIONS);
        let settings = &kafka["topicConfiguration"];
        assert_eq!(settings["cleanup.policy"], json!(["delete"]));
        assert_eq!(settings["retention.ms"], topic.retention_ms);
        assert_eq!(settings["max.message.bytes"], topic.max_message_bytes);
        let writers = members(&document, "/operations")
            .values()
            .filter(|operation| {
                operation["action"] == "send"
                    && operation["channel"]["$ref"] == format!("#/channels/{}", topic.name)
            });
        assert_eq!(
            writers.count(),
            1,
            "{} has one operation that writes it",
            topic.name
        );
    }
}

#[test]
fn every_event_is_a_message_with_its_schema_and_nothing_else_is() {
    let document = document();
    let schemas = Schemas::in_tree().expect("the schemas");
    let events = schemas.of(BOOKINGS_EVENTS);
    let names: BTreeSet<String> = events.keys().map(|&name| name.to_owned()).collect();
    assert_eq!(messages(&document, BOOKINGS_EVENTS), names);
    for (name, schema) in events {
        let message = &document["components"]["messages"][name];
        assert_eq!(message["name"], name);
        assert_eq!(message["summary"], schema["description"]);
        assert_eq!(message["contentType"], "application/json");
        let payload = format!("../schemas/{BOOKINGS_EVENTS}/{name}.json");
        assert_eq!(message["payload"]["schema"]["$ref"], payload);
    }
    let of_no_channel: Vec<_> = members(&document, "/components/messages")
        .keys()
        .filter(|name| {
            !topics::ALL
                .iter()
                .any(|topic| messages(&document, topic.name).contains(*name))
        })
        .collect();
    assert_eq!(of_no_channel, [""; 0]);
}

#[test]
fn every_message_has_the_headers_of_its_topic() {
    let document = document();
    let schemas: BTreeMap<&str, &str> = [
        (PAYMENTS_WEBHOOKS, "payments.webhooks.v1"),
        (BOOKINGS_EVENTS, "bookings.events.v1"),
        (COORDINATOR_DLQ, "dead-letters"),
        (REFUNDS_DLQ, "dead-letters"),
        (NOTIFICATIONS_DLQ, "dead-letters"),
    ]
    .into();
    for topic in topics::ALL {
        let schema = format!("../schemas/headers/{}.json", schemas[topic.name]);
        for name in messages(&document, topic.name) {
            let message = &document["components"]["messages"][&name];
            assert_eq!(message["headers"]["schema"]["$ref"], schema, "{name}");
        }
    }
}

#[test]
fn keys_are_what_is_said_of_them() {
    let document = document();
    let fits = |message: &str, key: &str| {
        let said = &document["components"]["messages"][message]["bindings"]["kafka"]["key"];
        let validator = jsonschema::validator_for(said).expect("a schema");
        assert!(validator.is_valid(&json!(key)), "{message}: {key}");
    };
    let show = booking().show().to_string();
    let sent = Outgoing::event(&event()).expect("JSON");
    assert_eq!(sent.key, show);
    for name in messages(&document, BOOKINGS_EVENTS) {
        fits(&name, &sent.key);
    }

    let fact = |reference| PaymentFact {
        account: GatewayAccount::new("stripe", "default"),
        gateway_payment_id: "pi_1".to_owned(),
        opened_as: None,
        reference,
        state: PaymentState::Captured,
        amount: Money::new(90_000, "INR".parse().expect("a currency")),
        live: false,
        reason: None,
    };
    let ours = Reference::Booking {
        booking: booking(),
        payment: None,
    };
    for (fact, key) in [
        (Fact::Payment(fact(ours)), show.as_str()),
        (Fact::Payment(fact(Reference::Absent)), "pi_1"),
        (Fact::Nothing, "evt_1"),
    ] {
        let reading = Reading {
            event_id: "evt_1".to_owned(),
            kind: "ping".to_owned(),
            fact,
            occurred_at: None,
        };
        assert_eq!(kafka_key(&reading), key);
        fits("Webhook", key);
    }
}

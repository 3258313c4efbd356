//! Anything at all, thrown at doors and records: never a panic, never accepted.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod signer;

use boxoffice_gateways::{AccountConfig, GatewayAccount, Gateways, SigningSecret, WebhookRecord};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use signer::{headers, hmac_hex, stripe, unix};

const T: i64 = 1_700_000_000;

fn gateways() -> Gateways {
    let account = |name| AccountConfig::new(name, SigningSecret::new("secret"));
    Gateways::new(
        vec![account("stripe"), account("generic")],
        vec![SigningSecret::new("facts")],
    )
    .unwrap()
}

/// A header value of the right shape, of nearly the right shape, or of none.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "t=[0-9]{0,22}(,v[01]=[0-9a-f]{0,66}){0,4}".prop_map(String::into_bytes),
        "(sha256|v1)=[0-9a-f]{64}".prop_map(String::into_bytes),
        "t=1700000000,v1=[0-9a-f]{64}".prop_map(String::into_bytes),
    ]
}

/// JSON that is nearly an event.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| serde_json::to_string(&n).unwrap()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("\"succeeded\"".to_owned()),
        Just("\"payment_intent.succeeded\"".to_owned()),
        Just("\"refund.updated\"".to_owned()),
        Just("\"payment.succeeded\"".to_owned()),
        Just("\"inr\"".to_owned()),
    ];
    let key = proptest::sample::select(vec![
        "id",
        "type",
        "data",
        "object",
        "amount",
        "amount_received",
        "currency",
        "status",
        "metadata",
        "booking_id",
        "payment_intent",
        "payment_id",
        "minor",
        "created",
        "livemode",
        "event_id",
        "kind",
        "fact",
        "about",
    ]);
    let json = leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((key.clone(), inner), 0..8).prop_map(|fields| {
                let fields: Vec<String> = fields
                    .into_iter()
                    .map(|(k, v)| format!("\"{k}\":{v}"))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    });
    prop_oneof![
        json.prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..300)
    ]
}

fn header_map(name: &'static str, values: &[Vec<u8>]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for value in values {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            map.append(HeaderName::from_static(name), value);
        }
    }
    map
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_unsigned_is_accepted(
        values in proptest::collection::vec(value(), 0..3),
        body in body(),
        at in -1_000_000_i64..4_000_000_000,
    ) {
        let gateways = gateways();
        for name in ["stripe", "generic"] {
            let door = gateways.door(&GatewayAccount::new(name, "default")).unwrap();
            let sent = header_map(door.kept_headers()[0], &values);
            prop_assert!(door.verify(&sent, &body, unix(at)).is_err());
        }
        use boxoffice_gateways::Door;
        let door = gateways.facts();
        prop_assert!(door.verify(&header_map(door.kept_headers()[0], &values), &body, unix(at)).is_err());
    }

    #[test]
    fn whatever_is_genuine_is_accepted_and_read_without_a_panic(body in body(), off in -300_i64..=300) {
        let gateways = gateways();
        for (name, header, value) in [
            ("stripe", "stripe-signature", stripe("secret", T, &body)),
            ("generic", "x-hub-signature-256", format!("sha256={}", hmac_hex("secret", &[&body]))),
        ] {
            let account = GatewayAccount::new(name, "default");
            let door = gateways.door(&account).unwrap();
            let sent = headers(header, &[value.as_bytes()]);
            prop_assert_eq!(door.verify(&sent, &body, unix(T + off)), Ok(()));
            let bytes = Bytes::copy_from_slice(&body);
            // What is read fits into a record, and the record says the same later.
            let read = door.read(&sent, &body).only();
            let (record, _) =
                WebhookRecord::received(account, door, &sent, bytes, (0, &read), unix(T + off));
            match read {
                Ok(reading) => {
                    let written = record.to_headers();
                    let parts = written.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
                    let back = WebhookRecord::from_parts(parts, record.body.clone()).unwrap();
                    prop_assert_eq!(gateways.reverify(&back), Ok(reading));
                }
                Err(error) => {
                    prop_assert_eq!(
                        gateways.reverify(&record),
                        Err(boxoffice_gateways::ReverifyError::Unreadable(error))
                    );
                }
            }
        }
        use boxoffice_gateways::Door;
        let _ = gateways.facts().read(&HeaderMap::new(), &body);
    }

    #[test]
    fn any_kafka_headers_make_a_record_or_an_error(
        parts in proptest::collection::vec(
            (proptest::sample::select(vec!["gateway", "account", "source", "event_id", "kind", "received_at", "item", "sig-a", "sig- ", "x"]),
             proptest::collection::vec(any::<u8>(), 0..30)),
            0..10,
        ),
    ) {
        let parts = parts.iter().map(|(name, value)| (*name, value.as_slice()));
        if let Ok(record) = WebhookRecord::from_parts(parts, Bytes::new()) {
            prop_assert!(gateways().reverify(&record).is_err());
        }
    }
}

//! What others sign we believe, and what they refuse we refuse: the gateways' own libraries (their verdicts are kept
//! in `vectors/`), the crate `standardwebhooks`, and the vectors that specifications print.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::collections::BTreeMap;

use boxoffice_gateways::{AccountConfig, GatewayAccount, Gateways, Refusal, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

#[derive(Deserialize)]
struct Vector {
    signer: String,
    gateway: String,
    config: Value,
    secret: String,
    at: i64,
    headers: BTreeMap<String, String>,
    body: String,
    accepted: bool,
}

fn vector(gateway: &str, secret: &str, headers: &[(&str, &str)], body: &str) -> Vector {
    Vector {
        signer: "a specification".to_owned(),
        gateway: gateway.to_owned(),
        config: json!({}),
        secret: secret.to_owned(),
        at: 1_614_265_330,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned(),
        accepted: true,
    }
}

fn verdict(vector: &Vector) -> Result<(), Refusal> {
    let mut config = vector.config.clone();
    config["gateway"] = json!(vector.gateway);
    config["secrets"] = json!([vector.secret]);
    let account: AccountConfig = serde_json::from_value(config).unwrap();
    let gateways = Gateways::new(vec![account], vec![]).unwrap_or_else(|error| panic!("{error}"));
    let name = GatewayAccount::new(&vector.gateway, GatewayAccount::DEFAULT);
    let mut headers = HeaderMap::new();
    for (name, value) in &vector.headers {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    let at = OffsetDateTime::from_unix_timestamp(vector.at).unwrap();
    let door = gateways.door(&name).unwrap();
    door.verify(&headers, vector.body.as_bytes(), at)
}

#[test]
fn the_gateways_own_libraries_and_we_agree() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/vectors.json")).unwrap();
    let mut agreed: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    for vector in &vectors {
        if Scheme::of_gateway(&vector.gateway).is_none() {
            continue;
        }
        let ours = verdict(vector);
        let (signer, body) = (&vector.signer, &vector.body);
        assert_eq!(
            ours.is_ok(),
            vector.accepted,
            "{signer}: {ours:?} of {body}"
        );
        agreed.entry(signer).or_default()[usize::from(vector.accepted)] += 1;
    }
    assert!(agreed.len() >= 5, "{agreed:?}");
    assert!(
        agreed.values().flatten().all(|count| *count > 0),
        "{agreed:?}"
    );
}

#[test]
fn the_vectors_of_specifications_are_believed() {
    for vector in [
        // standard-webhooks/standard-webhooks, libraries' tests.
        vector(
            "standard_webhooks",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                ),
            ],
            r#"{"test": 2432232314}"#,
        ),
        // docs.github.com, "Validating webhook deliveries".
        vector(
            "generic",
            "It's a Secret to Everybody",
            &[(
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )],
            "Hello, World!",
        ),
    ] {
        assert_eq!(verdict(&vector), Ok(()), "{}", vector.gateway);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_crate_standardwebhooks_and_we_agree(
        key in proptest::collection::vec(any::<u8>(), 1..80),
        id in "[A-Za-z0-9_.-]{1,40}",
        at in 0_i64..4_000_000_000,
        body in any::<String>(),
        flip in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        use base64::Engine;
        let secret = base64::engine::general_purpose::STANDARD.encode(&key);
        let signer = standardwebhooks::Webhook::new(&format!("whsec_{secret}")).unwrap();
        let signature = signer.sign(&id, at, body.as_bytes()).unwrap();
        let mut received = vector(
            "standard_webhooks",
            &secret,
            &[("webhook-id", &*id), ("webhook-timestamp", &*at.to_string()), ("webhook-signature", &*signature)],
            &body,
        );
        received.at = at;
        prop_assert_eq!(verdict(&received), Ok(()));
        if let Some(flip) = flip {
            let mut letters: Vec<char> = received.body.chars().chain(['.']).collect();
            let place = flip.index(letters.len());
            letters[place] = if letters[place] == 'x' { 'y' } else { 'x' };
            received.body = letters.into_iter().collect();
            prop_assert_eq!(verdict(&received), Err(Refusal::Mismatch));
        }
    }
}

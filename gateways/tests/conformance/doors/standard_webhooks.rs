//! Standard Webhooks, both of its schemes.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;

use super::{generic, hmac_sha256, place};
use crate::door::{Covers, Message, Sent, Tested, booking};

fn sent(message: &Message<'_>, sign: impl Fn(&[u8]) -> String) -> Sent {
    let body = message.body;
    let signed = [format!("{}.{}.", message.id, message.at).as_bytes(), body].concat();
    Sent {
        headers: vec![
            ("webhook-id", message.id.into(), true),
            ("webhook-timestamp", message.at.into(), true),
            ("webhook-signature", sign(&signed).into(), true),
        ],
        body: body.to_vec(),
    }
}

fn row(name: &'static str) -> Tested {
    Tested {
        name,
        config: json!({ "gateway": "standard_webhooks" }),
        secrets: Default::default(),
        sign: |_, _| unreachable!(),
        covers: Covers::All,
        tolerance: Some(300),
        any_case: false,
        amount: place("\"minor\":", 45_000),
        booking: place("\"booking_id\":", format!("\"{}\"", booking())),
        samples: generic::samples(),
    }
}

/// HMAC. One secret with padding and prefix, the other without both, as some senders hand them out.
pub fn symmetric() -> Tested {
    Tested {
        secrets: [
            format!("whsec_{}", STANDARD.encode(b"a key of 25 bytes, padded")),
            STANDARD_NO_PAD.encode(b"another key of 31 bytes, unpadd"),
        ],
        sign: |secret, message| {
            let key = secret.strip_prefix("whsec_").unwrap_or(secret);
            let key = STANDARD_NO_PAD.decode(key.trim_end_matches('=')).unwrap();
            let sign = |signed: &[u8]| STANDARD.encode(hmac_sha256(&key, &[signed]));
            sent(message, |signed| format!("v1,{}", sign(signed)))
        },
        ..row("symmetric")
    }
}

fn keys() -> [SigningKey; 2] {
    [[7; 32], [8; 32]].map(|seed| SigningKey::from_bytes(&seed))
}

fn public(key: &SigningKey) -> String {
    format!("whpk_{}", STANDARD.encode(key.verifying_key().as_bytes()))
}

/// Ed25519.
pub fn asymmetric() -> Tested {
    Tested {
        secrets: keys().map(|key| public(&key)),
        sign: |secret, message| {
            let key = keys()
                .into_iter()
                .find(|key| public(key) == secret)
                .unwrap();
            let sign = |signed: &[u8]| STANDARD.encode(key.sign(signed).to_bytes());
            sent(message, |signed| format!("v1a,{}", sign(signed)))
        },
        ..row("asymmetric")
    }
}

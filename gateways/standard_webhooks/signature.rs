//! `webhook-signature: v1,<base64> v1a,<base64> …` over id, full stop, time, full stop and the raw body. `v1` is
//! HMAC-SHA256, whose key is the secret's base64 without its `whsec_`; `v1a` is Ed25519, whose public key is
//! configured as `whpk_` and base64. Any of them may match; other versions and broken values are passed over.
//! (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md)

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderMap;
use time::OffsetDateTime;

use crate::header;
use crate::mac::{Digest, KeyEncoding, same};
use crate::port::Refusal;
use crate::secrets::{SigningSecret, signed_by_one};
use crate::signed_time::{fresh, seconds};

pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";

/// More signatures than anybody rolls secrets for: each of the asymmetric ones costs us something.
const MOST_SIGNATURES: usize = 16;

/// What a configured secret is.
enum Key {
    Shared(Vec<u8>),
    Public(Box<VerifyingKey>),
}

impl Key {
    fn of(secret: &str) -> Option<Self> {
        if let Some(public) = secret.strip_prefix("whpk_") {
            let bytes = KeyEncoding::Base64.key(public)?.try_into().ok()?;
            return VerifyingKey::from_bytes(&bytes)
                .ok()
                .map(|key| Self::Public(Box::new(key)));
        }
        let shared = secret.strip_prefix("whsec_").unwrap_or(secret);
        let key = KeyEncoding::Base64.key(shared)?;
        (!key.is_empty()).then_some(Self::Shared(key))
    }
}

/// Whether a secret is one that this scheme can use.
///
/// # Errors
/// In words, what it should be.
pub(crate) fn usable(secret: &str) -> Result<(), &'static str> {
    if secret.starts_with("whsk_") {
        return Err(
            "a signing secret is the sender's private key (whsk_): configure the public one (whpk_)",
        );
    }
    match Key::of(secret) {
        Some(_) => Ok(()),
        None => Err(
            "a signing secret is neither `whsec_` and base64, nor `whpk_` and 32 bytes of base64",
        ),
    }
}

enum Offered {
    Shared(Vec<u8>),
    Public(Box<Signature>),
}

pub(super) fn verify(
    secrets: &[SigningSecret],
    tolerance_seconds: u32,
    headers: &HeaderMap,
    body: &[u8],
    at: OffsetDateTime,
) -> Result<(), Refusal> {
    let id = header::only(headers, ID)?;
    let signed_at = header::only(headers, TIMESTAMP)?;
    let seconds = seconds(signed_at).ok_or(Refusal::Malformed)?;
    let offered = parse(header::only(headers, SIGNATURE)?)?;
    let parts = [id, b".", signed_at, b".", body];
    signed_by_one(secrets, at, |secret| signed(secret, &parts, &offered))?;
    fresh(seconds, at, tolerance_seconds)
}

fn signed(secret: &str, parts: &[&[u8]], offered: &[Offered]) -> bool {
    match Key::of(secret) {
        Some(Key::Shared(key)) => Digest::Sha256.hmac(&key, parts).is_some_and(|right| {
            offered
                .iter()
                .any(|each| matches!(each, Offered::Shared(mac) if same(mac, &right)))
        }),
        Some(Key::Public(key)) => {
            let message = parts.concat();
            offered.iter().any(|each| {
                matches!(each, Offered::Public(signature) if key.verify_strict(&message, signature).is_ok())
            })
        }
        None => false,
    }
}

fn parse(value: &[u8]) -> Result<Vec<Offered>, Refusal> {
    let items = || {
        value
            .split(|&byte| byte == b' ')
            .filter(|item| !item.is_empty())
    };
    if items().count() > MOST_SIGNATURES {
        return Err(Refusal::Malformed);
    }
    let offered: Vec<Offered> = items()
        .filter_map(|item| {
            if let Some(mac) = item.strip_prefix(b"v1,") {
                return STANDARD.decode(mac).ok().map(Offered::Shared);
            }
            let signature = STANDARD.decode(item.strip_prefix(b"v1a,")?).ok()?;
            let signature = Signature::from_slice(&signature).ok()?;
            Some(Offered::Public(Box::new(signature)))
        })
        .collect();
    if offered.is_empty() {
        Err(Refusal::Malformed)
    } else {
        Ok(offered)
    }
}

//! Signing secrets: any number per account, each with an optional end, so that they can be rotated while
//! the gateway still signs with the old one.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use time::OffsetDateTime;

use crate::mac::{Digest, same};
use crate::port::Refusal;

/// One secret of one gateway account.
///
/// In configuration either the secret alone, or `{ secret = "…", valid_until = "2026-08-01T00:00:00Z" }`.
/// A retired secret stays configured for as long as the webhook topic is kept: what it signed while it was
/// valid is verified again whenever it is read again.
#[derive(Clone, Debug)]
pub struct SigningSecret {
    /// The secret's text, as the gateway shows it.
    pub secret: SecretString,
    /// The last moment at which a webhook signed with it may have been received. None: no end.
    pub valid_until: Option<OffsetDateTime>,
}

impl SigningSecret {
    /// A secret without an end.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self {
            secret: secret.into(),
            valid_until: None,
        }
    }

    /// The same secret, valid up to and including `moment`.
    #[must_use]
    pub fn until(mut self, moment: OffsetDateTime) -> Self {
        self.valid_until = Some(moment);
        self
    }

    pub(crate) fn valid(&self, at: OffsetDateTime) -> bool {
        self.valid_until.is_none_or(|end| at <= end)
    }
}

/// HMAC-SHA256 over `parts`, one after the other.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Option<[u8; 32]> {
    Digest::Sha256.hmac(key, parts)?.try_into().ok()
}

/// Whether one of `secrets` signed, as of `at`. `signed` says of the text of one whether it did; it must compare in
/// constant time.
pub(crate) fn signed_by_one(
    secrets: &[SigningSecret],
    at: OffsetDateTime,
    signed: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let mut retired = false;
    for secret in secrets {
        if signed(secret.secret.expose_secret()) {
            if secret.valid(at) {
                return Ok(());
            }
            retired = true;
        }
    }
    Err(if retired {
        Refusal::RetiredSecret
    } else {
        Refusal::Mismatch
    })
}

/// Whether one of `secrets` makes one of the `offered` MACs over `parts`, as of `at`. Each comparison takes
/// the same time wherever the first difference is.
pub(crate) fn check(
    secrets: &[SigningSecret],
    parts: &[&[u8]],
    offered: &[[u8; 32]],
    at: OffsetDateTime,
) -> Result<(), Refusal> {
    signed_by_one(secrets, at, |secret| {
        hmac_sha256(secret.as_bytes(), parts)
            .is_some_and(|right| offered.iter().any(|mac| same(mac, &right)))
    })
}

/// A MAC of 64 hex digits, either case. None if it is anything else.
pub(crate) fn mac_from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let mut mac = [0; 32];
    hex::decode_to_slice(text, &mut mac).ok()?;
    Some(mac)
}

impl<'de> Deserialize<'de> for SigningSecret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithEnd {
    secret: SecretString,
    #[serde(default, with = "time::serde::rfc3339::option")]
    valid_until: Option<OffsetDateTime>,
}

struct SecretVisitor;

impl<'de> serde::de::Visitor<'de> for SecretVisitor {
    type Value = SigningSecret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret as text, or { secret, valid_until } with an RFC 3339 time")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SigningSecret, E> {
        Ok(SigningSecret::new(text))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<SigningSecret, A::Error> {
        let WithEnd {
            secret,
            valid_until,
        } = WithEnd::deserialize(MapAccessDeserializer::new(map))?;
        Ok(SigningSecret {
            secret,
            valid_until,
        })
    }
}

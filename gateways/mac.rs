//! Keyed hashes, in the digests and spellings that gateways use.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

/// The hash inside of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Digest {
    /// 32 bytes.
    #[default]
    Sha256,
    /// 64 bytes.
    Sha512,
    /// 20 bytes. Inside of an HMAC it still holds; some older gateways know nothing else.
    Sha1,
}

impl Digest {
    /// The HMAC over `parts`, one after the other.
    pub(crate) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
        match self {
            Self::Sha256 => over(Hmac::<Sha256>::new_from_slice(key).ok()?, parts),
            Self::Sha512 => over(Hmac::<Sha512>::new_from_slice(key).ok()?, parts),
            Self::Sha1 => over(Hmac::<Sha1>::new_from_slice(key).ok()?, parts),
        }
    }
}

// HMAC takes keys of any length, so there is always a result; the type says otherwise.
fn over<M: Mac>(mut mac: M, parts: &[&[u8]]) -> Option<Vec<u8>> {
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().to_vec())
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Two hex digits a byte, either case.
    #[default]
    Hex,
    /// Base64 with its padding.
    Base64,
}

impl Encoding {
    /// The bytes. None for everything that is not exactly of this spelling.
    pub(crate) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
        }
    }
}

/// How a configured secret becomes the key of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyEncoding {
    /// The text's own bytes.
    #[default]
    Text,
    /// The bytes that its hex digits stand for.
    Hex,
    /// The bytes that its base64 stands for, with or without padding.
    Base64,
}

impl KeyEncoding {
    /// The key. None if the secret is not of this spelling.
    pub(crate) fn key(self, secret: &str) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(secret.as_bytes().to_vec()),
            Self::Hex => hex::decode(secret).ok(),
            Self::Base64 => STANDARD_PAD_INDIFFERENT.decode(secret).ok(),
        }
    }
}

/// Whether the two are the same, in a time that tells only whether they are as long.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

//! PhonePe v2: webhooks whose bodies nobody signs, and the API that is asked instead.
//!
//! `Authorization: <hex>` is SHA-256 of `user:password`, the same with every webhook, so it says who was let in once and
//! nothing about the body. What comes is a hint, and no more. The configured secret is `user:password`.
//! (developer.phonepe.com, Webhook Handling)

mod answer;
mod client;
mod events;
mod token;

use http::HeaderMap;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::header;
use crate::mac::same;
use crate::port::{Door, EventIds, Refusal};
use crate::readings::Readings;
use crate::secrets::{SigningSecret, mac_from_hex, signed_by_one};
use crate::speaker::Speaker;

pub use client::PhonePeClient;

const HEADER: &str = "authorization";

/// The door of one PhonePe account.
#[derive(Clone, Debug)]
pub struct PhonePeDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
}

impl PhonePeDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            speaker: Speaker::new(config),
            secrets: config.secrets.clone(),
        }
    }
}

impl Door for PhonePeDoor {
    fn verify(&self, headers: &HeaderMap, _body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        let shown = mac_from_hex(header::only(headers, HEADER)?).ok_or(Refusal::Malformed)?;
        signed_by_one(&self.secrets, at, |secret| {
            same(&shown, &Sha256::digest(secret.as_bytes()))
        })
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        events::read(&self.speaker, body).into()
    }

    /// The password's hash is kept with the bytes, as every signature is: whoever reads the topic can send hints.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[HEADER]
    }

    fn event_ids(&self) -> EventIds {
        EventIds::Unsigned
    }
}

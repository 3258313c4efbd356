//! Mollie: signed webhooks, the older unsigned ones, and its payments.
//!
//! `X-Mollie-Signature: sha256=<hex>`, perhaps several times while a secret is rolled: HMAC-SHA256 over the raw body.
//! The older webhooks are forms with nothing but `id=tr_…`, and nobody signs them: such a one is a hint, after which
//! the gateway is asked. (docs.mollie.com/reference/webhooks-new, …/webhooks; mollie/mollie-api-php SignatureValidator)

mod client;
mod events;

use http::HeaderMap;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::header;
use crate::port::{Door, Refusal};
use crate::readings::Readings;
use crate::secrets::{SigningSecret, check, mac_from_hex};
use crate::speaker::Speaker;

pub use client::MollieClient;

const HEADER: &str = "x-mollie-signature";
/// More signatures than anybody rolls secrets for.
const MOST_SIGNATURES: usize = 8;

/// The door of one Mollie account.
#[derive(Clone, Debug)]
pub struct MollieDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
}

impl MollieDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            speaker: Speaker::new(config),
            secrets: config.secrets.clone(),
        }
    }
}

impl Door for MollieDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        // Which of the two it is, the body says alone: a hint stays one, whatever header stands beside it.
        if events::hinted(body).is_some() {
            return Ok(());
        }
        let macs = header::several(headers, HEADER, MOST_SIGNATURES)?
            .filter_map(|value| value.strip_prefix(b"sha256=").and_then(mac_from_hex))
            .collect::<Vec<_>>();
        if macs.is_empty() {
            return Err(Refusal::Malformed);
        }
        check(&self.secrets, &[body], &macs, at)
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        match events::hinted(body) {
            Some(id) => events::hint(&self.speaker, id),
            None => events::read(&self.speaker, body),
        }
        .into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[HEADER]
    }
}

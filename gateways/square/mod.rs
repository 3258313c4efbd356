//! Square: webhooks only. Payments are opened and returned elsewhere.
//!
//! `x-square-hmacsha256-signature: <base64>`: HMAC-SHA256 over the address that Square posts to and the raw body. The
//! address is the configured `webhook_url`, never what the request says of itself.
//! (developer.squareup.com/docs/webhooks/step3validate)

mod events;

use http::HeaderMap;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::header;
use crate::mac::{Digest, Encoding, same};
use crate::port::{Door, Refusal};
use crate::readings::Readings;
use crate::secrets::{SigningSecret, signed_by_one};
use crate::speaker::Speaker;

const HEADER: &str = "x-square-hmacsha256-signature";

/// The door of one Square account.
#[derive(Clone, Debug)]
pub struct SquareDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
    url: String,
}

impl SquareDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            speaker: Speaker::new(config),
            secrets: config.secrets.clone(),
            url: config.webhook_url.clone().unwrap_or_default(),
        }
    }
}

impl Door for SquareDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        let mac = Encoding::Base64
            .decode(header::only(headers, HEADER)?)
            .ok_or(Refusal::Malformed)?;
        signed_by_one(&self.secrets, at, |secret| {
            Digest::Sha256
                .hmac(secret.as_bytes(), &[self.url.as_bytes(), body])
                .is_some_and(|right| same(&mac, &right))
        })
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        events::read(&self.speaker, body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[HEADER]
    }
}

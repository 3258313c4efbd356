//! Checkout.com: webhooks only. Payments are opened and returned elsewhere.
//!
//! `Cko-Signature: <hex>`: HMAC-SHA256 over the raw body, under the webhook's signature key.
//! (checkout.com/docs/developer-resources/webhooks)

mod events;

use http::HeaderMap;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::header;
use crate::port::{Door, Refusal};
use crate::readings::Readings;
use crate::secrets::{SigningSecret, check, mac_from_hex};
use crate::speaker::Speaker;

const HEADER: &str = "cko-signature";

/// The door of one Checkout.com account.
#[derive(Clone, Debug)]
pub struct CheckoutDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
}

impl CheckoutDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            speaker: Speaker::new(config),
            secrets: config.secrets.clone(),
        }
    }
}

impl Door for CheckoutDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        let mac = mac_from_hex(header::only(headers, HEADER)?).ok_or(Refusal::Malformed)?;
        check(&self.secrets, &[body], &[mac], at)
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        events::read(&self.speaker, body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[HEADER]
    }
}

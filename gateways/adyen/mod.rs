//! Adyen: standard webhooks, payment links and refunds.
//!
//! What we open is a *payment link* (`PL…`); what is paid by it is a *payment* with a PSP reference of its own, which only
//! its webhook tells. Adyen lists neither payments nor refunds. See `docs/decisions/0011-adyen-tells-and-is-not-asked.md`.

mod answer;
mod client;
mod events;
mod item;
mod name;
mod signature;

use boxoffice_saga::identity::GatewayAccount;
use http::HeaderMap;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::port::{Door, Refusal};
use crate::readings::Readings;
use crate::secrets::SigningSecret;

pub use client::AdyenClient;

/// The door of one Adyen merchant account.
///
/// Only some fields of an item are signed: whatever is decided is decided by these.
#[derive(Clone, Debug)]
pub struct AdyenDoor {
    account: GatewayAccount,
    live: bool,
    /// Ours, where it is configured: a webhook of the company account tells of others too.
    merchant: Option<String>,
    secrets: Vec<SigningSecret>,
}

impl AdyenDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            account: config.gateway_account(),
            live: config.live,
            merchant: config.api.as_ref().and_then(|api| api.merchant.clone()),
            secrets: config.secrets.clone(),
        }
    }
}

impl Door for AdyenDoor {
    fn verify(&self, _headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        signature::verify(&self.secrets, body, at)
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        events::read(self, body)
    }

    /// None: the signatures are in the body.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The key that a secret stands for: Adyen shows it as hexadecimal digits.
pub(crate) fn key(secret: &str) -> Option<Vec<u8>> {
    hex::decode(secret).ok().filter(|key| !key.is_empty())
}

//! Stripe: webhooks and payment intents.

mod answer;
mod changes;
mod client;
mod events;
mod objects;
mod signature;

use boxoffice_saga::identity::GatewayAccount;
use http::HeaderMap;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::port::{Door, Refusal};
use crate::readings::Readings;
use crate::secrets::SigningSecret;

pub use client::StripeClient;

/// The door of one Stripe account.
#[derive(Clone, Debug)]
pub struct StripeDoor {
    account: GatewayAccount,
    live: bool,
    secrets: Vec<SigningSecret>,
    tolerance_seconds: u32,
}

impl StripeDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            account: config.gateway_account(),
            live: config.live,
            secrets: config.secrets.clone(),
            tolerance_seconds: config.tolerance_seconds,
        }
    }
}

impl Door for StripeDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        signature::verify(&self.secrets, self.tolerance_seconds, headers, body, at)
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        events::read(&self.account, self.live, body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[signature::HEADER]
    }
}

//! Cashfree: webhooks and orders.
//!
//! What we open is an *order*, under an id of our own making; each try of the customer at it is a *payment* of
//! Cashfree's. A payment is known here as `<order_id>:<cf_payment_id>`, for Cashfree asks for both, and an order that
//! nobody has paid yet by its id alone. Refunds are made under ids of our own, `<order_id>:<refund_id>` here.

mod answer;
mod changes;
mod client;
mod events;
mod name;
mod objects;
mod orders;
mod signature;

use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::CaptureMode;
use http::HeaderMap;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::port::{Door, Refusal};
use crate::readings::Readings;
use crate::secrets::SigningSecret;

pub use client::CashfreeClient;

/// The door of one Cashfree account.
#[derive(Clone, Debug)]
pub struct CashfreeDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
    tolerance_seconds: u32,
}

/// Whose words are read, and what Cashfree does not say in them.
#[derive(Clone, Debug)]
struct Speaker {
    account: GatewayAccount,
    /// Neither webhooks nor answers bear a mode: keys and secrets are of one or of the other.
    live: bool,
    /// Whether a successful payment of which it is not said is taken or only reserved.
    capture: CaptureMode,
}

impl CashfreeDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            speaker: Speaker {
                account: config.gateway_account(),
                live: config.live,
                capture: config.capture,
            },
            secrets: config.secrets.clone(),
            tolerance_seconds: config.tolerance_seconds,
        }
    }
}

impl Door for CashfreeDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        signature::verify(&self.secrets, self.tolerance_seconds, headers, body, at)
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        events::read(&self.speaker, body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[signature::HEADER, signature::TIME]
    }
}

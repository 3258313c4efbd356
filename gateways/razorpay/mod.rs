//! Razorpay: webhooks, orders and payments.
//!
//! Our attempt is an *order* there; each try of the customer's is a *payment* of that order, one of which is captured
//! as a rule. See `docs/decisions/0010-an-order-and-its-payments.md`.

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
use crate::port::{Door, EventIds, Refusal};
use crate::readings::Readings;
use crate::secrets::SigningSecret;

pub use client::RazorpayClient;

/// The door of one Razorpay account.
///
/// Nothing in a webhook says whether it is test or live: the two modes have webhooks, and so secrets, of their own.
#[derive(Clone, Debug)]
pub struct RazorpayDoor {
    account: GatewayAccount,
    live: bool,
    secrets: Vec<SigningSecret>,
}

impl RazorpayDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            account: config.gateway_account(),
            live: config.live,
            secrets: config.secrets.clone(),
        }
    }
}

impl Door for RazorpayDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        signature::verify(&self.secrets, headers, body, at)
    }

    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Readings {
        events::read(&self.account, self.live, headers, body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[signature::HEADER, events::EVENT_ID]
    }

    fn event_ids(&self) -> EventIds {
        EventIds::Unsigned
    }
}

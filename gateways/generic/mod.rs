//! The scheme of home-made senders: `X-Hub-Signature-256` over the raw body, and a small body of our own
//! making. No client: payments are not opened here, and refunds are made by a person.

mod events;
mod signature;

use http::HeaderMap;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::port::{Door, Refusal};
use crate::readings::Readings;
use crate::secrets::SigningSecret;
use crate::speaker::Speaker;

pub(crate) use events::read;

/// The door of one account of this scheme.
#[derive(Clone, Debug)]
pub struct GenericDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
}

impl GenericDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            speaker: Speaker::new(config),
            secrets: config.secrets.clone(),
        }
    }
}

impl Door for GenericDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        signature::verify(&self.secrets, headers, body, at)
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        read(&self.speaker, None, body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[signature::HEADER]
    }
}

//! Standard Webhooks 1.0, as many senders speak it, over our own small body ([`crate::generic`]). No client: payments
//! are not opened here, and refunds are made by a person.

mod signature;

use http::HeaderMap;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::generic;
use crate::header;
use crate::legible;
use crate::port::{Door, Refusal, Unreadable};
use crate::readings::{Item, Readings};
use crate::secrets::SigningSecret;
use crate::speaker::Speaker;

pub(crate) use signature::usable;

/// The door of one account of this scheme.
#[derive(Clone, Debug)]
pub struct StandardDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
    tolerance_seconds: u32,
}

impl StandardDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            speaker: Speaker::new(config),
            secrets: config.secrets.clone(),
            tolerance_seconds: config.tolerance_seconds,
        }
    }

    /// The event's id is the message's, which is signed; one in the body is passed over.
    fn event(&self, headers: &HeaderMap, body: &[u8]) -> Item {
        let what = "the header webhook-id";
        let id = header::only(headers, signature::ID).ok();
        let id = id.and_then(|id| std::str::from_utf8(id).ok());
        let id = id.ok_or(Unreadable::Value { what })?;
        generic::read(&self.speaker, Some(&legible::id(id, what)?), body)
    }
}

impl Door for StandardDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        signature::verify(&self.secrets, self.tolerance_seconds, headers, body, at)
    }

    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Readings {
        self.event(headers, body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[signature::ID, signature::TIMESTAMP, signature::SIGNATURE]
    }
}

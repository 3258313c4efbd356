//! PayU India: forms whose hash stands in the body. Webhooks only.
//!
//! `hash` is SHA-512 over `salt|status||||||udf5|udf4|udf3|udf2|udf1|email|firstname|productinfo|amount|txnid|key`,
//! with `additionalCharges|` before it where that is sent. The configured secret is the salt. What the hash does not
//! cover, PayU's own id of the payment among it, is not read.
//! (docs.payu.in, "Validate the response using hash")

mod form;

use boxoffice_saga::fact::{Fact, PaymentState, Reading};
use http::HeaderMap;
use sha2::{Digest, Sha512};
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::mac::same;
use crate::port::{Door, Refusal, Unreadable};
use crate::readings::{Item, Readings};
use crate::reference::{Loose, Metadata};
use crate::secrets::{SigningSecret, signed_by_one};
use crate::speaker::Speaker;
use crate::{amount, legible};

use form::Form;

/// PayU India takes rupees, and names no currency in what it signs.
const CURRENCY: &str = "INR";
/// A SHA-512 in hex.
const HASH_DIGITS: usize = 128;

/// The door of one PayU India account.
#[derive(Clone, Debug)]
pub struct PayuDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
}

impl PayuDoor {
    /// From what is configured.
    pub fn new(config: &AccountConfig) -> Self {
        Self {
            speaker: Speaker::new(config),
            secrets: config.secrets.clone(),
        }
    }

    fn event(&self, body: &[u8]) -> Item {
        let form = Form::read(body).ok_or(Unreadable::Value {
            what: "a form with a field of two values",
        })?;
        let state = match &*form.status {
            "success" => Some(PaymentState::Captured),
            "failure" => Some(PaymentState::Failed),
            "pending" => Some(PaymentState::Processing),
            _ => None,
        };
        let fact = match state {
            Some(state) => self.payment(&form, state)?,
            None => Fact::Nothing,
        };
        Ok(Reading {
            // One transaction is in each state once.
            event_id: legible::id(&format!("{}:{}", form.txnid, form.status), "txnid")?,
            kind: legible::words(&form.status, 100),
            occurred_at: None,
            fact,
        })
    }

    fn payment(&self, form: &Form<'_>, state: PaymentState) -> Result<Fact, Unreadable> {
        // Whoever chooses their own name could move the borders of the fields that are signed.
        if form.has_borders_in_fields() {
            return Err(Unreadable::Value {
                what: "a field with | in it",
            });
        }
        let metadata = Metadata {
            booking: Loose::Text(form.udf1.clone()).if_ours(),
            payment: Loose::Text(form.udf2.clone()),
            ..Metadata::default()
        };
        let amount = amount::decimal(&form.amount, CURRENCY)?;
        self.speaker
            .payment(&form.txnid, metadata.reference(), state, amount, None)
    }
}

impl Door for PayuDoor {
    fn verify(&self, _headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        let form = Form::read(body).ok_or(Refusal::Malformed)?;
        if form.hash.is_empty() {
            return Err(Refusal::Missing);
        }
        if form.hash.len() != HASH_DIGITS {
            return Err(Refusal::Malformed);
        }
        let shown = hex::decode(form.hash.as_bytes()).map_err(|_| Refusal::Malformed)?;
        signed_by_one(&self.secrets, at, |salt| {
            same(&shown, &Sha512::digest(form.signed(salt).as_bytes()))
        })
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        self.event(body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }
}

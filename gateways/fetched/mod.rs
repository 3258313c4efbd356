//! Facts that we asked a gateway for, signed by ourselves, so that money has one way in: the webhook topic.
//!
//! A verify task or the reconciliation writes such a record through the outbox; the coordinator verifies
//! and reads it like any webhook. The secret is ours alone, so whoever may write the topic cannot make
//! money up.

use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reading, RefundFact, RefundState};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::header;
use crate::port::{Door, Refusal, Unreadable};
use crate::readings::{Item, Readings};
use crate::record::{Source, WebhookRecord, to_micros};
use crate::secrets::{SigningSecret, check, hmac_sha256, mac_from_hex};

/// A gateway must not be called this: the inbox keeps fetched facts apart by it.
pub const RESERVED_NAME: &str = Source::Fetched.name();

/// The header that bears our signature: `v1=` and 64 hex digits, HMAC-SHA256 over `boxoffice fact v1`, a
/// line feed and the body.
pub const SIGNATURE_HEADER: &str = "boxoffice-fact-signature";

/// Keeps this use of the secret apart from any other.
const DOMAIN: &[u8] = b"boxoffice fact v1\n";

#[derive(Serialize)]
struct Writing<'a> {
    event_id: &'a str,
    kind: &'a str,
    fact: &'a Fact,
}

#[derive(Deserialize)]
struct Written {
    event_id: String,
    kind: String,
    fact: Fact,
}

/// Makes signed records of fetched facts.
#[derive(Clone, Debug, Default)]
pub struct FactSigner {
    secrets: Vec<SigningSecret>,
}

impl FactSigner {
    /// Signs with the first of `secrets` that is valid then, and verifies with all of them.
    pub fn new(secrets: Vec<SigningSecret>) -> Self {
        Self { secrets }
    }

    /// The record of a fetched payment. `refunded_minor` is how much of it the gateway has returned, in
    /// minor units (0 where nobody asked): it is part of the event id, so that the same state fetched twice
    /// is one event.
    ///
    /// # Errors
    /// [`SignError`]
    pub fn payment(
        &self,
        fact: PaymentFact,
        refunded_minor: i64,
        at: OffsetDateTime,
    ) -> Result<WebhookRecord, SignError> {
        let captured = if fact.state == PaymentState::Captured {
            fact.amount.minor
        } else {
            0
        };
        let event_id = format!(
            "fetched:{}:{}:{captured}:{refunded_minor}",
            fact.gateway_payment_id,
            payment_state(fact.state)
        );
        self.record(event_id, "fetched.payment", Fact::Payment(fact), at)
    }

    /// The record of a fetched refund. Its event id names payment, refund, state and amount.
    ///
    /// # Errors
    /// [`SignError`]
    pub fn refund(&self, fact: RefundFact, at: OffsetDateTime) -> Result<WebhookRecord, SignError> {
        let event_id = format!(
            "fetched:{}:{}:{}:{}",
            fact.gateway_payment_id,
            fact.gateway_refund_id,
            refund_state(fact.state),
            fact.amount.minor
        );
        self.record(event_id, "fetched.refund", Fact::Refund(fact), at)
    }

    fn record(
        &self,
        event_id: String,
        kind: &'static str,
        fact: Fact,
        at: OffsetDateTime,
    ) -> Result<WebhookRecord, SignError> {
        let secret = self
            .secrets
            .iter()
            .find(|secret| secret.valid(at))
            .ok_or(SignError::NoSecret)?;
        let body = serde_json::to_vec(&Writing {
            event_id: &event_id,
            kind,
            fact: &fact,
        })
        .map_err(|_| SignError::Encode)?;
        let mac = hmac_sha256(secret.secret.expose_secret().as_bytes(), &[DOMAIN, &body])
            .ok_or(SignError::Encode)?;
        let value = HeaderValue::from_str(&format!("v1={}", hex::encode(mac)))
            .map_err(|_| SignError::Encode)?;
        let account = match fact {
            Fact::Payment(fact) => fact.account,
            Fact::Refund(fact) => fact.account,
            Fact::Dispute(fact) => fact.account,
            Fact::Hint(_) | Fact::Nothing => return Err(SignError::Encode),
        };
        Ok(WebhookRecord {
            account,
            source: Source::Fetched,
            item: 0,
            event_id,
            kind: kind.into(),
            received_at: to_micros(at),
            headers: HeaderMap::from_iter([(HeaderName::from_static(SIGNATURE_HEADER), value)]),
            traceparent: None,
            body: Bytes::from(body),
        })
    }
}

impl Door for FactSigner {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        let value = header::only(headers, SIGNATURE_HEADER)?;
        let mac = value
            .strip_prefix(b"v1=")
            .and_then(mac_from_hex)
            .ok_or(Refusal::Malformed)?;
        check(&self.secrets, &[DOMAIN, body], &[mac], at)
    }

    fn read(&self, _headers: &HeaderMap, body: &[u8]) -> Readings {
        read(body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[SIGNATURE_HEADER]
    }
}

fn read(body: &[u8]) -> Item {
    let Written {
        event_id,
        kind,
        fact,
    } = serde_json::from_slice(body).map_err(|error| Unreadable::shape(&error))?;
    Ok(Reading {
        event_id,
        kind,
        occurred_at: None,
        fact,
    })
}

/// Why a fact could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No fact secret is configured that is still valid.
    #[error("no fact secret is configured that is still valid")]
    NoSecret,
    /// It does not fit into the record's form.
    #[error("the fact cannot be written down")]
    Encode,
}

const fn payment_state(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Open => "open",
        PaymentState::Processing => "processing",
        PaymentState::Failed => "failed",
        PaymentState::Authorised => "authorised",
        PaymentState::Cancelled => "cancelled",
        PaymentState::Captured => "captured",
    }
}

const fn refund_state(state: RefundState) -> &'static str {
    match state {
        RefundState::Pending => "pending",
        RefundState::Succeeded => "succeeded",
        RefundState::Failed => "failed",
    }
}

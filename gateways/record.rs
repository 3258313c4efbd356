//! The record of `payments.webhooks.v1`: the exact bytes, and beside them everything that is needed to
//! verify and read them again. Written by the ingress and (through the outbox) by verify tasks, read by
//! the coordinator.
//!
//! | Kafka header | what |
//! |---|---|
//! | `gateway`, `account` | whose webhook it is, by our configuration |
//! | `source` | `webhook`, or `fetched` for a fact that we asked for and signed ourselves |
//! | `item` | which item of the body the record is about, where it is not the first (0): digits |
//! | `event_id`, `kind` | as read from the body; for people and filters, read again before anything is decided |
//! | `received_at` | RFC 3339, UTC, six digits of a second: the time as of which the signature is verified |
//! | `sig-<name>` | each kept HTTP header, by lower-case name, its exact bytes |
//! | `traceparent` | W3C trace context, if there was one |

use boxoffice_saga::fact::{Fact, Reading, Reference};
use boxoffice_saga::identity::GatewayAccount;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::port::{Door, EventIds};
use crate::readings::Item;

/// Before the name of each kept HTTP header.
pub const KEPT_PREFIX: &str = "sig-";

/// Where a record comes from, and so which scheme signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The gateway sent it.
    Webhook,
    /// We asked the gateway, and signed its answer with our own secret.
    Fetched,
}

impl Source {
    /// The name in the Kafka header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Fetched => "fetched",
        }
    }

    /// The source of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Webhook, Self::Fetched]
            .into_iter()
            .find(|source| source.name() == name)
    }
}

/// One record of `payments.webhooks.v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRecord {
    /// Whose webhook it is.
    pub account: GatewayAccount,
    /// Where it comes from.
    pub source: Source,
    /// Which item of the body it is about, from 0. A webhook of several items becomes as many records, each
    /// with the whole body.
    pub item: u32,
    /// The event's id, as read when it was received.
    pub event_id: String,
    /// The gateway's name for the kind of event.
    pub kind: String,
    /// When it was received, to the microsecond, in UTC.
    pub received_at: OffsetDateTime,
    /// The kept HTTP headers.
    pub headers: HeaderMap,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The exact bytes.
    pub body: Bytes,
}

/// What the inbox knows an event by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboxKey {
    /// `gateway/account`; for fetched facts `fetched/gateway/account`, so that no gateway can take their ids.
    pub source: String,
    /// The event's id; where the signature does not cover it, also `:` and 32 hex digits of the body's
    /// SHA-256.
    pub event_id: String,
}

impl WebhookRecord {
    /// The record of an item of a webhook that `door` has verified, and its Kafka key: the one that
    /// [`kafka_key`] gives. `read` is what the door made of the item of that number. Keeps of `headers` what
    /// `door` needs, and of `at` the microseconds.
    ///
    /// Of an item that cannot be read the event id is derived from the body's SHA-256 and the item's number; it
    /// is the key too. The kind is `unreadable`: the coordinator makes an operator item of it, and a later
    /// build may read it.
    pub fn received(
        account: GatewayAccount,
        door: &dyn Door,
        headers: &HeaderMap,
        body: Bytes,
        (item, read): (u32, &Item),
        at: OffsetDateTime,
    ) -> (Self, String) {
        let (event_id, kind, key) = match read {
            Ok(reading) => (
                reading.event_id.clone(),
                reading.kind.clone(),
                kafka_key(reading),
            ),
            Err(_) => {
                let id = unreadable_id(&body, item);
                (id.clone(), UNREADABLE.to_owned(), id)
            }
        };
        let record = Self {
            account,
            source: Source::Webhook,
            item,
            event_id,
            kind,
            received_at: to_micros(at),
            headers: door.keep(headers),
            traceparent: None,
            body,
        };
        (record, key)
    }

    /// The same record with the trace that it belongs to.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: Option<String>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// The Kafka headers, in the order of the table above.
    pub fn to_headers(&self) -> Vec<(String, Vec<u8>)> {
        let mut headers: Vec<(String, Vec<u8>)> = [
            ("gateway", self.account.gateway.as_str()),
            ("account", &self.account.account),
            ("source", self.source.name()),
            ("event_id", &self.event_id),
            ("kind", &self.kind),
            ("received_at", &write_time(self.received_at)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .collect();
        if self.item > 0 {
            headers.push((ITEM.to_owned(), self.item.to_string().into_bytes()));
        }
        for (name, value) in &self.headers {
            headers.push((format!("{KEPT_PREFIX}{name}"), value.as_bytes().to_vec()));
        }
        if let Some(traceparent) = &self.traceparent {
            headers.push(("traceparent".into(), traceparent.as_bytes().to_vec()));
        }
        headers
    }

    /// The record that these Kafka headers and this value are. Headers that are none of ours are ignored.
    ///
    /// # Errors
    /// [`RecordError`]: not written by us, or not whole.
    pub fn from_parts<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        body: Bytes,
    ) -> Result<Self, RecordError> {
        let mut parts = Parts::default();
        for (name, value) in headers {
            match name {
                "gateway" => put(&mut parts.gateway, "gateway", value)?,
                "account" => put(&mut parts.account, "account", value)?,
                "source" => put(&mut parts.source, "source", value)?,
                ITEM => put(&mut parts.item, ITEM, value)?,
                "event_id" => put(&mut parts.event_id, "event_id", value)?,
                "kind" => put(&mut parts.kind, "kind", value)?,
                "received_at" => put(&mut parts.received_at, "received_at", value)?,
                // Whatever is wrong with a trace is no reason to stop money.
                "traceparent" => {
                    parts.traceparent = std::str::from_utf8(value).ok().map(str::to_owned)
                }
                _ => {
                    let Some(name) = name.strip_prefix(KEPT_PREFIX) else {
                        continue;
                    };
                    let bad = || RecordError::Broken(KEPT_PREFIX);
                    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
                    parts
                        .kept
                        .append(name, HeaderValue::from_bytes(value).map_err(|_| bad())?);
                }
            }
        }
        let need = |part: Option<String>, name| part.ok_or(RecordError::Absent(name));
        let received_at = need(parts.received_at, "received_at")?;
        let source = need(parts.source, "source")?;
        Ok(Self {
            account: GatewayAccount::new(
                need(parts.gateway, "gateway")?,
                need(parts.account, "account")?,
            ),
            source: Source::from_name(&source).ok_or(RecordError::Broken("source"))?,
            item: match parts.item {
                None => 0,
                Some(number) => number.parse().map_err(|_| RecordError::Broken(ITEM))?,
            },
            event_id: need(parts.event_id, "event_id")?,
            kind: need(parts.kind, "kind")?,
            received_at: OffsetDateTime::parse(&received_at, &Rfc3339)
                .map_err(|_| RecordError::Broken("received_at"))?
                .to_offset(UtcOffset::UTC),
            headers: parts.kept,
            traceparent: parts.traceparent,
            body,
        })
    }

    /// What the inbox knows this event by, given whether its gateway signs event ids
    /// ([`crate::Gateways::inbox_key`] knows).
    pub fn inbox_key(&self, event_ids: EventIds) -> InboxKey {
        let source = match self.source {
            Source::Webhook => self.account.to_string(),
            Source::Fetched => format!("{}/{}", Source::Fetched.name(), self.account),
        };
        let event_id = match event_ids {
            EventIds::Signed => self.event_id.clone(),
            EventIds::Unsigned => {
                let hash = hex::encode(Sha256::digest(&self.body));
                format!("{}:{}", self.event_id, hash.get(..32).unwrap_or(&hash))
            }
        };
        InboxKey { source, event_id }
    }
}

/// The `kind` of a record that could not be read when it was received.
pub const UNREADABLE: &str = "unreadable";

/// The Kafka header that says which item of the body a record is about.
const ITEM: &str = "item";

pub(crate) fn unreadable_id(body: &[u8], item: u32) -> String {
    let hash = hex::encode(Sha256::digest(body));
    match item {
        0 => format!("{UNREADABLE}:{hash}"),
        _ => format!("{UNREADABLE}:{hash}:{item}"),
    }
}

/// The Kafka key of a reading: the show's number where our booking is named; else the gateway's id of the
/// payment, whose consumer will look the booking up and key it anew; else the event's id.
pub fn kafka_key(reading: &Reading) -> String {
    let (reference, gateway_payment_id) = match &reading.fact {
        Fact::Payment(fact) => (&fact.reference, &fact.gateway_payment_id),
        Fact::Refund(fact) => (&fact.reference, &fact.gateway_payment_id),
        Fact::Dispute(fact) => (&fact.reference, &fact.gateway_payment_id),
        Fact::Hint(fact) => (&fact.reference, &fact.gateway_payment_id),
        Fact::Nothing => return reading.event_id.clone(),
    };
    match reference {
        Reference::Booking { booking, .. } => booking.show().kafka_key(),
        Reference::Absent | Reference::Malformed { .. } => gateway_payment_id.clone(),
    }
}

/// Why a Kafka record is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A header is not there.
    #[error("the header `{0}` is missing")]
    Absent(&'static str),
    /// A header is there twice.
    #[error("the header `{0}` is there twice")]
    Twice(&'static str),
    /// A header's value cannot be.
    #[error("the header `{0}` is broken")]
    Broken(&'static str),
}

#[derive(Default)]
struct Parts {
    gateway: Option<String>,
    account: Option<String>,
    source: Option<String>,
    item: Option<String>,
    event_id: Option<String>,
    kind: Option<String>,
    received_at: Option<String>,
    traceparent: Option<String>,
    kept: HeaderMap,
}

fn put(place: &mut Option<String>, name: &'static str, value: &[u8]) -> Result<(), RecordError> {
    let text = std::str::from_utf8(value).map_err(|_| RecordError::Broken(name))?;
    match place.replace(text.to_owned()) {
        None => Ok(()),
        Some(_) => Err(RecordError::Twice(name)),
    }
}

/// Cut to the microsecond, in UTC: what is written is what is verified with.
pub(crate) fn to_micros(at: OffsetDateTime) -> OffsetDateTime {
    let at = at.to_offset(UtcOffset::UTC);
    let micros = at.nanosecond() / 1_000 * 1_000;
    at.replace_nanosecond(micros).unwrap_or(at)
}

fn write_time(at: OffsetDateTime) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    // Formatting fails only for formats that lack what the value has.
    at.to_offset(UtcOffset::UTC)
        .format(&format)
        .unwrap_or_default()
}

//! What leaves through the outbox.

use boxoffice_saga::event::Event;
use boxoffice_saga::identity::BookingId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::TurnError;

/// The topic of booking events.
pub const BOOKING_EVENTS: &str = "bookings.events.v1";

/// The largest payload that a turn may send, in bytes: below the brokers' default `message.max.bytes` of
/// 1 MiB with room for key and headers. A larger one would stop the relay, so it is refused before commit.
pub const LARGEST_PAYLOAD: usize = 900 * 1024;

/// One record for Kafka, written in the turn that causes it. The relay publishes it at least once, and
/// first deliveries of one booking's events in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Unique per record, the same for every repeat of it.
    pub id: Uuid,
    /// Where to.
    pub topic: String,
    /// The Kafka key.
    pub key: String,
    /// The event type, or the webhook's kind.
    pub kind: String,
    /// The booking, if it is about one.
    pub booking: Option<BookingId>,
    /// The event's sequence; absent for what is not a booking event.
    pub sequence: Option<u32>,
    /// When.
    pub at: OffsetDateTime,
    /// The record's own headers. `None` for booking events, whose headers follow from the rest.
    pub headers: Option<Vec<(String, Vec<u8>)>>,
    /// The record's value.
    pub payload: Vec<u8>,
}

impl Outgoing {
    /// A booking event as it goes out.
    ///
    /// # Errors
    /// [`TurnError::Data`] if it cannot be written as JSON.
    pub fn event(event: &Event) -> Result<Self, TurnError> {
        Ok(Self {
            id: event.id(),
            topic: BOOKING_EVENTS.to_owned(),
            key: event.show_id.kafka_key(),
            kind: event.body.name().to_owned(),
            booking: Some(event.booking_id),
            sequence: Some(event.sequence),
            at: event.at,
            headers: None,
            payload: serde_json::to_vec(event)
                .map_err(|error| TurnError::Data(error.to_string()))?,
        })
    }
}

/// Writes record headers as the `headers` column holds them: a JSON array of `[name, value]`, one character from
/// U+0000 to U+00FF per byte of the value, so that exact bytes survive and people can read them.
pub fn encode_headers(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str(),
                value.iter().copied().map(char::from).collect(),
            )
        })
        .collect();
    // Strings in, strings out: this cannot fail.
    serde_json::to_vec(&pairs).unwrap_or_default()
}

/// Reads what [`encode_headers`] wrote.
///
/// # Errors
/// [`TurnError::Corrupt`] for anything else.
pub fn decode_headers(column: &[u8]) -> Result<Vec<(String, Vec<u8>)>, TurnError> {
    let pairs: Vec<(String, String)> =
        serde_json::from_slice(column).map_err(|error| TurnError::Corrupt(error.to_string()))?;
    pairs
        .into_iter()
        .map(|(name, value)| {
            let bytes = value
                .chars()
                .map(u8::try_from)
                .collect::<Result<Vec<u8>, _>>();
            bytes
                .map(|bytes| (name, bytes))
                .map_err(|error| TurnError::Corrupt(error.to_string()))
        })
        .collect()
}

//! The envelope of our events: CloudEvents 1.0 in Kafka's binary mode, that is, in headers.

use std::borrow::Cow;

use boxoffice_saga::event::Event;
use boxoffice_saga::identity::BookingId;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A header as it is sent.
pub type Header = (Cow<'static, str>, Vec<u8>);

/// The header of the CloudEvents version.
pub const SPECVERSION: &str = "ce_specversion";
/// The header of the event's id, the same for every repeat: `<booking>-<sequence>`.
pub const ID: &str = "ce_id";
/// The header of who speaks.
pub const SOURCE: &str = "ce_source";
/// The header of the event type's name.
pub const TYPE: &str = "ce_type";
/// The header of the booking's id.
pub const SUBJECT: &str = "ce_subject";
/// The header of the time of the decision, RFC 3339.
pub const TIME: &str = "ce_time";
/// The header of the event's number in its booking, decimal, gapless from 1.
pub const SEQUENCE: &str = "ce_sequence";
/// The header of what the value is.
pub const CONTENT_TYPE: &str = "content-type";
/// The W3C header of the trace that this belongs to.
pub const TRACEPARENT: &str = "traceparent";

/// What stands in `ce_source`.
pub const OUR_SOURCE: &str = "/boxoffice";
const OUR_SPECVERSION: &str = "1.0";
const OUR_CONTENT_TYPE: &str = "application/json";

/// The envelope of one booking event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The event type's name, for example `BookingConfirmed`.
    pub event_type: Cow<'static, str>,
    /// The booking.
    pub booking: BookingId,
    /// The event's number in its booking, gapless from 1.
    pub sequence: u32,
    /// When it was decided, by the database's clock.
    pub time: OffsetDateTime,
    /// The W3C trace that it belongs to, if any.
    pub traceparent: Option<String>,
}

/// Why headers are not one of our envelopes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A header that every envelope has is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header does not hold what it should.
    #[error("the header {0} is malformed")]
    Malformed(&'static str),
    /// A CloudEvents version that we do not know.
    #[error("the CloudEvents version is not 1.x")]
    Version,
}

impl From<&Event> for Envelope {
    fn from(event: &Event) -> Self {
        Self {
            event_type: Cow::Borrowed(event.body.name()),
            booking: event.booking_id,
            sequence: event.sequence,
            time: event.at,
            traceparent: None,
        }
    }
}

impl Envelope {
    /// The event's id: the same for every repeat of it.
    pub fn id(&self) -> String {
        format!("{}-{}", self.booking, self.sequence)
    }

    /// The headers to send with it.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`] where the time is outside the years 0 to 9999, which RFC 3339 cannot say.
    pub fn headers(&self) -> Result<Vec<Header>, EnvelopeError> {
        let time = self
            .time
            .format(&Rfc3339)
            .map_err(|_| EnvelopeError::Malformed(TIME))?;
        let header = |name: &'static str, value: String| (Cow::Borrowed(name), value.into_bytes());
        let mut headers = vec![
            header(SPECVERSION, OUR_SPECVERSION.to_owned()),
            header(ID, self.id()),
            header(SOURCE, OUR_SOURCE.to_owned()),
            header(TYPE, self.event_type.clone().into_owned()),
            header(SUBJECT, self.booking.to_string()),
            header(TIME, time),
            header(SEQUENCE, self.sequence.to_string()),
            header(CONTENT_TYPE, OUR_CONTENT_TYPE.to_owned()),
        ];
        if let Some(traceparent) = &self.traceparent {
            headers.push(header(TRACEPARENT, traceparent.clone()));
        }
        Ok(headers)
    }

    /// Reads the envelope from a record's headers. Further headers are left alone, and where one is there
    /// twice the first counts.
    ///
    /// # Errors
    /// [`EnvelopeError`] where this is no envelope of a booking event.
    pub fn read<N: AsRef<str>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Result<Self, EnvelopeError> {
        let find = |name: &'static str| {
            headers
                .iter()
                .find(|(have, _)| have.as_ref() == name)
                .map(|(_, value)| value.as_ref())
        };
        let text = |name: &'static str| {
            let bytes = find(name).ok_or(EnvelopeError::Missing(name))?;
            std::str::from_utf8(bytes).map_err(|_| EnvelopeError::Malformed(name))
        };
        if !text(SPECVERSION)?.starts_with("1.") {
            return Err(EnvelopeError::Version);
        }
        let event_type = text(TYPE)?;
        if event_type.is_empty() {
            return Err(EnvelopeError::Malformed(TYPE));
        }
        let sequence: u32 = text(SEQUENCE)?
            .parse()
            .map_err(|_| EnvelopeError::Malformed(SEQUENCE))?;
        let envelope = Self {
            event_type: Cow::Owned(event_type.to_owned()),
            booking: text(SUBJECT)?
                .parse()
                .map_err(|_| EnvelopeError::Malformed(SUBJECT))?,
            sequence,
            time: OffsetDateTime::parse(text(TIME)?, &Rfc3339)
                .map_err(|_| EnvelopeError::Malformed(TIME))?,
            // A trace is a courtesy: one that cannot be read is none.
            traceparent: text(TRACEPARENT).ok().map(str::to_owned),
        };
        if text(ID)? != envelope.id() {
            return Err(EnvelopeError::Malformed(ID));
        }
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests {
    use boxoffice_saga::identity::ShowId;
    use time::macros::datetime;

    use super::*;

    fn envelope() -> Envelope {
        let show = ShowId::try_from(42u64).unwrap();
        Envelope {
            event_type: Cow::Borrowed("BookingConfirmed"),
            booking: BookingId::pack(1_700_000_000_000, show, 99),
            sequence: 3,
            time: datetime!(2026-02-03 04:05:06.789 UTC),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let headers = envelope().headers().unwrap();
        assert_eq!(Envelope::read(&headers).unwrap(), envelope());
        let id = headers.iter().find(|(name, _)| name == ID).unwrap();
        assert_eq!(id.1, format!("{}-3", envelope().booking).into_bytes());
    }

    #[test]
    fn each_needed_header_is_missed_by_name() {
        for name in [SPECVERSION, ID, TYPE, SUBJECT, TIME, SEQUENCE] {
            let mut headers = envelope().headers().unwrap();
            headers.retain(|(have, _)| have != name);
            assert_eq!(Envelope::read(&headers), Err(EnvelopeError::Missing(name)));
        }
    }

    #[test]
    fn each_malformed_header_is_named() {
        let bad: [(&'static str, &[u8]); 5] = [
            (SUBJECT, b"7"),
            (SEQUENCE, b"-1"),
            (TIME, b"now"),
            (ID, b"x"),
            (TYPE, &[0xff]),
        ];
        for (name, value) in bad {
            let mut headers = envelope().headers().unwrap();
            for (have, is) in &mut headers {
                if have == name {
                    *is = value.to_vec();
                }
            }
            assert_eq!(
                Envelope::read(&headers),
                Err(EnvelopeError::Malformed(name))
            );
        }
    }

    #[test]
    fn newer_major_versions_are_refused_and_minor_ones_read() {
        for (version, readable) in [("1.1", true), ("2.0", false)] {
            let mut headers = envelope().headers().unwrap();
            headers[0].1 = version.as_bytes().to_vec();
            assert_eq!(Envelope::read(&headers).is_ok(), readable);
        }
    }
}

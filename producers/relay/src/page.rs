//! Reading a page of the window in hand.

use std::borrow::Cow;

use boxoffice_producers::Envelope;
use boxoffice_producers::envelope::Header;
use boxoffice_saga::identity::BookingId;
use boxoffice_turn::outgoing::decode_headers;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::cursor::{Cursor, answered};
use crate::stop::Stop;

/// At most so many bytes of payload are read at a time; always at least one row.
const PAGE_BYTES: i64 = 8 << 20;

/// Some rows of the window in hand, by position.
pub(crate) struct Page {
    pub rows: Vec<Row>,
    /// Whether the window has more.
    pub has_more: bool,
}

/// One row of the outbox.
pub(crate) struct Row {
    pub position: i64,
    pub topic: String,
    pub key: String,
    pub payload: Vec<u8>,
    pub age_seconds: f64,
    kind: String,
    booking_id: Option<Uuid>,
    sequence: Option<i32>,
    at: OffsetDateTime,
    headers: Option<Vec<u8>>,
}

impl Page {
    /// The next rows of the window in hand. Its snapshots are finished ones: what is missing here will not
    /// appear later.
    pub async fn read(cursor: &mut Cursor, limit: u16) -> Result<Self, Stop> {
        let Some((window, after)) = cursor.window() else {
            return Ok(Self {
                rows: Vec::new(),
                has_more: false,
            });
        };
        let read = sqlx::query!(
            r#"select position as "position!", aggregatetype as "topic!", aggregateid as "key!", type as "kind!",
                      booking_id, sequence, at as "at!", headers, payload as "payload!",
                      extract(epoch from clock_timestamp() - at)::float8 as "age_seconds!", found as "found!"
               from (
                   select *, count(*) over () as found,
                          sum(octet_length(payload)) over (order by position rows unbounded preceding)
                              - octet_length(payload) as bytes_before
                   from (
                       select * from outbox
                       where position > $1
                         and pg_visible_in_snapshot(xact, $3::text::pg_snapshot)
                         and not pg_visible_in_snapshot(xact, $2::text::pg_snapshot)
                       order by position
                       limit $4
                   ) page
               ) page
               where bytes_before < $5
               order by position"#,
            after,
            window.from().snapshot.to_string(),
            window.to().snapshot.to_string(),
            i64::from(limit),
            PAGE_BYTES,
        );
        let lease = cursor.lease();
        let found = answered(lease, read.fetch_all(&mut cursor.db)).await?;
        let most = found.first().map_or(0, |row| row.found);
        let has_more =
            most == i64::from(limit) || usize::try_from(most).is_ok_and(|most| most > found.len());
        let rows = found.into_iter().map(|row| Row {
            position: row.position,
            topic: row.topic,
            key: row.key,
            payload: row.payload,
            age_seconds: row.age_seconds,
            kind: row.kind,
            booking_id: row.booking_id,
            sequence: row.sequence,
            at: row.at,
            headers: row.headers,
        });
        Ok(Self {
            rows: rows.collect(),
            has_more,
        })
    }
}

impl Row {
    /// A booking event's headers follow from its columns; any other record brings its own.
    pub fn headers(&self) -> Result<Vec<Header>, Stop> {
        let unusable = |reason: String| Stop::Row {
            position: self.position,
            reason,
        };
        if let Some(column) = &self.headers {
            let own = decode_headers(column).map_err(|error| unusable(error.to_string()))?;
            return Ok(own
                .into_iter()
                .map(|(name, value)| (Cow::Owned(name), value))
                .collect());
        }
        let (Some(booking), Some(sequence)) = (self.booking_id, self.sequence) else {
            return Err(unusable(
                "it has neither headers nor a booking and a sequence".to_owned(),
            ));
        };
        let envelope = Envelope {
            event_type: Cow::Owned(self.kind.clone()),
            booking: BookingId::try_from(booking).map_err(|error| unusable(error.to_string()))?,
            sequence: u32::try_from(sequence).map_err(|error| unusable(error.to_string()))?,
            time: self.at,
            traceparent: None,
        };
        envelope
            .headers()
            .map_err(|error| unusable(error.to_string()))
    }
}

//! Publishing a page of the window in hand.

use boxoffice_failpoints::{self as failpoints, Failpoint};
use boxoffice_producers::{Envelope, OutgoingRecord, Producer, SendError};
use boxoffice_saga::identity::BookingId;
use boxoffice_turn::outgoing::decode_headers;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::run::RelayError;
use crate::window::Snapshot;

/// How many rows make a page.
pub const PAGE: usize = 1_000;

/// One row of the outbox.
#[derive(Debug)]
pub struct Row {
    /// Its position.
    pub position: i64,
    /// When it was decided.
    pub at: OffsetDateTime,
    topic: String,
    key: String,
    kind: String,
    booking: Option<Uuid>,
    sequence: Option<i32>,
    headers: Option<Vec<u8>>,
    payload: Vec<u8>,
}

/// Reads the next page of the window: what `s2` sees and `s1` did not, behind the last position.
pub async fn page(pool: &PgPool, cursor: &Cursor, s2: &Snapshot) -> Result<Vec<Row>, RelayError> {
    let in_progress: Vec<String> = cursor.s1.snapshot.in_progress.iter().map(u64::to_string).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select position, at, aggregatetype as topic, aggregateid as key, type as kind, booking_id as booking,
                  sequence, headers, payload
           from outbox
           where position > $1
             and (xact >= $2::text::xid8 or xact = any ($3::text[]::xid8[]))
             and pg_visible_in_snapshot(xact, $4::text::pg_snapshot)
           order by position
           limit $5"#,
        cursor.s1.floor().max(cursor.last_position),
        cursor.s1.snapshot.xmax.to_string(),
        &in_progress,
        s2.to_string(),
        i64::try_from(PAGE).unwrap_or(i64::MAX),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// Publishes rows in order and waits for all acknowledgements. A broker that is away only delays: the
/// producer has no time-out of its own.
///
/// # Errors
/// [`RelayError::Send`] if Kafka refuses a record for good. No record behind it counts as published.
pub async fn publish(producer: &Producer, rows: &[Row]) -> Result<(), RelayError> {
    failpoints::hit(Failpoint::RelayBeforePublish);
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in rows {
        let headers = headers(row)?;
        let record = OutgoingRecord {
            topic: &row.topic,
            key: row.key.as_bytes(),
            headers: &headers,
            payload: &row.payload,
        };
        let sent = producer.send(record).map_err(|error| failed(row, error))?;
        deliveries.push((row, sent));
    }
    for (row, delivery) in deliveries {
        delivery.await.map_err(|error| failed(row, error))?;
    }
    failpoints::hit(Failpoint::RelayAfterPublish);
    Ok(())
}

fn failed(row: &Row, error: SendError) -> RelayError {
    RelayError::Send { position: row.position, topic: row.topic.clone(), error }
}

type Headers = Vec<(std::borrow::Cow<'static, str>, Vec<u8>)>;

/// A booking event's headers follow from its columns; any other record brings its own.
fn headers(row: &Row) -> Result<Headers, RelayError> {
    let unusable = |why: String| RelayError::Row { position: row.position, why };
    if let Some(column) = &row.headers {
        let own = decode_headers(column).map_err(|error| unusable(error.to_string()))?;
        return Ok(own.into_iter().map(|(name, value)| (name.into(), value)).collect());
    }
    let (Some(booking), Some(sequence)) = (row.booking, row.sequence) else {
        return Err(unusable("an event without a booking or a sequence".to_owned()));
    };
    let envelope = Envelope {
        event_type: row.kind.clone().into(),
        booking: BookingId::try_from(booking).map_err(|error| unusable(error.to_string()))?,
        sequence: sequence.cast_unsigned(),
        time: row.at,
        traceparent: None,
    };
    envelope.headers().map_err(|error| unusable(error.to_string()))
}

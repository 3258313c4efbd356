//! Dead letters: records that could not be read or applied, with their exact bytes; and the way back.
//!
//! A letter that is redriven goes through the outbox to the topic that it came from, with the same bytes, headers and
//! key: once for each time that an operator says so. If it cannot be used this time either, it becomes another letter
//! at another place: nothing goes round by itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::world::World;
use boxoffice_turn::outgoing::{LARGEST_PAYLOAD, decode_headers};
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Outgoing, TurnError};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::act::Act;
use super::error::OperatorError;
use super::page::{Limit, Page};

/// The headers that are added to a record when it becomes a letter, in this order, behind its own.
const ADDED: [&str; 2] = ["dead_letter_reason", "dead_letter_place"];

/// A dead letter, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DeadLetter {
    /// Its id.
    pub letter_id: Uuid,
    /// Who could not use it.
    pub consumer: String,
    /// The topic that it came from.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The event's id, as its headers give it.
    #[schema(required)]
    pub event_id: Option<String>,
    /// The event's kind, as its headers give it.
    #[schema(required)]
    pub event_kind: Option<String>,
    /// How large its value is, in bytes.
    pub bytes: i32,
    /// Why it could not be used.
    pub reason: String,
    /// Since when it lies here.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// How often it was redriven.
    pub redrives: i32,
    /// When it was redriven last.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub redriven_at: Option<OffsetDateTime>,
}

/// A dead letter with its bytes. They are a gateway's: they may name the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct OpenedLetter {
    /// The letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The record's key; null: it has none.
    #[schema(required)]
    pub key: Option<Bytes>,
    /// The record's own headers, in order.
    pub headers: Vec<Header>,
    /// The record's value.
    pub payload: Bytes,
}

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = LetterHeader)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Bytes,
}

/// Exact bytes: as text where they are UTF-8, else in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExactBytes)]
pub enum Bytes {
    /// UTF-8.
    Text(String),
    /// Base64, with padding.
    Base64(String),
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(
            |error| Self::Base64(STANDARD.encode(error.as_bytes())),
            Self::Text,
        )
    }
}

/// A place among them: after this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    letter: Uuid,
}

struct Row {
    letter_id: Uuid,
    consumer: String,
    topic: String,
    partition: i32,
    offset: i64,
    headers: Vec<u8>,
    bytes: i32,
    reason: String,
    buried_at: OffsetDateTime,
    redrives: i32,
    redriven_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for DeadLetter {
    type Error = TurnError;

    fn try_from(row: Row) -> Result<Self, TurnError> {
        let headers = own_headers(&row.headers)?;
        let header = |names: [&str; 2]| {
            let found = headers
                .iter()
                .find(|(name, _)| names.contains(&name.as_str()));
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        Ok(Self {
            letter_id: row.letter_id,
            consumer: row.consumer,
            topic: row.topic,
            partition: row.partition,
            offset: row.offset,
            // As the ingress and as the relay call them.
            event_id: header(["event_id", "ce_id"]),
            event_kind: header(["kind", "ce_type"]),
            bytes: row.bytes,
            reason: row.reason,
            since: row.buried_at,
            redrives: row.redrives,
            redriven_at: row.redriven_at,
        })
    }
}

/// The headers that the record had before it became a letter.
fn own_headers(column: &[u8]) -> Result<Vec<(String, Vec<u8>)>, TurnError> {
    let mut headers = decode_headers(column)?;
    for name in ADDED.into_iter().rev() {
        if headers.last().is_some_and(|(last, _)| last == name) {
            headers.pop();
        }
    }
    Ok(headers)
}

/// Reads a page of letters, oldest first: those that were never redriven, or all.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn list(
    store: &PgStore,
    redriven_too: bool,
    after: Option<&Place>,
    limit: Limit,
) -> Result<Page<DeadLetter, Place>, TurnError> {
    let (since, letter) = after.map_or((OffsetDateTime::UNIX_EPOCH, Uuid::nil()), |after| {
        (after.since, after.letter)
    });
    // Two statements: each has an index of its own.
    let rows = if redriven_too {
        sqlx::query_as!(
            Row,
            r#"select letter_id, consumer, topic, partition, "offset", headers, octet_length(payload) as "bytes!",
                      reason, buried_at, redrives, redriven_at
               from dead_letters where (buried_at, letter_id) > ($1, $2)
               order by buried_at, letter_id limit $3"#,
            since,
            letter,
            limit.and_one(),
        )
        .fetch_all(store.pool())
        .await?
    } else {
        sqlx::query_as!(
            Row,
            r#"select letter_id, consumer, topic, partition, "offset", headers, octet_length(payload) as "bytes!",
                      reason, buried_at, redrives, redriven_at
               from dead_letters where redriven_at is null and (buried_at, letter_id) > ($1, $2)
               order by buried_at, letter_id limit $3"#,
            since,
            letter,
            limit.and_one(),
        )
        .fetch_all(store.pool())
        .await?
    };
    let letters = rows
        .into_iter()
        .map(DeadLetter::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Page::of(letters, limit, |last| Place {
        since: last.since,
        letter: last.letter_id,
    }))
}

/// Opens a letter. `None`: there is none of this id.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn open(store: &PgStore, letter: Uuid) -> Result<Option<OpenedLetter>, TurnError> {
    let row = sqlx::query!(
        r#"select letter_id, consumer, topic, partition, "offset", key, headers, payload, reason, buried_at,
                  octet_length(payload) as "bytes!", redrives, redriven_at
           from dead_letters where letter_id = $1"#,
        letter
    )
    .fetch_optional(store.pool())
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let headers = own_headers(&row.headers)?
        .into_iter()
        .map(|(name, value)| Header {
            name,
            value: value.into(),
        })
        .collect();
    let letter = DeadLetter::try_from(Row {
        letter_id: row.letter_id,
        consumer: row.consumer,
        topic: row.topic,
        partition: row.partition,
        offset: row.offset,
        headers: row.headers,
        bytes: row.bytes,
        reason: row.reason,
        buried_at: row.buried_at,
        redrives: row.redrives,
        redriven_at: row.redriven_at,
    })?;
    Ok(Some(OpenedLetter {
        letter,
        key: row.key.map(Bytes::from),
        headers,
        payload: row.payload.into(),
    }))
}

/// Puts a letter back into its topic, and takes it off the operators' list. One that was redriven before is only
/// sent once more if that is said.
#[derive(Clone, Copy, Debug)]
pub struct Redrive {
    /// Which letter.
    pub letter: Uuid,
    /// Send it once more, although it was sent before.
    pub again: bool,
}

/// A letter was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RedrivenLetter)]
pub struct Redriven {
    /// The letter.
    pub letter_id: Uuid,
    /// The topic that it goes to.
    pub topic: String,
    /// How often it was redriven, this time included.
    pub redrives: i32,
}

impl Act for Redrive {
    type Done = Redriven;
    type Error = OperatorError;
    const STATUS: u16 = 202;

    fn what(&self) -> &'static str {
        "dead_letter.redrive"
    }

    fn subject(&self, _: &Redriven) -> String {
        self.letter.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        world: &mut World,
        appends: &mut Appends,
    ) -> Result<Redriven, OperatorError> {
        let row = sqlx::query!(
            "select topic, key, headers, payload, redrives, redriven_at
             from dead_letters where letter_id = $1 for update",
            self.letter
        )
        .fetch_optional(&mut *db)
        .await?
        .ok_or(OperatorError::UnknownLetter(self.letter))?;
        if let Some(at) = row.redriven_at
            && !self.again
        {
            return Err(OperatorError::Redriven { at });
        }
        let key = row
            .key
            .and_then(|key| String::from_utf8(key).ok())
            .filter(|key| !key.contains('\0'))
            .ok_or(OperatorError::Unsendable(
                "its key is no text, so nothing of ours wrote it",
            ))?;
        if row.payload.len() > LARGEST_PAYLOAD {
            return Err(OperatorError::Unsendable(
                "it is larger than anything of ours, so nothing of ours wrote it",
            ));
        }
        let headers = own_headers(&row.headers)?;
        let redrives = row.redrives + 1;
        sqlx::query!(
            "update dead_letters set redrives = $2, redriven_at = $3 where letter_id = $1",
            self.letter,
            redrives,
            world.now,
        )
        .execute(db)
        .await?;
        appends.outgoing.push(Outgoing {
            id: Uuid::new_v5(&self.letter, format!("redriven/{redrives}").as_bytes()),
            topic: row.topic.clone(),
            key,
            kind: "redriven".to_owned(),
            booking: None,
            sequence: None,
            at: world.now,
            headers: Some(headers),
            payload: row.payload,
        });
        // It is applied, or it becomes another letter with an item of its own.
        world.dismiss_person(
            &[AttentionKind::DeadLetter, AttentionKind::ForgedRecord],
            self.letter,
        );
        Ok(Redriven {
            letter_id: self.letter,
            topic: row.topic,
            redrives,
        })
    }
}

#[cfg(test)]
mod tests {
    use boxoffice_turn::outgoing::encode_headers;

    use super::*;

    #[test]
    fn only_what_was_added_is_taken_off_again() {
        let header = |name: &str| (name.to_owned(), b"\xff".to_vec());
        let own = vec![header("dead_letter_reason"), header("kind")];
        let mut letter = own.clone();
        letter.extend(ADDED.map(header));
        assert_eq!(own_headers(&encode_headers(&letter)).unwrap(), own);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_exactly() {
        assert_eq!(Bytes::from(b"{}".to_vec()), Bytes::Text("{}".to_owned()));
        assert_eq!(
            Bytes::from(vec![0xff, 0x00]),
            Bytes::Base64("/wA=".to_owned())
        );
    }
}

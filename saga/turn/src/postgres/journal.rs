//! Writes the journal: each input with its outcome, the record that brought it, the transaction that decided it,
//! and what that transaction published.

use std::collections::BTreeMap;

use boxoffice_saga::world::World;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::commit::{Published, column};
use crate::claim::{Appends, Origin};
use crate::error::TurnError;

/// Writes the turn's entries. The transaction's id is the column's default.
pub async fn write(
    db: &mut PgConnection,
    world: &World,
    appends: &Appends,
    published: &[Published],
) -> Result<(), TurnError> {
    let rows: Vec<_> = world.changes.journal.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let unwritable = |error: serde_json::Error| TurnError::Data(error.to_string());
    let inputs = rows
        .iter()
        .map(|row| serde_json::to_string(&row.input).map_err(unwritable))
        .collect::<Result<Vec<_>, _>>()?;
    let outcomes = rows
        .iter()
        .map(|row| serde_json::to_string(&row.outcome).map_err(unwritable))
        .collect::<Result<Vec<_>, _>>()?;
    let mut published = by_booking(published);
    // From behind: the last entry of a booking gets what the turn published about it.
    let mut events: Vec<Option<String>> = rows
        .iter()
        .rev()
        .map(|row| published.remove(&row.booking.uuid()))
        .collect();
    events.reverse();
    let origins: Vec<Option<&Origin>> = (0..rows.len())
        .map(|nth| appends.origins.get(&nth))
        .collect();
    sqlx::query!(
        "insert into journal (show_id, booking_id, at, input, outcome, source_topic, source_partition,
             source_offset, event_id, event_kind, received_at, published)
         select * from unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
             $7::int[], $8::bigint[], $9::text[], $10::text[], $11::timestamptz[], $12::text[])",
        &column(&rows, |row| row.booking.show().as_i64()),
        &column(&rows, |row| row.booking.uuid()),
        &column(&rows, |row| row.at),
        &inputs,
        &outcomes,
        &column(&origins, |origin| origin.map(|origin| origin.topic.clone())) as &[Option<String>],
        &column(&origins, |origin| origin.map(|origin| origin.partition)) as &[Option<i32>],
        &column(&origins, |origin| origin.map(|origin| origin.offset)) as &[Option<i64>],
        &column(&origins, |origin| origin.map(|origin| origin.event_id.clone()))
            as &[Option<String>],
        &column(&origins, |origin| origin.map(|origin| origin.kind.clone())) as &[Option<String>],
        &column(&origins, |origin| origin.map(|origin| origin.received_at))
            as &[Option<OffsetDateTime>],
        &events as &[Option<String>],
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What was published about each booking, as the journal holds it.
fn by_booking(published: &[Published]) -> BTreeMap<Uuid, String> {
    let mut events: BTreeMap<Uuid, Vec<Value>> = BTreeMap::new();
    for one in published {
        if let (Some(booking), Some(sequence)) = (one.booking, one.sequence) {
            events.entry(booking).or_default().push(json!({
                "sequence": sequence, "type": one.kind, "position": one.position,
            }));
        }
    }
    events
        .into_iter()
        .map(|(booking, events)| (booking, Value::Array(events).to_string()))
        .collect()
}

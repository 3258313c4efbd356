//! Writes the journal: each input with its outcome, the record that brought it, the transaction that decided it,
//! and what that transaction published.

use std::collections::BTreeSet;

use boxoffice_saga::world::World;

use super::commit::column;
use super::writes::Writes;
use crate::claim::{Appends, Origin};
use crate::error::TurnError;

/// Writes the turn's entries. The transaction's id is the column's default.
pub fn write(writes: &mut Writes, world: &World, appends: &Appends) -> Result<(), TurnError> {
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
    // The last entry of a booking tells what the turn published about it.
    let mut told = BTreeSet::new();
    let mut last: Vec<bool> = rows
        .iter()
        .rev()
        .map(|row| told.insert(row.booking))
        .collect();
    last.reverse();
    let origins: Vec<Option<&Origin>> = (0..rows.len())
        .map(|nth| appends.origins.get(&nth))
        .collect();
    // `published` is what the same statement puts into the outbox, as one document: each row finds its own by the key.
    let mut part = writes.part(
        "journal",
        "insert into journal (show_id, booking_id, at, input, outcome, source_topic, source_partition,
             source_offset, event_id, event_kind, received_at, published)
         select j.show_id, j.booking_id, j.at, j.input, j.outcome, j.source_topic, j.source_partition,
             j.source_offset, j.event_id, j.event_kind, j.received_at,
             case when j.last then (p.of_all -> j.booking_id::text)::text end
         from unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
                 $7::int[], $8::bigint[], $9::text[], $10::text[], $11::timestamptz[], $12::boolean[])
                 as j (show_id, booking_id, at, input, outcome, source_topic, source_partition,
                       source_offset, event_id, event_kind, received_at, last)
             cross join (select jsonb_object_agg(booking_id, events) as of_all
                         from (select booking_id, jsonb_agg(jsonb_build_object(
                                          'sequence', sequence, 'type', type, 'position', position)
                                      order by position) as events
                               from published where booking_id is not null and sequence is not null
                               group by booking_id) as by_booking) as p",
    );
    part.bind(column(&rows, |row| row.booking.show().as_i64()))?;
    part.bind(column(&rows, |row| row.booking.uuid()))?;
    part.bind(column(&rows, |row| row.at))?;
    part.bind(&inputs)?;
    part.bind(&outcomes)?;
    part.bind(column(&origins, |origin| {
        origin.map(|origin| origin.topic.clone())
    }))?;
    part.bind(column(&origins, |origin| {
        origin.map(|origin| origin.partition)
    }))?;
    part.bind(column(&origins, |origin| {
        origin.map(|origin| origin.offset)
    }))?;
    part.bind(column(&origins, |origin| {
        origin.map(|origin| origin.event_id.clone())
    }))?;
    part.bind(column(&origins, |origin| {
        origin.map(|origin| origin.kind.clone())
    }))?;
    part.bind(column(&origins, |origin| {
        origin.map(|origin| origin.received_at)
    }))?;
    part.bind(&last)
}

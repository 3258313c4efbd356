//! Writes the journal: each input with its outcome, the record that brought it, the transaction that decided it,
//! and what that transaction published.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_saga::world::World;
use uuid::Uuid;

use super::commit::column;
use super::writes::Writes;
use crate::claim::{Appends, Origin};
use crate::error::TurnError;

/// Writes the turn's entries. The transaction's id is the column's default. `published`: the bookings of which the same
/// statement publishes something.
pub fn write(
    writes: &mut Writes,
    world: &World,
    appends: &Appends,
    published: &BTreeSet<Uuid>,
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
    // The last entry of a booking tells what the turn published about it, which is found by the booking's place among those
    // in `published`, from 1.
    let place: BTreeMap<_, _> = published.iter().zip(1_i32..).collect();
    let mut told = BTreeSet::new();
    let mut places: Vec<Option<i32>> = rows
        .iter()
        .rev()
        .map(|row| row.booking.uuid())
        .map(|booking| told.insert(booking).then(|| place.get(&booking).copied())?)
        .collect();
    places.reverse();
    let origins: Vec<Option<&Origin>> = (0..rows.len())
        .map(|nth| appends.origins.get(&nth))
        .collect();
    // `published` is what the same statement puts into the outbox. Written as text, for a document of PostgreSQL's own
    // that every row is then looked up in takes longer than the row; the names of events need no escape.
    let mut part = writes.part(
        "journal",
        r#"insert into journal (show_id, booking_id, at, input, outcome, source_topic, source_partition,
             source_offset, event_id, event_kind, received_at, published)
         select j.show_id, j.booking_id, j.at, j.input, j.outcome, j.source_topic, j.source_partition,
             j.source_offset, j.event_id, j.event_kind, j.received_at, p.of_all[j.place]
         from unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
                 $7::int[], $8::bigint[], $9::text[], $10::text[], $11::timestamptz[], $12::int[])
                 as j (show_id, booking_id, at, input, outcome, source_topic, source_partition,
                       source_offset, event_id, event_kind, received_at, place)
             cross join (select array_agg(concat('[', events, ']') order by booking_id) as of_all
                         from (select booking_id, string_agg(
                                      concat('{"type": "', type, '", "position": ', position,
                                             ', "sequence": ', sequence, '}'),
                                      ', ' order by position) as events
                               from published where booking_id is not null and sequence is not null
                               group by booking_id) as by_booking) as p"#,
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
    part.bind(&places)
}

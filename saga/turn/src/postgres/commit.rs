//! Writes a turn: the tables that most turns write by one statement, the others by one each.
//!
//! Multi-row updates lock in plan order, so they only follow the sorted locks of `load`.

use std::collections::BTreeMap;

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, ShowId, UserId};
use boxoffice_saga::money::Money;
use boxoffice_saga::world::World;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::writes::{Writes, part};
use super::{commit_tasks as tasks, journal};
use crate::claim::{Appends, InboxOutcome, KeptAnswer, KeyClaim};
use crate::error::TurnError;
use crate::outgoing::{LARGEST_PAYLOAD, Outgoing, encode_headers};

/// Separates the seats of one booking on their way into an array of arrays, which SQL does not have. No seat
/// name contains it: names are printable ASCII.
const UNIT: char = '\u{1f}';

/// Writes everything. `true` if records went into the outbox.
pub async fn write(
    db: &mut PgConnection,
    world: &World,
    appends: &Appends,
    fresh_slots: &BTreeMap<(ShowId, UserId), BookingId>,
    fresh_keys: &[KeyClaim],
) -> Result<bool, TurnError> {
    let mut writes = Writes::default();
    slots(&mut writes, world, fresh_slots)?;
    new_bookings(&mut writes, world)?;
    bookings(&mut writes, world)?;
    payments(&mut writes, world)?;
    refunds(&mut writes, world)?;
    seats(&mut writes, world)?;
    tasks::removed(&mut writes, world)?;
    if tasks::are_set_anew(world) {
        std::mem::take(&mut writes).send(db).await?;
    }
    tasks::postponed(&mut writes, world)?;
    tasks::added(&mut writes, world)?;
    tasks::answers(&mut writes, appends)?;
    tasks::deliveries(&mut writes, appends)?;
    keys(&mut writes, appends, fresh_keys)?;
    ledger(&mut writes, world)?;
    inbox(&mut writes, appends)?;
    super::commit_aside::settled(&mut writes, world)?;
    let rows = outgoing(world, appends)?;
    if !rows.is_empty() || !world.changes.journal.is_empty() {
        outbox(&mut writes, &rows)?;
    }
    let numbered = rows.iter().filter(|row| row.sequence.is_some());
    let published = numbered
        .filter_map(|row| row.booking.map(BookingId::uuid))
        .collect();
    journal::write(&mut writes, world, appends, &published)?;
    writes.send(db).await?;
    super::commit_aside::write(db, world, appends).await?;
    Ok(!rows.is_empty())
}

fn changed_slots<'a>(
    world: &'a World,
    fresh: &'a BTreeMap<(ShowId, UserId), BookingId>,
) -> impl Iterator<Item = (&'a (ShowId, UserId), &'a BookingId)> {
    world
        .changes
        .slots_changed
        .iter()
        .filter_map(|key| world.slots.get(key).map(|booking| (key, booking)))
        .filter(|(key, booking)| fresh.get(*key) != Some(*booking))
}

fn slots(
    writes: &mut Writes,
    world: &World,
    fresh: &BTreeMap<(ShowId, UserId), BookingId>,
) -> Result<(), TurnError> {
    let (mut shows, mut users, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for ((show, user), booking) in changed_slots(world, fresh) {
        shows.push(show.as_i64());
        users.push(user.0.clone());
        ids.push(booking.uuid());
    }
    if !ids.is_empty() {
        part!(
            writes as slot,
            "update hold_slots s set booking_id = c.booking_id
             from unnest($1::bigint[], $2::text[], $3::uuid[]) as c (show_id, user_id, booking_id)
             where s.show_id = c.show_id and s.user_id = c.user_id",
            &shows,
            &users,
            &ids,
        );
    }
    Ok(())
}

fn new_bookings(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows: Vec<&Booking> = world
        .changes
        .bookings_created
        .iter()
        .filter_map(|id| world.bookings.get(id))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let seats: Vec<String> = rows
        .iter()
        .map(|row| row.seats.join(&UNIT.to_string()))
        .collect();
    part!(writes as placed, "insert into bookings (booking_id, show_id, user_id, seats, amount_minor, currency, state, email,
             phone, language, held_at, expires_at, reclaim_at, waiting_since, cancel_until_ms,
             cancel_fee_bp, confirmed_at, sequence, version, updated_at)
         select b.booking_id, b.show_id, b.user_id, string_to_array(b.seats, E'\\x1f'), b.amount_minor,
             b.currency, b.state, b.email, b.phone, b.language, b.held_at, b.expires_at, b.reclaim_at,
             b.waiting_since, b.cancel_until_ms, b.cancel_fee_bp, b.confirmed_at, b.sequence, b.version, b.held_at
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
             $14::timestamptz[], $15::timestamptz[], $16::int[], $17::bigint[], $18::bigint[], $19::int[])
             as b (booking_id, show_id, user_id, seats, amount_minor, currency, state, email, phone, language,
                   held_at, expires_at, reclaim_at, waiting_since, confirmed_at, sequence, version,
                   cancel_until_ms, cancel_fee_bp)",
        &column(&rows, |row| row.id.uuid()),
        &column(&rows, |row| row.show().as_i64()),
        &column(&rows, |row| row.user.0.clone()),
        &seats,
        &column(&rows, |row| row.amount.minor),
        &column(&rows, |row| row.amount.currency.to_string()),
        &column(&rows, |row| row.state.name().to_owned()),
        &column(&rows, |row| row.contact.email.clone()),
        &column(&rows, |row| row.contact.phone.clone()) as &[Option<String>],
        &column(&rows, |row| row.contact.language.clone()) as &[Option<String>],
        &column(&rows, |row| row.held_at),
        &column(&rows, |row| row.expires_at),
        &column(&rows, |row| row.reclaim_at),
        &column(&rows, |row| row.waiting_since) as &[Option<OffsetDateTime>],
        &column(&rows, |row| row.confirmed_at) as &[Option<OffsetDateTime>],
        &column(&rows, |row| row.sequence.cast_signed()),
        &column(&rows, |row| row.version.cast_signed()),
        &column(&rows, |row| row.cancel_until_ms),
        &column(&rows, |row| i32::from(row.cancel_fee_bp)),
    );
    Ok(())
}

fn bookings(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows: Vec<&Booking> = world
        .changes
        .bookings_changed
        .difference(&world.changes.bookings_created)
        .filter_map(|id| world.bookings.get(id))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    part!(writes as changed, "update bookings b
         set state = c.state, reclaim_at = c.reclaim_at, waiting_since = c.waiting_since,
             confirmed_at = c.confirmed_at, sequence = c.sequence, version = c.version,
             updated_at = c.updated_at
         from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
             $6::int[], $7::bigint[], $8::timestamptz[])
             as c (booking_id, state, reclaim_at, waiting_since, confirmed_at, sequence, version, updated_at)
         where b.booking_id = c.booking_id",
        &column(&rows, |row| row.id.uuid()),
        &column(&rows, |row| row.state.name().to_owned()),
        &column(&rows, |row| row.reclaim_at),
        &column(&rows, |row| row.waiting_since) as &[Option<OffsetDateTime>],
        &column(&rows, |row| row.confirmed_at) as &[Option<OffsetDateTime>],
        &column(&rows, |row| row.sequence.cast_signed()),
        &column(&rows, |row| row.version.cast_signed()),
        &column(&rows, |row| row.updated_at),
    );
    Ok(())
}

fn payments(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows: Vec<_> = world
        .changes
        .payments_changed
        .iter()
        .filter_map(|id| world.payments.get(id))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let disputes = rows
        .iter()
        .map(|row| match row.disputes.as_slice() {
            [] => Ok(None),
            some => serde_json::to_string(some).map(Some),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TurnError::Data(error.to_string()))?;
    part!(writes as paid, "insert into payments (payment_id, booking_id, show_id, gateway, account, gateway_payment_id, standing,
             expected_minor, expected_currency, captured_minor, captured_currency, verdict, opened_at, decided_at,
             capture, retained_minor, disputes)
         select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::timestamptz[],
             $14::timestamptz[], $15::text[], $16::bigint[], $17::text[])
         on conflict (payment_id) do update
         set gateway_payment_id = excluded.gateway_payment_id, standing = excluded.standing,
             captured_minor = excluded.captured_minor, captured_currency = excluded.captured_currency,
             verdict = excluded.verdict, decided_at = excluded.decided_at,
             retained_minor = excluded.retained_minor, disputes = excluded.disputes",
        &column(&rows, |row| row.id.uuid()),
        &column(&rows, |row| row.booking.uuid()),
        &column(&rows, |row| row.booking.show().as_i64()),
        &column(&rows, |row| row.account.gateway.clone()),
        &column(&rows, |row| row.account.account.clone()),
        &column(&rows, |row| row.gateway_payment_id.clone()) as &[Option<String>],
        &column(&rows, |row| row.standing.name().to_owned()),
        &column(&rows, |row| row.expected.minor),
        &column(&rows, |row| row.expected.currency.to_string()),
        &column(&rows, |row| row.captured.map(|money| money.minor)) as &[Option<i64>],
        &column(&rows, |row| row.captured.map(|money| money.currency.to_string())) as &[Option<String>],
        &column(&rows, |row| row.verdict.map(|verdict| verdict.name().to_owned())) as &[Option<String>],
        &column(&rows, |row| row.opened_at),
        &column(&rows, |row| row.decided_at) as &[Option<OffsetDateTime>],
        &column(&rows, |row| row.capture.name().to_owned()),
        &column(&rows, |row| row.retained),
        &disputes as &[Option<String>],
    );
    Ok(())
}

fn refunds(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows: Vec<_> = world
        .changes
        .refunds_changed
        .iter()
        .filter_map(|id| world.refunds.get(id))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    part!(writes as returned, "insert into refunds (refund_id, payment_id, booking_id, show_id, amount_minor, currency, cause,
             standing, generation, gateway_refund_id, requested_at, done_at, other_way, proof)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[],
             $7::text[], $8::text[], $9::int[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::text[],
             $14::text[])
         on conflict (refund_id) do update
         set standing = excluded.standing, generation = excluded.generation,
             gateway_refund_id = excluded.gateway_refund_id, done_at = excluded.done_at,
             other_way = excluded.other_way, proof = excluded.proof",
        &column(&rows, |row| row.id.uuid()),
        &column(&rows, |row| row.payment.uuid()),
        &column(&rows, |row| row.booking.uuid()),
        &column(&rows, |row| row.booking.show().as_i64()),
        &column(&rows, |row| row.amount.minor),
        &column(&rows, |row| row.amount.currency.to_string()),
        &column(&rows, |row| row.cause.name().to_owned()),
        &column(&rows, |row| row.standing.name().to_owned()),
        &column(&rows, |row| row.generation.cast_signed()),
        &column(&rows, |row| row.gateway_refund_id.clone()) as &[Option<String>],
        &column(&rows, |row| row.requested_at),
        &column(&rows, |row| row.done_at) as &[Option<OffsetDateTime>],
        &column(&rows, |row| row.other_way.clone()) as &[Option<String>],
        &column(&rows, |row| row.proof.clone()) as &[Option<String>],
    );
    Ok(())
}

fn seats(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows: Vec<_> = world
        .changes
        .seats_changed
        .iter()
        .filter_map(|key| world.seats.get(key))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    part!(writes as seated, "update show_seats s
         set state = c.state, booking_id = c.booking_id, reclaim_at = c.reclaim_at, changes = s.changes + 1
         from unnest($1::bigint[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[])
             as c (show_id, seat, state, booking_id, reclaim_at)
         where s.show_id = c.show_id and s.seat = c.seat",
        &column(&rows, |row| row.key.show.as_i64()),
        &column(&rows, |row| row.key.seat.clone()),
        &column(&rows, |row| row.state.name().to_owned()),
        &column(&rows, |row| row.booking.map(BookingId::uuid)) as &[Option<Uuid>],
        &column(&rows, |row| row.reclaim_at) as &[Option<OffsetDateTime>],
    );
    Ok(())
}

/// Keeps answers under their keys, and forgets fresh keys that got none.
fn keys(writes: &mut Writes, appends: &Appends, fresh: &[KeyClaim]) -> Result<(), TurnError> {
    let kept: Vec<_> = appends.answers.iter().collect();
    if !kept.is_empty() {
        part!(
            writes as answered,
            "update idempotency_keys k set status = c.status, body = c.body, resume = c.resume
             from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bytea[], $6::uuid[])
                 as c (user_id, route, key, status, body, resume)
             where k.user_id = c.user_id and k.route = c.route and k.key = c.key",
            &column(&kept, |(claim, _)| claim.user.0.clone()),
            &column(&kept, |(claim, _)| claim.route.clone()),
            &column(&kept, |(claim, _)| claim.key.clone()),
            &column(&kept, |(_, answer)| match answer {
                KeptAnswer::Answer { status, .. } => Some(i32::from(*status)),
                KeptAnswer::Begun { .. } => None,
            }) as &[Option<i32>],
            &column(&kept, |(_, answer)| match answer {
                KeptAnswer::Answer { body, .. } => Some(body.clone()),
                KeptAnswer::Begun { .. } => None,
            }) as &[Option<Vec<u8>>],
            &column(&kept, |(_, answer)| match answer {
                KeptAnswer::Answer { .. } => None,
                KeptAnswer::Begun { resume } => Some(*resume),
            }) as &[Option<Uuid>],
        );
    }
    let unanswered: Vec<_> = fresh
        .iter()
        .filter(|key| !kept.iter().any(|(claim, _)| claim == *key))
        .collect();
    if !unanswered.is_empty() {
        part!(
            writes as unanswered,
            "delete from idempotency_keys k
             using unnest($1::text[], $2::text[], $3::text[]) as c (user_id, route, key)
             where k.user_id = c.user_id and k.route = c.route and k.key = c.key",
            &column(&unanswered, |claim| claim.user.0.clone()),
            &column(&unanswered, |claim| claim.route.clone()),
            &column(&unanswered, |claim| claim.key.clone()),
        );
    }
    Ok(())
}

fn ledger(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows: Vec<_> = world.changes.ledger.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    part!(writes as posted, "insert into ledger (show_id, booking_id, payment_id, from_account, to_account, amount_minor, currency, at)
         select * from unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
             $7::text[], $8::timestamptz[])",
        &column(&rows, |row| row.booking.show().as_i64()),
        &column(&rows, |row| row.booking.uuid()),
        &column(&rows, |row| row.payment.uuid()),
        &column(&rows, |row| row.from.name().to_owned()),
        &column(&rows, |row| row.to.name().to_owned()),
        &column(&rows, |row| row.amount.minor),
        &column(&rows, |row| row.amount.currency.to_string()),
        &column(&rows, |row| row.at),
    );
    Ok(())
}

fn inbox(writes: &mut Writes, appends: &Appends) -> Result<(), TurnError> {
    let mut rows: Vec<_> = appends.inbox.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    part!(
        writes as heard,
        "insert into inbox (source, event_id, outcome)
         select * from unnest($1::text[], $2::text[], $3::text[])
         on conflict do nothing",
        &column(&rows, |(key, _)| key.source.clone()),
        &column(&rows, |(key, _)| key.event_id.clone()),
        &column(&rows, |(_, outcome)| match outcome {
            InboxOutcome::Applied => "applied".to_owned(),
            InboxOutcome::Ignored => "ignored".to_owned(),
        }),
    );
    Ok(())
}

/// What is to be published, in the order of the events.
fn outgoing(world: &World, appends: &Appends) -> Result<Vec<Outgoing>, TurnError> {
    let mut rows = world
        .changes
        .events
        .iter()
        .map(Outgoing::event)
        .collect::<Result<Vec<_>, _>>()?;
    rows.extend(appends.outgoing.iter().cloned());
    if let Some(large) = rows.iter().find(|row| row.payload.len() > LARGEST_PAYLOAD) {
        return Err(TurnError::Data(format!(
            "a {} of {} bytes is too large to be published (at most {LARGEST_PAYLOAD})",
            large.kind,
            large.payload.len()
        )));
    }
    Ok(rows)
}

/// Puts it into the outbox. The journal's part reads what this returns, so it is there for an empty one too.
fn outbox(writes: &mut Writes, rows: &[Outgoing]) -> Result<(), TurnError> {
    part!(
        writes as published,
        "insert into outbox (id, aggregatetype, aggregateid, type, booking_id, sequence, at, headers, payload)
         select o.id, o.topic, o.key, o.kind, o.booking_id, o.sequence, o.at, o.headers, o.payload
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::int[], $7::timestamptz[],
             $8::bytea[], $9::bytea[]) with ordinality
             as o (id, topic, key, kind, booking_id, sequence, at, headers, payload, nth)
         order by o.nth
         returning position, booking_id, sequence, type",
        &column(rows, |row| row.id),
        &column(rows, |row| row.topic.clone()),
        &column(rows, |row| row.key.clone()),
        &column(rows, |row| row.kind.clone()),
        &column(rows, |row| row.booking.map(BookingId::uuid)) as &[Option<Uuid>],
        &column(rows, |row| row.sequence.map(u32::cast_signed)) as &[Option<i32>],
        &column(rows, |row| row.at),
        &column(rows, |row| row.headers.as_deref().map(encode_headers)) as &[Option<Vec<u8>>],
        &column(rows, |row| row.payload.clone()),
    );
    Ok(())
}

/// One column of rows, as a parameter.
pub fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// An amount as two nullable columns.
pub fn money_columns(amount: Option<Money>) -> (Option<i64>, Option<String>) {
    (
        amount.map(|money| money.minor),
        amount.map(|money| money.currency.to_string()),
    )
}

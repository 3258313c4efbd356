//! Locks in the one order, then reads.
//!
//! Rows are locked one by one, in the order of the arrays (sorted by key), each by a `lateral` subquery with a
//! `for update` of its own. A join or an `in (select …)` must not stand beside `for update`: a row that another
//! transaction has changed meanwhile is looked at again through the whole join, and from the second such row
//! on PostgreSQL finds no partner for it and drops it from the answer. A seat that is missing is a seat that
//! is lost, and a good booking would be refunded.

use std::collections::BTreeMap;

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, ShowId, UserId};
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::{Seat, SeatKey};
use boxoffice_saga::task::{TaskKey, TaskKind};
use boxoffice_saga::world::World;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::commit::column;
use super::rows::{BesidePayment, BookingRow, RefundRow, SeatRow, booking_id};
use crate::claim::{Held, Wanted};
use crate::error::TurnError;

/// Locks everything wanted and reads the world, with the clock read after the last lock.
pub async fn world(
    db: &mut PgConnection,
    wanted: &Wanted,
    fresh_slots: &mut BTreeMap<(ShowId, UserId), BookingId>,
) -> Result<(World, Held), TurnError> {
    let mut world = World::new(OffsetDateTime::UNIX_EPOCH);
    if !wanted.slots.is_empty() {
        if let Some((seats, now)) = new_slots_and_seats(db, wanted, fresh_slots).await? {
            world.seats = by_key(seats);
            world.now = now;
            return Ok((world, Held::new()));
        }
        world.slots = slots(db, wanted, fresh_slots).await?;
    }

    let mut ids: Vec<Uuid> = wanted
        .bookings
        .iter()
        .chain(world.slots.values())
        .map(|id| id.uuid())
        .collect();
    ids.sort();
    ids.dedup();
    for booking in bookings(db, &ids).await? {
        world.bookings.insert(booking.id, booking);
    }

    let mut keys = wanted.seats.clone();
    let through_slots = world.slots.values();
    let with_seats = world.bookings.values().filter(|booking| {
        wanted.seats_of_bookings || through_slots.clone().any(|id| *id == booking.id)
    });
    for booking in with_seats {
        keys.extend(booking.seats.iter().map(|seat| SeatKey {
            show: booking.show(),
            seat: seat.clone(),
        }));
    }
    let keys: Vec<SeatKey> = keys.into_iter().collect();
    world.seats = by_key(seats(db, &keys).await?);

    let held = tasks(db, &wanted.tasks).await?;

    let ids: Vec<Uuid> = world.bookings.keys().map(|id| id.uuid()).collect();
    let (now, payments, any_refunds) = clock_and_payments(db, &ids).await?;
    world.now = now;
    world.payments = payments
        .into_iter()
        .map(|payment| (payment.id, payment))
        .collect();
    if any_refunds {
        world.refunds = refunds(db, &ids)
            .await?
            .into_iter()
            .map(|refund| (refund.id, refund))
            .collect();
    }
    Ok((world, held))
}

fn by_key(seats: Vec<Seat>) -> BTreeMap<SeatKey, Seat> {
    seats
        .into_iter()
        .map(|seat| (seat.key.clone(), seat))
        .collect()
}

/// Creates the slots that are missing, each with the booking that it will name, and if all of them were missing, which
/// is how most holds begin, locks the seats in the same round trip and reads the clock after the last lock. `None`: there
/// are slots whose bookings must be locked before any seat. What a slot names counts only as far as that booking lives,
/// so one whose hold is then refused does no harm.
async fn new_slots_and_seats(
    db: &mut PgConnection,
    wanted: &Wanted,
    fresh: &mut BTreeMap<(ShowId, UserId), BookingId>,
) -> Result<Option<(Vec<Seat>, OffsetDateTime)>, TurnError> {
    let nothing_else = wanted.bookings.is_empty() && wanted.tasks.is_empty();
    let slots: Vec<_> = wanted.slots.iter().collect();
    let seats: Vec<_> = wanted.seats.iter().collect();
    let rows = sqlx::query!(
        r#"with created as (
               insert into hold_slots (show_id, user_id, booking_id)
               select * from unnest($1::bigint[], $2::text[], $3::uuid[]) order by 1, 2
               on conflict (show_id, user_id) do nothing
               returning 1
           )
           select all_new.yes as "all_new!", clock_timestamp() as "now!", s.show_id as "show_id?", s.seat as "seat?",
                  s.state as "state?", s.booking_id, s.reclaim_at, s.price_minor as "price_minor?"
           from (select count(*) = $4 as yes from created) as all_new
           left join lateral (
               select found.* from unnest($5::bigint[], $6::text[]) as wanted (show_id, seat)
               cross join lateral (
                   select show_id, seat, state, booking_id, reclaim_at, price_minor from show_seats
                   where show_id = wanted.show_id and seat = wanted.seat and all_new.yes for update
               ) as found
           ) as s on true"#,
        &column(&slots, |((show, _), _)| show.as_i64()),
        &column(&slots, |((_, user), _)| user.0.clone()),
        &column(&slots, |(_, booking)| booking.uuid()),
        if nothing_else { slots.len() as i64 } else { -1 },
        &column(&seats, |key| key.show.as_i64()),
        &column(&seats, |key| key.seat.clone()),
    )
    .fetch_all(db)
    .await?;
    let Some(now) = rows.last().filter(|row| row.all_new).map(|row| row.now) else {
        return Ok(None);
    };
    fresh.clone_from(&wanted.slots);
    let mut locked = Vec::with_capacity(rows.len());
    for row in rows {
        if let (Some(show_id), Some(seat), Some(state), Some(price_minor)) =
            (row.show_id, row.seat, row.state, row.price_minor)
        {
            locked.push(Seat::try_from(SeatRow {
                show_id,
                seat,
                state,
                booking_id: row.booking_id,
                reclaim_at: row.reclaim_at,
                price_minor,
            })?);
        }
    }
    Ok(Some((locked, now)))
}

/// Locks the slots, which are there. Those that this turn has created name the bookings that it will place.
async fn slots(
    db: &mut PgConnection,
    wanted: &Wanted,
    fresh: &mut BTreeMap<(ShowId, UserId), BookingId>,
) -> Result<BTreeMap<(ShowId, UserId), BookingId>, TurnError> {
    let keys: Vec<_> = wanted.slots.keys().collect();
    let rows = sqlx::query!(
        r#"select s.show_id as "show_id!", s.user_id as "user_id!", s.booking_id as "booking_id!"
           from unnest($1::bigint[], $2::text[]) as wanted (show_id, user_id)
           cross join lateral (
               select show_id, user_id, booking_id from hold_slots
               where show_id = wanted.show_id and user_id = wanted.user_id for update
           ) s"#,
        &column(&keys, |(show, _)| show.as_i64()),
        &column(&keys, |(_, user)| user.0.clone()),
    )
    .fetch_all(db)
    .await?;
    let mut slots = BTreeMap::new();
    for row in rows {
        let show = ShowId::try_from(row.show_id)
            .map_err(|_| TurnError::Corrupt(format!("show {} in a slot", row.show_id)))?;
        let (key, booking) = ((show, UserId(row.user_id)), booking_id(row.booking_id)?);
        if wanted.slots.get(&key) == Some(&booking) {
            fresh.insert(key, booking);
        } else {
            slots.insert(key, booking);
        }
    }
    Ok(slots)
}

async fn bookings(db: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Booking>, TurnError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        BookingRow,
        r#"select booking_id, user_id, seats, amount_minor, currency, state, email, phone, language,
                  held_at, expires_at, reclaim_at, waiting_since, cancel_until_ms, cancel_fee_bp, confirmed_at,
                  sequence, version, updated_at
           from bookings where booking_id = any($1)
           order by booking_id for update"#,
        ids,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Booking::try_from).collect()
}

async fn seats(db: &mut PgConnection, keys: &[SeatKey]) -> Result<Vec<Seat>, TurnError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        SeatRow,
        r#"select s.show_id as "show_id!", s.seat as "seat!", s.state as "state!", s.booking_id, s.reclaim_at,
                  s.price_minor as "price_minor!"
           from unnest($1::bigint[], $2::text[]) as wanted (show_id, seat)
           cross join lateral (
               select show_id, seat, state, booking_id, reclaim_at, price_minor from show_seats
               where show_id = wanted.show_id and seat = wanted.seat for update
           ) s"#,
        &column(keys, |key| key.show.as_i64()),
        &column(keys, |key| key.seat.clone()),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Seat::try_from).collect()
}

async fn tasks(db: &mut PgConnection, wanted: &BTreeMap<TaskKey, Uuid>) -> Result<Held, TurnError> {
    if wanted.is_empty() {
        return Ok(Held::new());
    }
    let kinds: Vec<String> = wanted
        .keys()
        .map(|key| key.kind.name().to_owned())
        .collect();
    let subjects: Vec<Uuid> = wanted.keys().map(|key| key.subject).collect();
    let generations: Vec<i32> = wanted
        .keys()
        .map(|key| key.generation.cast_signed())
        .collect();
    // `kind || ''` leaves only the key's index: migration 20261121180000 says why.
    let rows = sqlx::query!(
        r#"select t.kind as "kind!", t.subject as "subject!", t.generation as "generation!", t.lease_token
           from unnest($1::text[], $2::uuid[], $3::int[]) as wanted (kind, subject, generation)
           cross join lateral (
               select kind, subject, generation, lease_token from tasks
               where subject = wanted.subject and generation = wanted.generation and kind || '' = wanted.kind
               for update
           ) t"#,
        &kinds,
        &subjects,
        &generations,
    )
    .fetch_all(db)
    .await?;
    let mut held = Held::new();
    for row in rows {
        let Some(kind) = TaskKind::from_name(&row.kind) else {
            continue;
        };
        let key = TaskKey {
            kind,
            subject: row.subject,
            generation: row.generation.cast_unsigned(),
        };
        if wanted.get(&key).copied() == row.lease_token {
            held.insert(key);
        }
    }
    Ok(held)
}

/// Reads the clock and, in the same round trip, the payments, and whether there is any refund to be read. Every lock is
/// taken by now.
///
/// No `exists` says so: a plan that was made while there were no refunds would answer that by a hash of all of them.
async fn clock_and_payments(
    db: &mut PgConnection,
    bookings: &[Uuid],
) -> Result<(OffsetDateTime, Vec<Payment>, bool), TurnError> {
    if bookings.is_empty() {
        let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
            .fetch_one(db)
            .await?;
        return Ok((now, Vec::new(), false));
    }
    let rows = sqlx::query_as!(
        BesidePayment,
        r#"select clock_timestamp() as "now!", p.payment_id as "payment_id?", p.booking_id as "booking_id?",
                  p.gateway as "gateway?", p.account as "account?", p.gateway_payment_id,
                  p.standing as "standing?", p.expected_minor as "expected_minor?",
                  p.expected_currency as "expected_currency?", p.captured_minor, p.captured_currency,
                  p.verdict, p.capture as "capture?", p.retained_minor as "retained_minor?", p.disputes,
                  p.opened_at as "opened_at?", p.decided_at,
                  coalesce((select true from refunds r where r.booking_id = p.booking_id limit 1), false) as "refunds!"
           from (values (1)) as always
           left join payments p on p.booking_id = any($1)"#,
        bookings,
    )
    .fetch_all(db)
    .await?;
    let now = rows
        .first()
        .map_or(OffsetDateTime::UNIX_EPOCH, |row| row.now);
    let any_refunds = rows.iter().any(|row| row.refunds);
    let mut payments = Vec::with_capacity(rows.len());
    for row in rows {
        payments.extend(row.read()?);
    }
    Ok((now, payments, any_refunds))
}

async fn refunds(db: &mut PgConnection, bookings: &[Uuid]) -> Result<Vec<Refund>, TurnError> {
    let rows = sqlx::query_as!(
        RefundRow,
        r#"select refund_id, payment_id, booking_id, amount_minor, currency, cause, standing, generation,
                  gateway_refund_id, other_way, proof, requested_at, done_at
           from refunds where booking_id = any($1)"#,
        bookings,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Refund::try_from).collect()
}

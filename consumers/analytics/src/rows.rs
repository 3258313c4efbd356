//! The analytics' tables: one statement each for a batch, whatever its size. Rows are locked and written in the
//! order of their keys.

use std::collections::BTreeMap;

use boxoffice_saga::identity::BookingId;
use boxoffice_turn::TurnError;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::tally::Tally;

/// Locks the bookings and reads the last sequence counted of each that has one. Whoever is here for a booking
/// holds the position of its partition, so nobody else inserts a row for it.
pub(crate) async fn seen(
    db: &mut PgConnection,
    bookings: &[BookingId],
) -> Result<BTreeMap<BookingId, i64>, TurnError> {
    let mut ids: Vec<Uuid> = bookings.iter().map(|booking| booking.uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = sqlx::query!(
        r#"select b.booking_id as "booking_id!", b.last_sequence as "last_sequence!"
           from unnest($1::uuid[]) as wanted (booking_id)
           cross join lateral (
               select booking_id, last_sequence from analytics_bookings
               where booking_id = wanted.booking_id for update
           ) b"#,
        &ids,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let booking = BookingId::try_from(row.booking_id);
            let booking = booking.map_err(|error| TurnError::Corrupt(error.to_string()))?;
            Ok((booking, row.last_sequence))
        })
        .collect()
}

/// Adds the tally to the totals.
pub(crate) async fn add(db: &mut PgConnection, tally: &Tally) -> Result<(), TurnError> {
    bookings(db, tally).await?;
    counts(db, tally).await?;
    takings(db, tally).await
}

async fn bookings(db: &mut PgConnection, tally: &Tally) -> Result<(), TurnError> {
    if tally.advanced.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = tally
        .advanced
        .keys()
        .map(|booking| booking.uuid())
        .collect();
    let sequences: Vec<i64> = tally.advanced.values().copied().collect();
    sqlx::query!(
        "insert into analytics_bookings (booking_id, last_sequence)
         select * from unnest($1::uuid[], $2::bigint[]) order by 1
         on conflict (booking_id) do update set last_sequence = excluded.last_sequence",
        &ids,
        &sequences,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn counts(db: &mut PgConnection, tally: &Tally) -> Result<(), TurnError> {
    if tally.counts.is_empty() {
        return Ok(());
    }
    let rows = &tally.counts;
    sqlx::query!(
        "insert into analytics_shows_daily as kept (show_id, day, holds_placed, holds_expired, holds_released,
             holds_replaced, bookings_confirmed, seats_sold, bookings_cancelled, bookings_failed,
             payments_completed, payments_failed, payments_rejected, refunds_completed, refunds_failed)
         select * from unnest($1::bigint[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
             $14::bigint[], $15::bigint[])
         order by 1, 2
         on conflict (show_id, day) do update set
             holds_placed = kept.holds_placed + excluded.holds_placed,
             holds_expired = kept.holds_expired + excluded.holds_expired,
             holds_released = kept.holds_released + excluded.holds_released,
             holds_replaced = kept.holds_replaced + excluded.holds_replaced,
             bookings_confirmed = kept.bookings_confirmed + excluded.bookings_confirmed,
             seats_sold = kept.seats_sold + excluded.seats_sold,
             bookings_cancelled = kept.bookings_cancelled + excluded.bookings_cancelled,
             bookings_failed = kept.bookings_failed + excluded.bookings_failed,
             payments_completed = kept.payments_completed + excluded.payments_completed,
             payments_failed = kept.payments_failed + excluded.payments_failed,
             payments_rejected = kept.payments_rejected + excluded.payments_rejected,
             refunds_completed = kept.refunds_completed + excluded.refunds_completed,
             refunds_failed = kept.refunds_failed + excluded.refunds_failed",
        &column(rows.keys(), |(show, _)| show.as_i64()),
        &column(rows.keys(), |(_, day)| *day),
        &column(rows.values(), |row| row.holds_placed),
        &column(rows.values(), |row| row.holds_expired),
        &column(rows.values(), |row| row.holds_released),
        &column(rows.values(), |row| row.holds_replaced),
        &column(rows.values(), |row| row.bookings_confirmed),
        &column(rows.values(), |row| row.seats_sold),
        &column(rows.values(), |row| row.bookings_cancelled),
        &column(rows.values(), |row| row.bookings_failed),
        &column(rows.values(), |row| row.payments_completed),
        &column(rows.values(), |row| row.payments_failed),
        &column(rows.values(), |row| row.payments_rejected),
        &column(rows.values(), |row| row.refunds_completed),
        &column(rows.values(), |row| row.refunds_failed),
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn takings(db: &mut PgConnection, tally: &Tally) -> Result<(), TurnError> {
    if tally.takings.is_empty() {
        return Ok(());
    }
    let rows = &tally.takings;
    sqlx::query!(
        "insert into analytics_money_daily as kept (show_id, day, currency, revenue_minor, refunded_minor)
         select * from unnest($1::bigint[], $2::date[], $3::text[], $4::bigint[], $5::bigint[])
         order by 1, 2, 3
         on conflict (show_id, day, currency) do update set
             revenue_minor = kept.revenue_minor + excluded.revenue_minor,
             refunded_minor = kept.refunded_minor + excluded.refunded_minor",
        &column(rows.keys(), |(show, _, _)| show.as_i64()),
        &column(rows.keys(), |(_, day, _)| *day),
        &column(rows.keys(), |(_, _, currency)| currency.to_string()),
        &column(rows.values(), |row| row.revenue_minor),
        &column(rows.values(), |row| row.refunded_minor),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Empties all tables. No turn may be under way.
pub(crate) async fn empty(db: &mut PgConnection) -> Result<(), TurnError> {
    sqlx::query!("truncate analytics_bookings, analytics_shows_daily, analytics_money_daily")
        .execute(db)
        .await?;
    Ok(())
}

fn column<'a, R: 'a, T>(rows: impl Iterator<Item = &'a R>, value: impl Fn(&R) -> T) -> Vec<T> {
    rows.map(value).collect()
}

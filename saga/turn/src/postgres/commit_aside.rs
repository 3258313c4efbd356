//! Writes what a turn sets aside: for a person, parked, dead; and what a person did.

use boxoffice_saga::identity::{BookingId, PaymentId};
use boxoffice_saga::world::World;
use sqlx::PgConnection;
use uuid::Uuid;

use super::commit::{column, money_columns};
use super::writes::{Writes, part};
use crate::claim::Appends;
use crate::error::TurnError;
use crate::outgoing::encode_headers;

/// Writes the operators' list, after what has settled itself, and their acts, parked records and dead letters.
pub async fn write(
    db: &mut PgConnection,
    world: &World,
    appends: &Appends,
) -> Result<(), TurnError> {
    attention(db, world).await?;
    parked(db, appends).await?;
    dead_letters(db, appends).await?;
    acts(db, appends).await
}

/// Closes what has settled itself.
pub fn settled(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows: Vec<_> = world.changes.attention_settled.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    part!(
        writes as settled,
        "update attention a set closed_at = clock_timestamp()
         from unnest($1::text[], $2::uuid[]) as c (kind, subject)
         where a.kind = c.kind and a.subject = c.subject and a.closed_at is null",
        &column(&rows, |(kind, _)| kind.name().to_owned()),
        &column(&rows, |(_, subject)| *subject),
    );
    Ok(())
}

/// An item that is open already keeps its place and gets the newer reason; a closed one is opened again.
async fn attention(db: &mut PgConnection, world: &World) -> Result<(), TurnError> {
    // One statement may not touch a row twice: the last word on a subject counts.
    let mut latest = std::collections::BTreeMap::new();
    for item in &world.changes.attention {
        latest.insert((item.kind, item.subject), item);
    }
    let rows: Vec<_> = latest.into_values().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let show =
        |item: &&boxoffice_saga::attention::Attention| item.booking.map(|id| id.show().as_i64());
    sqlx::query!(
        "insert into attention (kind, subject, show_id, booking_id, payment_id, amount_minor, currency, reason,
             opened_at)
         select * from unnest($1::text[], $2::uuid[], $3::bigint[], $4::uuid[], $5::uuid[], $6::bigint[],
             $7::text[], $8::text[], $9::timestamptz[])
         on conflict (kind, subject) do update
         set reason = excluded.reason, closed_at = null,
             opened_at = case when attention.closed_at is null then attention.opened_at
                              else excluded.opened_at end",
        &column(&rows, |row| row.kind.name().to_owned()),
        &column(&rows, |row| row.subject),
        &column(&rows, show) as &[Option<i64>],
        &column(&rows, |row| row.booking.map(BookingId::uuid)) as &[Option<Uuid>],
        &column(&rows, |row| row.payment.map(PaymentId::uuid)) as &[Option<Uuid>],
        &column(&rows, |row| money_columns(row.amount).0) as &[Option<i64>],
        &column(&rows, |row| money_columns(row.amount).1) as &[Option<String>],
        &column(&rows, |row| row.reason.clone()),
        &column(&rows, |row| row.at),
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn parked(db: &mut PgConnection, appends: &Appends) -> Result<(), TurnError> {
    let rows = &appends.parked;
    if !rows.is_empty() {
        sqlx::query!(
            "insert into parked_records (record_id, gateway, account, event_id, kind, booking_id,
                 gateway_payment_id, headers, payload, reason)
             select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[],
                 $7::text[], $8::bytea[], $9::bytea[], $10::text[])
             on conflict do nothing",
            &column(rows, |row| row.id),
            &column(rows, |row| row.account.gateway.clone()),
            &column(rows, |row| row.account.account.clone()),
            &column(rows, |row| row.event_id.clone()),
            &column(rows, |row| row.kind.clone()),
            &column(rows, |row| row.booking.map(BookingId::uuid)) as &[Option<Uuid>],
            &column(rows, |row| row.gateway_payment_id.clone()) as &[Option<String>],
            &column(rows, |row| encode_headers(&row.headers)),
            &column(rows, |row| row.payload.clone()),
            &column(rows, |row| row.reason.clone()),
        )
        .execute(&mut *db)
        .await?;
    }
    if !appends.unparked.is_empty() {
        sqlx::query!(
            "delete from parked_records where record_id = any($1)",
            &appends.unparked
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

async fn dead_letters(db: &mut PgConnection, appends: &Appends) -> Result<(), TurnError> {
    let rows = &appends.dead_letters;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"insert into dead_letters (letter_id, consumer, topic, partition, "offset", key, headers, payload, reason)
           select * from unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::bytea[],
               $7::bytea[], $8::bytea[], $9::text[])
           on conflict do nothing"#,
        &column(rows, |row| row.id),
        &column(rows, |row| row.consumer.clone()),
        &column(rows, |row| row.topic.clone()),
        &column(rows, |row| row.partition),
        &column(rows, |row| row.offset),
        &column(rows, |row| row.key.clone()) as &[Option<Vec<u8>>],
        &column(rows, |row| encode_headers(&row.headers)),
        &column(rows, |row| row.payload.clone()),
        &column(rows, |row| row.reason.clone()),
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn acts(db: &mut PgConnection, appends: &Appends) -> Result<(), TurnError> {
    let rows = &appends.acts;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into operator_acts (who, door, what, subject, why, outcome)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])",
        &column(rows, |row| row.who.clone()),
        &column(rows, |row| row.door.name().to_owned()),
        &column(rows, |row| row.what.to_owned()),
        &column(rows, |row| row.subject.clone()) as &[Option<String>],
        &column(rows, |row| row.why.clone()) as &[Option<String>],
        &column(rows, |row| row.outcome.clone()),
    )
    .execute(db)
    .await?;
    Ok(())
}

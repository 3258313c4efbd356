//! What no look at one show can find: rows that belong to nothing, and what must be unique over all shows. Each
//! statement is a snapshot of its own, and a turn's rows become visible together, so a busy system is no liar.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::promises::Promise;
use sqlx::PgPool;
use uuid::Uuid;

use super::finding::{Finding, Rule};

/// At most so many findings of one kind are named.
const NAMED: i64 = 200;

/// A row that should not be like that.
#[derive(Debug)]
struct Odd {
    booking_id: Option<Uuid>,
    what: String,
}

/// Looks through the tables.
///
/// # Errors
/// When the database cannot be read.
pub async fn look(pool: &PgPool) -> Result<Vec<Finding>, sqlx::Error> {
    let mut found = Vec::new();
    let mut add = |rule, rows: Vec<Odd>| {
        found.extend(rows.into_iter().map(|odd| {
            let booking = odd.booking_id.and_then(|id| BookingId::try_from(id).ok());
            Finding::new(rule, booking, odd.what)
        }));
    };
    add(Rule::Rows, bookings(pool).await?);
    add(Rule::Rows, payments(pool).await?);
    add(Rule::Rows, refunds(pool).await?);
    add(Rule::Rows, ledger(pool).await?);
    add(Rule::Rows, tasks(pool).await?);
    add(Rule::Rows, attention(pool).await?);
    add(Rule::Rows, seats(pool).await?);
    add(
        Rule::Promise(Promise::Money1),
        money_of_bookings(pool).await?,
    );
    add(Rule::Promise(Promise::Money2), refunded_twice(pool).await?);
    add(Rule::Promise(Promise::Money3), disputes(pool).await?);
    add(Rule::Promise(Promise::Saga1), payments_twice(pool).await?);
    add(Rule::Promise(Promise::Saga1), journal(pool).await?);
    add(Rule::Promise(Promise::Saga1), applied_twice(pool).await?);
    Ok(found)
}

async fn bookings(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select b.booking_id as "booking_id?",
                  format('booking %s belongs to show %s, which does not exist', b.booking_id, b.show_id) as "what!"
           from bookings b left join shows s using (show_id) where s.show_id is null limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

async fn payments(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select p.booking_id as "booking_id?",
                  case when b.booking_id is null
                       then format('payment %s belongs to booking %s, which does not exist', p.payment_id, p.booking_id)
                       else format('payment %s is of show %s and its booking %s of show %s', p.payment_id, p.show_id,
                                   p.booking_id, b.show_id)
                  end as "what!"
           from payments p left join bookings b using (booking_id)
           where b.booking_id is null or b.show_id <> p.show_id limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

async fn refunds(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select r.booking_id as "booking_id?",
                  case when p.payment_id is null
                       then format('refund %s returns payment %s, which does not exist', r.refund_id, r.payment_id)
                       else format('refund %s is of booking %s and its payment %s of booking %s', r.refund_id,
                                   r.booking_id, r.payment_id, p.booking_id)
                  end as "what!"
           from refunds r left join payments p using (payment_id)
           where p.payment_id is null or p.booking_id <> r.booking_id limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

async fn ledger(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select l.booking_id as "booking_id?",
                  case when p.payment_id is null
                       then format('ledger entry %s moves money of payment %s, which does not exist', l.entry,
                                   l.payment_id)
                       else format('ledger entry %s is of booking %s and its payment %s of booking %s', l.entry,
                                   l.booking_id, l.payment_id, p.booking_id)
                  end as "what!"
           from ledger l left join payments p using (payment_id)
           where p.payment_id is null or p.booking_id <> l.booking_id limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// Tasks for nothing: their turn would find nobody.
async fn tasks(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select t.booking_id as "booking_id?",
                  format('task %s of %s, generation %s, is about something that does not exist', t.kind, t.subject,
                         t.generation) as "what!"
           from tasks t
           where (t.booking_id is not null
                  and not exists (select from bookings b where b.booking_id = t.booking_id))
              or (t.kind in ('verify', 'void', 'capture')
                  and not exists (select from payments p where p.payment_id = t.subject))
              or (t.kind in ('refund', 'mass_refund')
                  and not exists (select from refunds r where r.refund_id = t.subject))
              or (t.kind = 'trace'
                  and not exists (select from parked_records p where p.record_id = t.subject))
           limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// Items about nothing. One about a record with an unknown reference names what does not exist: that is its point.
async fn attention(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select a.booking_id as "booking_id?",
                  format('item %s about %s names a booking or a payment that does not exist', a.kind, a.subject)
                      as "what!"
           from attention a
           where a.kind not in ('unknown_booking', 'promise_broken')
             and ((a.booking_id is not null
                   and not exists (select from bookings b where b.booking_id = a.booking_id))
               or (a.payment_id is not null
                   and not exists (select from payments p where p.payment_id = a.payment_id)))
           limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// Held seats whose hold is over stay held for ever if nobody else wants them: they must name a live hold.
async fn seats(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select s.booking_id as "booking_id?",
                  format('seat %s of show %s is held by %s, which is no live hold of it', s.seat, s.show_id,
                         s.booking_id) as "what!"
           from show_seats s left join bookings b using (booking_id)
           where s.state = 'HELD'
             and (b.booking_id is null or b.state <> 'HELD' or b.show_id <> s.show_id or not s.seat = any(b.seats))
           limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// MONEY-1 per booking: what its payments captured is what the ledger took in for it.
async fn money_of_bookings(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"with captured as (
               select booking_id, captured_currency as currency, sum(captured_minor) as minor
               from payments where captured_minor is not null group by 1, 2
           ), booked as (
               select booking_id, currency,
                      sum(case when from_account = 'GATEWAY' then amount_minor else 0 end
                          - case when to_account = 'GATEWAY' then amount_minor else 0 end) as minor
               from ledger group by 1, 2
           )
           select booking_id as "booking_id?",
                  format('booking %s captured %s %s and the ledger took in %s for it', booking_id,
                         coalesce(c.minor, 0), currency, coalesce(l.minor, 0)) as "what!"
           from captured c full join booked l using (booking_id, currency)
           where coalesce(c.minor, 0) <> coalesce(l.minor, 0) limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// MONEY-2 over all shows: a refund of the gateway is one of ours.
async fn refunded_twice(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select (array_agg(r.booking_id))[1] as "booking_id?",
                  format('refund %s of %s is %s refunds of ours: %s', r.gateway_refund_id, p.gateway, count(*),
                         string_agg(r.refund_id::text, ', ')) as "what!"
           from refunds r join payments p using (payment_id)
           where r.gateway_refund_id is not null
           group by p.gateway, p.account, r.gateway_refund_id having count(*) > 1 limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// MONEY-3: an open dispute has a deadline at the gateway, so somebody was told of it.
async fn disputes(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select p.booking_id as "booking_id?",
                  format('payment %s is disputed, and no person was told', p.payment_id) as "what!"
           from payments p
           where p.disputes like '%"opened"%'
             and not exists (select from attention a
                             where a.kind = 'dispute_opened' and a.payment_id = p.payment_id)
           limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// SAGA-1: what keeps an input from being applied twice for ever is that its payment is one row.
async fn payments_twice(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select (array_agg(booking_id))[1] as "booking_id?",
                  format('payment %s of %s/%s is %s payments of ours: %s', gateway_payment_id, gateway, account,
                         count(*), string_agg(payment_id::text, ', ')) as "what!"
           from payments where gateway_payment_id is not null
           group by gateway, account, gateway_payment_id having count(*) > 1 limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// SAGA-1: what was decided has a row.
async fn journal(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select j.booking_id as "booking_id?",
                  format('the journal tells of booking %s (from entry %s on), which does not exist', j.booking_id,
                         min(j.entry)) as "what!"
           from journal j left join bookings b using (booking_id)
           where b.booking_id is null group by j.booking_id limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

/// SAGA-1: a record of Kafka is applied once, for the position moves with it. It may bring several inputs, but none twice.
async fn applied_twice(pool: &PgPool) -> Result<Vec<Odd>, sqlx::Error> {
    sqlx::query_as!(
        Odd,
        r#"select booking_id as "booking_id?",
                  format('the record %s/%s@%s was applied %s times, by the journal''s entries %s', source_topic,
                         source_partition, source_offset, count(*), string_agg(entry::text, ', ')) as "what!"
           from journal where source_topic is not null
           group by source_topic, source_partition, source_offset, booking_id, input
           having count(*) > 1 limit $1"#,
        NAMED
    )
    .fetch_all(pool)
    .await
}

//! Reads that are no turns: status documents, the audit.

use std::collections::BTreeMap;

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::ledger::Entry;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::promises::{Books, Closed};
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::Seat;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::{BookingRow, EntryRow, PaymentRow, RefundRow, SeatRow, booking_id};
use crate::error::TurnError;

/// A booking with its money, as of one moment.
#[derive(Clone, Debug)]
pub struct Case {
    /// The booking.
    pub booking: Booking,
    /// Its payments.
    pub payments: Vec<Payment>,
    /// Its refunds.
    pub refunds: Vec<Refund>,
}

/// Begins a read of one snapshot. A transaction of sqlx's, so that a reader who goes away in the middle does
/// not leave it open on a connection that a turn gets next.
const SNAPSHOT: &str = "begin isolation level repeatable read read only";

impl super::PgStore {
    /// Reads bookings with their money in one snapshot, and the database's clock. Unknown ids are left out.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`]; reading again is safe.
    pub async fn cases(
        &self,
        ids: &[BookingId],
    ) -> Result<(OffsetDateTime, BTreeMap<BookingId, Case>), TurnError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        // JSON aggregates in one statement would save nothing here: most bookings have one payment and no
        // refund.
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let read = read_cases(&mut snapshot, &ids).await?;
        snapshot.commit().await?;
        Ok(read)
    }

    /// Reads everything about the bookings of `show`, in one snapshot, for the promises to be checked.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`]; reading again is safe. [`TurnError::Corrupt`] for rows that cannot be read.
    pub async fn books(&self, show: ShowId) -> Result<Books, TurnError> {
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let read = read_books(&mut snapshot, show).await?;
        snapshot.commit().await?;
        Ok(read)
    }
}

async fn read_cases(
    db: &mut PgConnection,
    ids: &[Uuid],
) -> Result<(OffsetDateTime, BTreeMap<BookingId, Case>), TurnError> {
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(&mut *db)
        .await?;
    let mut cases = BTreeMap::new();
    let rows = sqlx::query_as!(
        BookingRow,
        r#"select booking_id, user_id, seats, amount_minor, currency, state, email, phone, language,
                  held_at, expires_at, reclaim_at, waiting_since, cancel_until_ms, cancel_fee_bp, confirmed_at,
                  sequence, version, updated_at
           from bookings where booking_id = any($1)"#,
        ids,
    )
    .fetch_all(&mut *db)
    .await?;
    for row in rows {
        let booking = Booking::try_from(row)?;
        cases.insert(
            booking.id,
            Case {
                booking,
                payments: Vec::new(),
                refunds: Vec::new(),
            },
        );
    }
    let rows = sqlx::query_as!(
        PaymentRow,
        r#"select payment_id, booking_id, gateway, account, gateway_payment_id, standing, expected_minor,
                  expected_currency, captured_minor, captured_currency, verdict, capture, retained_minor,
                  disputes, opened_at, decided_at
           from payments where booking_id = any($1) order by opened_at, payment_id"#,
        ids,
    )
    .fetch_all(&mut *db)
    .await?;
    let mut money = false;
    for row in rows {
        let payment = Payment::try_from(row)?;
        money |= payment.captured.is_some();
        if let Some(case) = cases.get_mut(&payment.booking) {
            case.payments.push(payment);
        }
    }
    if money {
        let rows = sqlx::query_as!(
            RefundRow,
            r#"select refund_id, payment_id, booking_id, amount_minor, currency, cause, standing, generation,
                      gateway_refund_id, failed_there, other_way, proof, requested_at, done_at
               from refunds where booking_id = any($1) order by requested_at, refund_id"#,
            ids,
        )
        .fetch_all(&mut *db)
        .await?;
        for row in rows {
            let refund = Refund::try_from(row)?;
            if let Some(case) = cases.get_mut(&refund.booking) {
                case.refunds.push(refund);
            }
        }
    }
    Ok((now, cases))
}

async fn read_books(db: &mut PgConnection, show: ShowId) -> Result<Books, TurnError> {
    let id = show.as_i64();
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(&mut *db)
        .await?;
    let closed = sqlx::query!(
        "select cancelled_at, removed_at from shows where show_id = $1",
        id
    )
    .fetch_optional(&mut *db)
    .await?
    .and_then(|row| match (row.cancelled_at, row.removed_at) {
        (_, Some(_)) => Some(Closed::Removed),
        (Some(since), None) => Some(Closed::Cancelled { since }),
        (None, None) => None,
    });
    let bookings = sqlx::query_as!(
        BookingRow,
        r#"select booking_id, user_id, seats, amount_minor, currency, state, email, phone, language,
                  held_at, expires_at, reclaim_at, waiting_since, cancel_until_ms, cancel_fee_bp, confirmed_at,
                  sequence, version, updated_at
           from bookings where show_id = $1"#,
        id,
    )
    .fetch_all(&mut *db)
    .await?;
    let payments = sqlx::query_as!(
        PaymentRow,
        r#"select p.payment_id, p.booking_id, p.gateway, p.account, p.gateway_payment_id, p.standing,
                  p.expected_minor, p.expected_currency, p.captured_minor, p.captured_currency, p.verdict,
                  p.capture, p.retained_minor, p.disputes,
                  p.opened_at, p.decided_at
           from payments p join bookings b using (booking_id) where b.show_id = $1"#,
        id,
    )
    .fetch_all(&mut *db)
    .await?;
    let refunds = sqlx::query_as!(
        RefundRow,
        r#"select r.refund_id, r.payment_id, r.booking_id, r.amount_minor, r.currency, r.cause, r.standing,
                  r.generation, r.gateway_refund_id, r.failed_there, r.other_way, r.proof, r.requested_at, r.done_at
           from refunds r join bookings b using (booking_id) where b.show_id = $1"#,
        id,
    )
    .fetch_all(&mut *db)
    .await?;
    let seats = sqlx::query_as!(
        SeatRow,
        "select show_id, seat, state, booking_id, reclaim_at, price_minor from show_seats where show_id = $1",
        id,
    )
    .fetch_all(&mut *db)
    .await?;
    let ledger = sqlx::query_as!(
        EntryRow,
        r#"select l.booking_id, l.payment_id, l.from_account, l.to_account, l.amount_minor, l.currency, l.at
           from payments p join ledger l using (payment_id) where p.show_id = $1"#,
        id,
    )
    .fetch_all(&mut *db)
    .await?;
    let events = sqlx::query!(
        r#"select o.booking_id as "booking_id!", o.sequence as "sequence!"
           from outbox o join bookings b using (booking_id)
           where b.show_id = $1 and o.sequence is not null
           order by o.position"#,
        id,
    )
    .fetch_all(&mut *db)
    .await?;
    let people = sqlx::query_scalar!(
        "select subject from attention where show_id = $1 and closed_at is null",
        id
    )
    .fetch_all(&mut *db)
    .await?;

    let bookings = bookings
        .into_iter()
        .map(Booking::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    let payments = payments
        .into_iter()
        .map(Payment::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    let mut sequences: BTreeMap<BookingId, Vec<u32>> = BTreeMap::new();
    for event in events {
        sequences
            .entry(booking_id(event.booking_id)?)
            .or_default()
            .push(event.sequence.cast_unsigned());
    }
    Ok(Books {
        now,
        bookings: bookings
            .into_iter()
            .map(|booking| (booking.id, booking))
            .collect(),
        payments: payments
            .into_iter()
            .map(|payment| (payment.id, payment))
            .collect(),
        refunds: refunds
            .into_iter()
            .map(Refund::try_from)
            .collect::<Result<_, _>>()?,
        seats: seats
            .into_iter()
            .map(Seat::try_from)
            .collect::<Result<_, _>>()?,
        closed: closed.map(|closed| (show, closed)).into_iter().collect(),
        ledger: ledger
            .into_iter()
            .map(Entry::try_from)
            .collect::<Result<_, _>>()?,
        sequences,
        with_person: people.into_iter().collect(),
    })
}

//! Reads that are no turns: status documents.

use std::collections::BTreeMap;

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::{BookingRow, CaseRow, PaymentRow, RefundRow};
use crate::error::TurnError;
pub use crate::reads::Case;

/// Begins a read of one snapshot. A transaction of sqlx's, so that a reader who goes away in the middle does
/// not leave it open on a connection that a turn gets next.
pub(super) const SNAPSHOT: &str = "begin isolation level repeatable read read only";

impl super::PgStore {
    /// Reads bookings with their money in one snapshot, and the database's clock. Unknown ids are left out.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`]; reading again is safe.
    pub async fn cases(&self, ids: &[BookingId]) -> Result<Read, TurnError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        // Most bookings have no refund: these are read with one statement, which is a snapshot by itself.
        if let Some(read) = self.cases_without_refunds(&ids).await? {
            return Ok(read);
        }
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let read = read_cases(&mut snapshot, &ids).await?;
        snapshot.commit().await?;
        Ok(read)
    }

    /// `None`: a booking has refunds, or none of them is there.
    async fn cases_without_refunds(&self, ids: &[Uuid]) -> Result<Option<Read>, TurnError> {
        let rows = sqlx::query_as!(
            CaseRow,
            r#"select clock_timestamp() as "now!",
                      exists (select from refunds r where r.booking_id = b.booking_id) as "refunds!",
                      b.booking_id, b.user_id, b.seats, b.amount_minor, b.currency, b.state, b.email, b.phone,
                      b.language, b.held_at, b.expires_at, b.reclaim_at, b.waiting_since, b.cancel_until_ms,
                      b.cancel_fee_bp, b.confirmed_at, b.sequence, b.version, b.updated_at,
                      p.payment_id as "payment_id?", p.gateway as "gateway?", p.account as "account?",
                      p.gateway_payment_id as "gateway_payment_id?", p.standing as "standing?",
                      p.expected_minor as "expected_minor?", p.expected_currency as "expected_currency?",
                      p.captured_minor as "captured_minor?", p.captured_currency as "captured_currency?",
                      p.verdict as "verdict?", p.capture as "capture?", p.retained_minor as "retained_minor?",
                      p.disputes as "disputes?", p.opened_at as "opened_at?", p.decided_at as "decided_at?"
               from bookings b left join payments p on p.booking_id = b.booking_id
               where b.booking_id = any($1)
               order by p.opened_at, p.payment_id"#,
            ids,
        )
        .fetch_all(&self.pool)
        .await?;
        let Some(now) = rows.first().map(|row| row.now) else {
            return Ok(None);
        };
        if rows.iter().any(|row| row.refunds) {
            return Ok(None);
        }
        let mut cases = BTreeMap::new();
        for row in rows {
            let (booking, payment) = row.split()?;
            let case = cases.entry(booking.id).or_insert_with(|| Case {
                booking,
                payments: Vec::new(),
                refunds: Vec::new(),
            });
            case.payments.extend(payment);
        }
        Ok(Some((now, cases)))
    }
}

type Read = (OffsetDateTime, BTreeMap<BookingId, Case>);

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
    let paying = !rows.is_empty();
    for row in rows {
        let payment = Payment::try_from(row)?;
        if let Some(case) = cases.get_mut(&payment.booking) {
            case.payments.push(payment);
        }
    }
    if paying {
        let rows = sqlx::query_as!(
            RefundRow,
            r#"select refund_id, payment_id, booking_id, amount_minor, currency, cause, standing, generation,
                      gateway_refund_id, other_way, proof, requested_at, done_at
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

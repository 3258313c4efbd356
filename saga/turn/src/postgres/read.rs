//! Reads that are no turns: status documents.

use std::collections::BTreeMap;

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::{BookingRow, PaymentRow, RefundRow};
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

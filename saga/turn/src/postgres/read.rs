//! Reads that are no turns: status documents.

use std::collections::BTreeMap;

use boxoffice_saga::identity::BookingId;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::{CaseRow, booking_id};
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
        // One statement is a snapshot by itself, and one round trip.
        let rows = sqlx::query_as!(
            CaseRow,
            r#"select clock_timestamp() as "now!",
                      b.booking_id, b.user_id, b.seats, b.amount_minor, b.currency, b.state, b.email, b.phone,
                      b.language, b.held_at, b.expires_at, b.reclaim_at, b.waiting_since, b.cancel_until_ms,
                      b.cancel_fee_bp, b.confirmed_at, b.sequence, b.version, b.updated_at,
                      p.payment_id as "payment_id?", p.gateway as "gateway?", p.account as "account?",
                      p.gateway_payment_id as "gateway_payment_id?", p.standing as "standing?",
                      p.expected_minor as "expected_minor?", p.expected_currency as "expected_currency?",
                      p.captured_minor as "captured_minor?", p.captured_currency as "captured_currency?",
                      p.verdict as "verdict?", p.capture as "capture?", p.retained_minor as "retained_minor?",
                      p.disputes as "disputes?", p.opened_at as "opened_at?", p.decided_at as "decided_at?",
                      r.refund_id as "refund_id?", r.amount_minor as "refund_minor?", r.currency as "refund_currency?",
                      r.cause as "cause?", r.standing as "refund_standing?", r.generation as "generation?",
                      r.gateway_refund_id as "gateway_refund_id?", r.other_way as "other_way?", r.proof as "proof?",
                      r.requested_at as "requested_at?", r.done_at as "done_at?"
               from bookings b
               left join payments p on p.booking_id = b.booking_id
               left join refunds r on r.booking_id = b.booking_id and r.payment_id = p.payment_id
               where b.booking_id = any($1)
               order by p.opened_at, p.payment_id, r.requested_at, r.refund_id"#,
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        let Some(now) = rows.first().map(|row| row.now) else {
            let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#);
            return Ok((now.fetch_one(&self.pool).await?, BTreeMap::new()));
        };
        let mut cases = BTreeMap::new();
        for row in rows {
            let (booking, payment, refund) = row.split()?;
            let case = cases.entry(booking.id).or_insert_with(|| Case {
                booking,
                payments: Vec::new(),
                refunds: Vec::new(),
            });
            // A payment with several refunds comes as often, one after the other.
            let last = case.payments.last().map(|payment| payment.id);
            case.payments
                .extend(payment.filter(|payment| last != Some(payment.id)));
            case.refunds.extend(refund);
        }
        for case in cases.values_mut() {
            case.refunds
                .sort_by_key(|refund| (refund.requested_at, refund.id));
        }
        Ok((now, cases))
    }

    /// The versions of bookings, each with the database's clock. Unknown ids are left out.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`]; reading again is safe. [`TurnError::Corrupt`] for an id that is none of ours.
    pub async fn versions(
        &self,
        ids: &[BookingId],
    ) -> Result<Vec<(BookingId, (u64, OffsetDateTime))>, TurnError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let rows = sqlx::query!(
            r#"select clock_timestamp() as "now!", booking_id, version from bookings where booking_id = any($1)"#,
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let version = row.version.cast_unsigned();
                Ok((booking_id(row.booking_id)?, (version, row.now)))
            })
            .collect()
    }
}

type Read = (OffsetDateTime, BTreeMap<BookingId, Case>);

//! A show's row.

use std::sync::Arc;

use boxoffice_saga::booking::Terms;
use boxoffice_saga::identity::ShowId;
use boxoffice_turn::TurnError;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::catalogue::{Show, ShowStatus};
use super::error::ShowError;

/// As the database has it.
#[derive(Debug)]
pub(super) struct ShowRow {
    pub show_id: i64,
    pub external_ref: Option<String>,
    pub title: String,
    pub starts_at: OffsetDateTime,
    pub status: String,
    pub currency: String,
    pub hold_ms: i64,
    pub grace_ms: i64,
    pub extension_ms: i64,
    pub extension_limit_ms: i64,
    pub warning_ms: i64,
    pub seat_limit: i32,
    pub cancel_until_ms: i64,
    pub cancel_fee_bp: i32,
    pub cancelled_at: Option<OffsetDateTime>,
    pub removed_at: Option<OffsetDateTime>,
}

impl TryFrom<ShowRow> for Show {
    type Error = TurnError;

    fn try_from(row: ShowRow) -> Result<Self, TurnError> {
        let unreadable = |what: &str| TurnError::Corrupt(format!("{what} of show {}", row.show_id));
        let terms = Terms {
            currency: row
                .currency
                .parse()
                .map_err(|_| unreadable("the currency"))?,
            hold_ms: row.hold_ms,
            grace_ms: row.grace_ms,
            extension_ms: row.extension_ms,
            extension_limit_ms: row.extension_limit_ms,
            warning_ms: row.warning_ms,
            seat_limit: u16::try_from(row.seat_limit).map_err(|_| unreadable("the seat limit"))?,
            cancel_until_ms: row.cancel_until_ms,
            cancel_fee_bp: u16::try_from(row.cancel_fee_bp)
                .map_err(|_| unreadable("the cancellation fee"))?,
        };
        let status = match row.status.as_str() {
            "DRAFT" => ShowStatus::Draft,
            "ON_SALE" => ShowStatus::OnSale,
            "CANCELLED" => ShowStatus::Cancelled,
            _ => return Err(unreadable("the status")),
        };
        Ok(Self {
            id: ShowId::try_from(row.show_id).map_err(|_| unreadable("the number"))?,
            external_ref: row.external_ref,
            title: row.title,
            starts_at: row.starts_at,
            status,
            cancelled_at: row.cancelled_at,
            removed_at: row.removed_at,
            terms: Arc::new(terms),
        })
    }
}

/// Locks a show's row, before anything else of it, and reads it.
pub(super) async fn lock(db: &mut PgConnection, show: ShowId) -> Result<Show, ShowError> {
    let row = sqlx::query_as!(
        ShowRow,
        "select show_id, external_ref, title, starts_at, status, currency, hold_ms, grace_ms, extension_ms,
                extension_limit_ms, warning_ms, seat_limit, cancel_until_ms, cancel_fee_bp, cancelled_at,
                removed_at
         from shows where show_id = $1 for update",
        show.as_i64(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.ok_or(ShowError::Unknown(show))?.try_into()?)
}

impl Show {
    /// It can still be sold, now or later.
    ///
    /// # Errors
    /// [`ShowError::Removed`], [`ShowError::Cancelled`].
    pub(super) const fn open(&self) -> Result<(), ShowError> {
        match self.status {
            _ if self.removed_at.is_some() => Err(ShowError::Removed(self.id)),
            ShowStatus::Cancelled => Err(ShowError::Cancelled(self.id)),
            ShowStatus::Draft | ShowStatus::OnSale => Ok(()),
        }
    }
}

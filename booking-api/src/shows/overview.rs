//! A show as an operator sees it.

use std::collections::BTreeMap;

use boxoffice_saga::booking::Terms;
use boxoffice_saga::identity::ShowId;
use boxoffice_turn::TurnError;
use serde::Serialize;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::catalogue::{Show, ShowStatus};
use super::row::ShowRow;

/// A show with what has become of its seats and bookings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ShowOverview)]
pub struct Overview {
    /// Its number.
    pub show_id: ShowId,
    /// The owner's name for it.
    pub external_ref: Option<String>,
    /// What people read.
    pub title: String,
    /// When it begins.
    #[serde(with = "time::serde::rfc3339")]
    pub starts_at: OffsetDateTime,
    /// Whether it can be bought.
    pub status: ShowStatus,
    /// When it was cancelled.
    #[serde(with = "time::serde::rfc3339::option")]
    pub cancelled_at: Option<OffsetDateTime>,
    /// When its seats were removed, because it was over.
    #[serde(with = "time::serde::rfc3339::option")]
    pub removed_at: Option<OffsetDateTime>,
    /// Under which rules it is sold.
    pub terms: Terms,
    /// How many seats it was planned with.
    pub planned_seats: i64,
    /// How many seats are in which state; none before it is on sale.
    pub seats: BTreeMap<String, i64>,
    /// How many bookings are in which state. A cancelled show's `HELD` and `CONFIRMED` ones have their turn yet
    /// to come.
    pub bookings: BTreeMap<String, i64>,
}

/// Reads a show with its counts; each count is as of its own moment.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn overview(db: &PgPool, id: ShowId) -> Result<Option<Overview>, TurnError> {
    let number = id.as_i64();
    let row = sqlx::query_as!(
        ShowRow,
        "select show_id, external_ref, title, starts_at, status, currency, hold_ms, grace_ms, extension_ms,
                extension_limit_ms, warning_ms, seat_limit, cancel_until_ms, cancel_fee_bp, cancelled_at,
                removed_at
         from shows where show_id = $1",
        number,
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let show = Show::try_from(row)?;
    let planned_seats = sqlx::query_scalar!(
        r#"select count(*) as "count!" from seat_plans where show_id = $1"#,
        number
    )
    .fetch_one(db)
    .await?;
    let seats = sqlx::query!(
        r#"select state, count(*) as "count!" from show_seats where show_id = $1 group by state"#,
        number
    )
    .fetch_all(db)
    .await?;
    let bookings = sqlx::query!(
        r#"select state, count(*) as "count!" from bookings where show_id = $1 group by state"#,
        number
    )
    .fetch_all(db)
    .await?;
    Ok(Some(Overview {
        show_id: id,
        external_ref: show.external_ref,
        title: show.title,
        starts_at: show.starts_at,
        status: show.status,
        cancelled_at: show.cancelled_at,
        removed_at: show.removed_at,
        terms: (*show.terms).clone(),
        planned_seats,
        seats: seats
            .into_iter()
            .map(|row| (row.state, row.count))
            .collect(),
        bookings: bookings
            .into_iter()
            .map(|row| (row.state, row.count))
            .collect(),
    }))
}

//! Reading the totals.

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::money::Currency;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::{Serialize, Serializer};
use time::Date;

use crate::counts::{Counts, Takings};

/// One UTC day of one show. As JSON it is what `schemas/report.json` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShowDay {
    /// The show.
    pub show_id: ShowId,
    /// The day.
    #[serde(serialize_with = "in_iso_8601")]
    pub day: Date,
    /// How often what happened.
    #[serde(flatten)]
    pub counts: Counts,
    /// [`Counts::conversion`].
    pub conversion: Option<f64>,
    /// What was taken and given back, by currency.
    pub money: Vec<CurrencyTakings>,
}

/// Takings in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CurrencyTakings {
    /// The currency.
    pub currency: Currency,
    /// How much.
    #[serde(flatten)]
    pub takings: Takings,
}

fn in_iso_8601<S: Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

/// The totals as of now, by show and day: of one show or all, of one day or all. One snapshot.
///
/// # Errors
/// [`TurnError`] when the database cannot be read.
pub async fn read(
    store: &PgStore,
    show: Option<ShowId>,
    day: Option<Date>,
) -> Result<Vec<ShowDay>, TurnError> {
    let rows = sqlx::query!(
        r#"select d.show_id, d.day, d.holds_placed, d.holds_expired, d.holds_released, d.holds_replaced,
               d.bookings_confirmed, d.seats_sold, d.bookings_cancelled, d.bookings_failed, d.payments_completed,
               d.payments_failed, d.payments_rejected, d.refunds_completed, d.refunds_failed,
               m.currency as "currency?", m.revenue_minor as "revenue_minor?",
               m.refunded_minor as "refunded_minor?"
           from analytics_shows_daily d left join analytics_money_daily m using (show_id, day)
           where ($1::bigint is null or d.show_id = $1) and ($2::date is null or d.day = $2)
           order by d.show_id, d.day, m.currency"#,
        show.map(ShowId::as_i64) as Option<i64>,
        day as Option<Date>,
    )
    .fetch_all(store.pool())
    .await?;
    let mut days: Vec<ShowDay> = Vec::new();
    for row in rows {
        let corrupt = |error: String| TurnError::Corrupt(error);
        let show_id = ShowId::try_from(row.show_id).map_err(|error| corrupt(error.to_string()))?;
        let known = days
            .last()
            .is_some_and(|last| (last.show_id, last.day) == (show_id, row.day));
        if !known {
            let counts = Counts {
                holds_placed: row.holds_placed,
                holds_expired: row.holds_expired,
                holds_released: row.holds_released,
                holds_replaced: row.holds_replaced,
                bookings_confirmed: row.bookings_confirmed,
                seats_sold: row.seats_sold,
                bookings_cancelled: row.bookings_cancelled,
                bookings_failed: row.bookings_failed,
                payments_completed: row.payments_completed,
                payments_failed: row.payments_failed,
                payments_rejected: row.payments_rejected,
                refunds_completed: row.refunds_completed,
                refunds_failed: row.refunds_failed,
            };
            days.push(ShowDay {
                show_id,
                day: row.day,
                counts,
                conversion: counts.conversion(),
                money: Vec::new(),
            });
        }
        if let (Some(currency), Some(day)) = (row.currency, days.last_mut()) {
            day.money.push(CurrencyTakings {
                currency: currency.parse().map_err(
                    |error: boxoffice_saga::money::MoneyError| corrupt(error.to_string()),
                )?,
                takings: Takings {
                    revenue_minor: row.revenue_minor.unwrap_or(0),
                    refunded_minor: row.refunded_minor.unwrap_or(0),
                },
            });
        }
    }
    Ok(days)
}

//! The operators' list: everything that waits for a person.
//!
//! Its order: the oldest UTC day first, within a day the largest amount, and what has no amount after what has one.
//! (Amounts of different currencies are compared by their minor units.) So nothing gets old behind a stream of
//! large amounts, and of what came together the most money is first.

use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::identity::{BookingId, PaymentId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::page::{Limit, Page};
use super::read_money;

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AttentionItem)]
pub struct Item {
    /// The kind; `docs/operators.md` says of each what it means and what to do.
    pub kind: String,
    /// What it is about: a payment, a refund, a letter, a parked record.
    pub subject: Uuid,
    /// The show, if one is known.
    #[schema(required)]
    pub show_id: Option<ShowId>,
    /// The booking, if one is known.
    #[schema(required)]
    pub booking_id: Option<BookingId>,
    /// The payment, if one is known.
    #[schema(required)]
    pub payment_id: Option<PaymentId>,
    /// How much money waits, if that is known.
    #[schema(required)]
    pub amount: Option<Money>,
    /// What happened and what to do.
    pub reason: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

struct Row {
    kind: String,
    subject: Uuid,
    show_id: Option<i64>,
    booking_id: Option<Uuid>,
    payment_id: Option<Uuid>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    reason: String,
    opened_at: OffsetDateTime,
}

impl TryFrom<Row> for Item {
    type Error = TurnError;

    fn try_from(row: Row) -> Result<Self, TurnError> {
        let corrupt = |what: &dyn std::fmt::Display| TurnError::Corrupt(what.to_string());
        let amount = match (row.amount_minor, row.currency) {
            (Some(minor), Some(currency)) => Some(read_money(minor, &currency)?),
            _ => None,
        };
        Ok(Self {
            kind: row.kind,
            subject: row.subject,
            show_id: row
                .show_id
                .map(ShowId::try_from)
                .transpose()
                .map_err(|error| corrupt(&error))?,
            booking_id: row
                .booking_id
                .map(BookingId::try_from)
                .transpose()
                .map_err(|error| corrupt(&error))?,
            payment_id: row.payment_id.map(PaymentId::from),
            amount,
            reason: row.reason,
            since: row.opened_at,
        })
    }
}

/// A place in the list: after this item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    minus_minor: i64,
    subject: Uuid,
    kind: String,
}

impl From<&Item> for Place {
    fn from(item: &Item) -> Self {
        Self {
            since: item.since,
            minus_minor: -item.amount.map_or(0, |amount| amount.minor),
            subject: item.subject,
            kind: item.kind.clone(),
        }
    }
}

impl Place {
    fn day(&self) -> Date {
        self.since.to_offset(time::UtcOffset::UTC).date()
    }
}

/// Reads a page of the list, of this kind only if one is named.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn list(
    store: &PgStore,
    kind: Option<AttentionKind>,
    after: Option<&Place>,
    limit: Limit,
) -> Result<Page<Item, Place>, TurnError> {
    let kind = kind.map(AttentionKind::name);
    let rows = match after {
        None => {
            sqlx::query_as!(
                Row,
                "select kind, subject, show_id, booking_id, payment_id, amount_minor, currency, reason, opened_at
                 from attention
                 where closed_at is null and ($1::text is null or kind = $1)
                 order by ((opened_at at time zone 'UTC')::date), (-coalesce(amount_minor, 0)), opened_at, subject, kind
                 limit $2",
                kind,
                limit.and_one(),
            )
            .fetch_all(store.pool())
            .await?
        }
        Some(after) => {
            sqlx::query_as!(
                Row,
                "select kind, subject, show_id, booking_id, payment_id, amount_minor, currency, reason, opened_at
                 from attention
                 where closed_at is null and ($1::text is null or kind = $1)
                   and (((opened_at at time zone 'UTC')::date), (-coalesce(amount_minor, 0)), opened_at, subject, kind)
                       > ($3::date, $4::bigint, $5::timestamptz, $6::uuid, $7::text)
                 order by ((opened_at at time zone 'UTC')::date), (-coalesce(amount_minor, 0)), opened_at, subject, kind
                 limit $2",
                kind,
                limit.and_one(),
                after.day(),
                after.minus_minor,
                after.since,
                after.subject,
                after.kind,
            )
            .fetch_all(store.pool())
            .await?
        }
    };
    let items = rows
        .into_iter()
        .map(Item::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Page::of(items, limit, |item| Place::from(item)))
}

/// The open items of a booking, oldest first.
pub(super) async fn open_of(
    db: &mut PgConnection,
    booking: BookingId,
) -> Result<Vec<Item>, TurnError> {
    let rows = sqlx::query_as!(
        Row,
        "select kind, subject, show_id, booking_id, payment_id, amount_minor, currency, reason, opened_at
         from attention where booking_id = $1 and closed_at is null order by opened_at, subject, kind",
        booking.uuid(),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Item::try_from).collect()
}

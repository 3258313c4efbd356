//! `GET /v1/me/bookings`: the caller's bookings, newest first.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boxoffice_saga::identity::{BookingId, SeatName, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::status::{RefundStatus, Status};
use boxoffice_turn::TurnError;
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::api::Api;
use crate::deadline;
use crate::gather::ReadFailed;
use crate::openapi::{Problems, refuses};
use crate::problem::{Code, Problem};

/// Bookings on a page, if the caller does not say.
const USUAL: i64 = 20;
/// Past every hold.
const LATEST: OffsetDateTime = datetime!(9999-01-01 00:00 UTC);
/// The most on a page.
const MOST: i64 = 100;

#[derive(Deserialize)]
pub(crate) struct Asked {
    cursor: Option<String>,
    limit: Option<String>,
}

/// A page of the history.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = History)]
struct Page {
    bookings: Vec<Entry>,
    /// What to send as `cursor` for the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
}

/// One booking of the history.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = HistoryEntry)]
struct Entry {
    booking_id: BookingId,
    show: ShowLine,
    #[schema(value_type = Vec<String>)]
    seats: Vec<SeatName>,
    amount: Money,
    status: Status,
    settled: bool,
    pay_again: bool,
    #[schema(required)]
    refund: Option<RefundStatus>,
    #[serde(with = "time::serde::rfc3339")]
    held_at: OffsetDateTime,
    version: u64,
    status_url: String,
    #[schema(required)]
    ticket_url: Option<String>,
}

/// A show, as the history names it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = HistoryShow)]
struct ShowLine {
    show_id: ShowId,
    #[schema(required)]
    title: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    starts_at: Option<OffsetDateTime>,
}

/// A place in the history: after this booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    held_at: OffsetDateTime,
    booking: Uuid,
}

impl Cursor {
    fn text(self) -> String {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.held_at.unix_timestamp_nanos().to_be_bytes());
        bytes[16..].copy_from_slice(self.booking.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (at, booking) = bytes.split_at(16);
        let at = i128::from_be_bytes(at.try_into().ok()?);
        // Nobody has held anything outside of these years, whatever somebody writes into a cursor.
        let at = at.clamp(0, LATEST.unix_timestamp_nanos());
        let held_at = OffsetDateTime::from_unix_timestamp_nanos(at).ok()?;
        Some(Self {
            held_at,
            booking: Uuid::from_slice(booking).ok()?,
        })
    }
}

refuses!(HistoryDoor: LOOKS + Unauthorised, InvalidRequest);

/// The caller's bookings, newest first
#[utoipa::path(
    get, path = "/v1/me/bookings", tag = "bookings",
    params(
        ("cursor" = Option<String>, Query, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$",
            description = "The `next` of the page before."),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Bookings on a page; 20."),
    ),
    responses(
        (status = 200, description = "A page.", body = Page),
        Problems<HistoryDoor>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn history(
    State(api): State<Arc<Api>>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = api.verifier.caller(&headers).await?;
    let Query(asked) = asked
        .map_err(|_| Problem::new(Code::InvalidRequest, "The query string cannot be read."))?;
    let limit = match asked.limit.as_deref().map(str::parse::<i64>) {
        None => USUAL,
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
        Some(_) => {
            let detail = format!("`limit` must be a whole number from 1 to {MOST}.");
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
    };
    let after = match asked.cursor.as_deref().map(Cursor::read) {
        None => None,
        Some(Some(cursor)) => Some(cursor),
        Some(None) => {
            return Err(Problem::new(
                Code::InvalidRequest,
                "`cursor` must be the `next` of an earlier page.",
            ));
        }
    };
    let mut ids = deadline::read(ids(&api, &user.0, after, limit + 1))
        .await
        .map_err(ReadFailed::from)?;
    let more = ids.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        ids.pop();
    }
    let next = ids.last().filter(|_| more).map(|cursor| cursor.text());
    let mut bookings = Vec::with_capacity(ids.len());
    for entry in futures::future::join_all(ids.iter().map(|at| entry(&api, at.booking))).await {
        bookings.extend(entry?);
    }
    let headers = [(header::CACHE_CONTROL, "private, no-cache")];
    Ok((headers, axum::Json(Page { bookings, next })).into_response())
}

async fn ids(
    api: &Api,
    user: &str,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Cursor>, TurnError> {
    // Two statements: a condition that may be absent would spoil the plan of both.
    let rows = match after {
        None => {
            sqlx::query_as!(
                Cursor,
                "select held_at, booking_id as booking from bookings where user_id = $1
                 order by held_at desc, booking_id desc limit $2",
                user,
                limit,
            )
            .fetch_all(api.store.pool())
            .await?
        }
        Some(after) => {
            sqlx::query_as!(
                Cursor,
                "select held_at, booking_id as booking from bookings
                 where user_id = $1 and (held_at, booking_id) < ($3, $4)
                 order by held_at desc, booking_id desc limit $2",
                user,
                limit,
                after.held_at,
                after.booking,
            )
            .fetch_all(api.store.pool())
            .await?
        }
    };
    Ok(rows)
}

/// One line, read like a status document: those of a page share one read.
async fn entry(api: &Api, booking: Uuid) -> Result<Option<Entry>, Problem> {
    let id = BookingId::try_from(booking).map_err(|_| Problem::internal())?;
    let Some(seen) = api.cases.read(id).await? else {
        return Ok(None);
    };
    let show = api.catalogue.for_sale(id.show()).await?;
    let document = seen.document();
    let booking = &seen.case.booking;
    let confirmed = document.status == Status::Confirmed;
    Ok(Some(Entry {
        booking_id: id,
        show: ShowLine {
            show_id: id.show(),
            title: show.as_ref().map(|show| show.title.clone()),
            starts_at: show.map(|show| show.starts_at),
        },
        seats: document.seats,
        amount: document.amount,
        status: document.status,
        settled: document.settled,
        pay_again: document.pay_again,
        refund: document.refund,
        held_at: booking.held_at,
        version: document.version,
        status_url: api.addresses.status(booking),
        ticket_url: confirmed.then(|| api.addresses.ticket(booking)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_nonsense_does_not() {
        let cursor = Cursor {
            held_at: OffsetDateTime::from_unix_timestamp_nanos(1_763_700_000_123_456_000).unwrap(),
            booking: Uuid::from_u128(7),
        };
        assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        for nonsense in [
            "",
            "x",
            "\u{0}",
            &"A".repeat(43),
            &"_".repeat(43),
            &"A".repeat(500),
        ] {
            let read = Cursor::read(nonsense);
            assert!(
                read.is_none_or(|cursor| (1970..=9999).contains(&cursor.held_at.year())),
                "{nonsense}"
            );
        }
    }
}

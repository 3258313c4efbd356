//! `GET /v1/bookings/{booking}/ticket` and `…/ticket.png`: the ticket, once the booking is confirmed.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use boxoffice_saga::booking::{Booking, BookingState};
use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_tickets::{Ticket, TicketCode, qr_png};
use http::{HeaderMap, header};
use serde::Serialize;
use time::OffsetDateTime;

use super::case::Seen;
use super::route::{Asked, StatusDoor};
use crate::access::Access;
use crate::api::Api;
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::request::{self, InPath};

/// A ticket.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Ticket)]
struct TicketBody<'a> {
    booking_id: BookingId,
    #[schema(value_type = ShowId)]
    show_id: u64,
    seats: &'a [String],
    #[serde(with = "time::serde::rfc3339")]
    issued_at: OffsetDateTime,
    /// What a gate checks offline.
    code: &'a str,
    /// Where the code is as a picture.
    qr_url: String,
}

/// The ticket, once the booking is confirmed
#[utoipa::path(
    get, path = "/v1/bookings/{booking}/ticket", tag = "bookings",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        ("token" = Option<String>, Query, description = "Of a status address; opens this booking without a login."),
    ),
    responses(
        (status = 200, description = "What it says, and its code.", body = TicketBody<'_>),
        Problems<StatusDoor>,
    ),
    security((), ("bearer" = [])),
)]
pub(crate) async fn ticket(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = confirmed(&api, &booking, asked, &headers).await?;
    let booking = &seen.case.booking;
    let (ticket, code) = issue(&api, booking)?;
    let body = TicketBody {
        booking_id: booking.id,
        show_id: ticket.show_id(),
        seats: ticket.seats(),
        issued_at: ticket.issued_at(),
        code: code.as_str(),
        qr_url: api.addresses.ticket_picture(booking),
    };
    Ok((
        [(header::CACHE_CONTROL, "private, no-cache")],
        axum::Json(body),
    )
        .into_response())
}

/// The ticket's code as a QR picture
#[utoipa::path(
    get, path = "/v1/bookings/{booking}/ticket.png", tag = "bookings",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        ("token" = Option<String>, Query, description = "Of a status address; opens this booking without a login."),
    ),
    responses(
        (status = 200, description = "A PNG.", body = Vec<u8>, content_type = "image/png"),
        Problems<StatusDoor>,
    ),
    security((), ("bearer" = [])),
)]
pub(crate) async fn ticket_picture(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = confirmed(&api, &booking, asked, &headers).await?;
    let (_, code) = issue(&api, &seen.case.booking)?;
    let picture = qr_png(&code).map_err(|error| {
        tracing::error!(%error, %booking, "a ticket's code cannot be drawn");
        Problem::internal()
    })?;
    let headers = [
        (header::CONTENT_TYPE, "image/png"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    Ok((headers, picture).into_response())
}

async fn confirmed(
    api: &Api,
    booking: &str,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Seen, Problem> {
    let asked = Asked::read(asked)?;
    let booking: BookingId = request::path(booking, "booking")?;
    let access = Access::of(api, booking, asked.token(), headers).await?;
    let seen = api.cases.read(booking).await?.filter(|seen| {
        access.allows(&seen.case.booking) && seen.case.booking.state == BookingState::Confirmed
    });
    seen.ok_or_else(|| Problem::not_found("ticket"))
}

fn issue(api: &Api, booking: &Booking) -> Result<(Ticket, TicketCode), Problem> {
    let issued_at = booking.confirmed_at.unwrap_or(booking.updated_at);
    let ticket = Ticket::new(booking.id.uuid(), booking.show().number(), booking.seats.clone(), issued_at)
        .map_err(|error| {
            tracing::error!(%error, booking = %booking.id, "no ticket can be made of a confirmed booking");
            Problem::internal()
        })?;
    let code = ticket.sign(&api.ticket_keys);
    Ok((ticket, code))
}

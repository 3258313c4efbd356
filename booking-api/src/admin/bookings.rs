//! `POST /v1/admin/bookings/{booking}/cancel`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::identity::BookingId;
use http::HeaderMap;

use super::acts::{Asked, NeededReason, Reason, order_with_reason};
use crate::api::Api;
use crate::bookings::{CancelledBooking, Canceller, cancel_booking};
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::problem::Problem;
use crate::request::{self, InPath};

refuses!(CancelBookingDoor: OPERATES + NotFound, HoldOver, ReasonMissing);

/// Cancel a booking
///
/// At any time. What was paid goes back whole.
#[utoipa::path(
    post, path = "/v1/admin/bookings/{booking}/cancel", tag = "operators", operation_id = "operator_cancel_booking",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        IdempotencyKey,
    ),
    request_body = NeededReason,
    responses(
        (status = 202, description = "Cancelled.", body = CancelledBooking),
        Problems<CancelBookingDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let booking: BookingId = request::path(&booking, "booking")?;
    let route = format!("POST /v1/admin/bookings/{booking}/cancel");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    cancel_booking(&api, booking, Canceller::Operator(order), key).await
}

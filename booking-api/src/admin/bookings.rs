//! `POST /v1/admin/bookings/{booking}/cancel`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use boxoffice_saga::identity::BookingId;
use http::HeaderMap;

use super::acts::{Asked, Reason, order_with_reason};
use crate::api::Api;
use crate::bookings::{CancelTurn, Canceller};
use crate::problem::Problem;
use crate::request;

/// Cancels a booking, at any time.
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Path(booking): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let booking: BookingId = request::path(&booking, "booking")?;
    let route = format!("POST /v1/admin/bookings/{booking}/cancel");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    let canceller = Canceller::Operator(order);
    let turn = CancelTurn {
        booking,
        canceller,
        key,
    };
    turn.run(&api).await
}

//! `POST /v1/bookings/{booking}/release`: the customer gives the hold up.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::identity::{BookingId, ShowId, UserId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::world::World;
use boxoffice_turn::Appends;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::act::{Act, act};
use super::owned;
use crate::api::Api;
use crate::idempotency;
use crate::openapi::{Problems, refuses};
use crate::problem::Problem;
use crate::request::{self, InPath};

/// A hold that was given up.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Release)]
struct Released {
    booking_id: BookingId,
    show_id: ShowId,
    /// Always `RELEASED`.
    status: &'static str,
}

refuses!(ReleaseDoor: ACTS + NotFound, AlreadyPaid, HoldOver);

/// Give the hold up
///
/// Doing it twice is doing it once.
#[utoipa::path(
    post, path = "/v1/bookings/{booking}/release", tag = "bookings",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
            description = "The same request under the same key has one effect and one answer, for 24 hours."),
    ),
    responses(
        (status = 200, description = "Given up.", body = Released),
        Problems<ReleaseDoor>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn release(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let user = api.acting(&headers).await?;
    let booking: BookingId = request::path(&booking, "booking")?;
    let body = request::body(body).await?;
    let route = format!("POST /v1/bookings/{booking}/release");
    let key = idempotency::claim(&headers, &user, route, &body)?;
    act(&api, booking, key, &Release { user }).await
}

struct Release {
    user: UserId,
}

impl Act for Release {
    const WHAT: &'static str = "release";
    const STATUS: StatusCode = StatusCode::OK;

    fn perform(
        &self,
        booking: BookingId,
        world: &mut World,
        _: &mut Appends,
    ) -> Result<Vec<u8>, Problem> {
        owned(world, booking, &self.user)?;
        if let Outcome::Refused(refusal) = world.apply(booking, Input::Release) {
            return Err(refusal.into());
        }
        let body = Released {
            booking_id: booking,
            show_id: booking.show(),
            status: "RELEASED",
        };
        // Strings and numbers only: this cannot fail.
        Ok(serde_json::to_vec(&body).unwrap_or_default())
    }
}

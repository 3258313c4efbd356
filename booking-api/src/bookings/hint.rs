//! `POST /v1/bookings/{booking}/payments/{payment}/hint`: the browser says that it has paid.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_failpoints::Role;
use boxoffice_saga::identity::{BookingId, PaymentId, UserId};
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

/// A hint that was listened to.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Hint)]
struct Heard {
    booking_id: BookingId,
    payment_id: PaymentId,
}

refuses!(HintDoor: ACTS + NotFound);

/// "The browser says that it has paid"
///
/// Has the gateway asked, and starts the polling schedule anew. Nothing that the browser says is believed.
#[utoipa::path(
    post, path = "/v1/bookings/{booking}/payments/{payment}/hint", tag = "bookings",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        ("payment" = PaymentId, Path, description = "The payment."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
            description = "The same request under the same key has one effect and one answer, for 24 hours."),
    ),
    responses(
        (status = 202, description = "The gateway is asked, unless it is known already what became of the payment.",
            body = Heard),
        Problems<HintDoor>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn hint(
    State(api): State<Arc<Api>>,
    InPath((booking, payment)): InPath<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let user = api.acting(&headers).await?;
    let booking: BookingId = request::path(&booking, "booking")?;
    let payment: PaymentId = request::path(&payment, "payment")?;
    let body = request::body(body).await?;
    let route = format!("POST /v1/bookings/{booking}/payments/{payment}/hint");
    let key = idempotency::claim(&headers, &user, route, &body)?;
    act(&api, booking, key, &Hint { payment, user }).await
}

struct Hint {
    payment: PaymentId,
    user: UserId,
}

impl Act for Hint {
    const WHAT: &'static str = "hint";
    const STATUS: StatusCode = StatusCode::ACCEPTED;

    fn role(&self) -> Role {
        Role::PaymentAttempt
    }

    fn needs_seats(&self) -> bool {
        false
    }

    fn perform(
        &self,
        booking: BookingId,
        world: &mut World,
        _: &mut Appends,
    ) -> Result<Vec<u8>, Problem> {
        owned(world, booking, &self.user)?;
        let payment = self.payment;
        if let Outcome::Refused(refusal) = world.apply(booking, Input::Hint { payment }) {
            return Err(refusal.into());
        }
        let body = Heard {
            booking_id: booking,
            payment_id: payment,
        };
        // Two ids: this cannot fail.
        Ok(serde_json::to_vec(&body).unwrap_or_default())
    }
}

//! `POST /v1/bookings/{booking}/payments/{payment}/hint`: the browser says that it has paid.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice_failpoints::Role;
use boxoffice_saga::identity::{BookingId, PaymentId, UserId};
use boxoffice_saga::input::{Input, Outcome, Refusal};
use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::{Appends, Claim, Claimed, Held, KeyClaim, KeyState, Plan, Wanted};
use http::HeaderMap;
use serde::Serialize;

use super::{claim_of, key_of};
use crate::api::Api;
use crate::idempotency::{self, Reply};
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
    let turn = HintTurn {
        booking,
        payment,
        user,
        key,
    };
    let reply = super::turn(&api, &turn, "hint").await??;
    api.watchers.wake(booking);
    Ok(reply.into_response())
}

struct HintTurn {
    booking: BookingId,
    payment: PaymentId,
    user: UserId,
    key: Option<KeyClaim>,
}

impl Plan for HintTurn {
    type Answer = Result<Reply, Problem>;

    fn role(&self) -> Role {
        Role::PaymentAttempt
    }

    fn claim(&self) -> Claim {
        claim_of(self.key.as_ref())
    }

    fn wanted(&self, claimed: &Claimed) -> Wanted {
        let mut wanted = Wanted::default();
        if *key_of(claimed) == KeyState::Fresh {
            wanted.bookings.insert(self.booking);
        }
        wanted
    }

    fn decide(
        &self,
        claimed: &Claimed,
        _: &Held,
        world: &mut World,
        appends: &mut Appends,
    ) -> Self::Answer {
        match key_of(claimed) {
            KeyState::Answered { status, body } => return Ok(Reply::again(*status, body.clone())),
            KeyState::OtherRequest | KeyState::Begun { .. } => return Err(idempotency::reused()),
            KeyState::Fresh => {}
        }
        let theirs = world
            .bookings
            .get(&self.booking)
            .is_some_and(|booking| booking.user == self.user);
        if !theirs {
            return Err(Refusal::NoSuchBooking.into());
        }
        let payment = self.payment;
        if let Outcome::Refused(refusal) = world.apply(self.booking, Input::Hint { payment }) {
            return Err(refusal.into());
        }
        let body = Heard {
            booking_id: self.booking,
            payment_id: payment,
        };
        // Two ids: this cannot fail.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        if let Some(key) = &self.key {
            let answer = KeptAnswer::Answer {
                status: 202,
                body: body.clone(),
            };
            appends.answers.push((key.clone(), answer));
        }
        Ok(Reply::first(202, body))
    }
}

//! `POST /v1/bookings/{booking}/release`: the customer gives the hold up.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice_failpoints::Role;
use boxoffice_saga::identity::{BookingId, ShowId, UserId};
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
    let turn = ReleaseTurn { booking, user, key };
    let reply = super::turn(&api, &turn, "release").await??;
    api.watchers.wake(booking);
    Ok(reply.into_response())
}

struct ReleaseTurn {
    booking: BookingId,
    user: UserId,
    key: Option<KeyClaim>,
}

impl Plan for ReleaseTurn {
    type Answer = Result<Reply, Problem>;

    fn role(&self) -> Role {
        Role::HoldDesk
    }

    fn claim(&self) -> Claim {
        claim_of(self.key.as_ref())
    }

    fn wanted(&self, claimed: &Claimed) -> Wanted {
        let mut wanted = Wanted::default();
        if *key_of(claimed) == KeyState::Fresh {
            wanted.bookings.insert(self.booking);
            wanted.seats_of_bookings = true;
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
        if world
            .bookings
            .get(&self.booking)
            .is_none_or(|booking| booking.user != self.user)
        {
            return Err(Refusal::NoSuchBooking.into());
        }
        if let Outcome::Refused(refusal) = world.apply(self.booking, Input::Release) {
            return Err(refusal.into());
        }
        let body = Released {
            booking_id: self.booking,
            show_id: self.booking.show(),
            status: "RELEASED",
        };
        // Strings and numbers only: this cannot fail.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        if let Some(key) = &self.key {
            appends.answers.push((
                key.clone(),
                KeptAnswer::Answer {
                    status: 200,
                    body: body.clone(),
                },
            ));
        }
        Ok(Reply::first(200, body))
    }
}

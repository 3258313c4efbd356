//! `POST /v1/bookings/{booking}/cancel`: the customer cancels; and the turn in which an operator does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice_failpoints::Role;
use boxoffice_saga::booking::{Booking, BookingState, CancelledBy};
use boxoffice_saga::identity::{BookingId, ShowId, UserId};
use boxoffice_saga::input::{Input, Outcome, Refusal};
use boxoffice_saga::status::{self, Status};
use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::{
    Appends, Claim, Claimed, Held, KeyClaim, KeyState, OperatorAct, Plan, Wanted,
};
use http::HeaderMap;
use serde::Serialize;
use time::OffsetDateTime;

use super::{claim_of, key_of};
use crate::api::Api;
use crate::idempotency::{self, Reply};
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};
use crate::shows::Order;

/// A booking that was cancelled.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CancelledBooking {
    booking_id: BookingId,
    show_id: ShowId,
    /// As its status document says it from now on: `CANCELLED`, or that money is on its way.
    status: Status,
    /// Whether nothing is under way.
    settled: bool,
    /// One calm sentence for the customer.
    message: &'static str,
}

refuses!(CancelDoor: ACTS + NotFound, HoldOver, ShowStarted);

/// Cancel a booking
///
/// Held or paid, before its show begins. What was paid goes back whole. Doing it twice is doing it once.
#[utoipa::path(
    post, path = "/v1/bookings/{booking}/cancel", tag = "bookings", operation_id = "cancel_booking",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        IdempotencyKey,
    ),
    responses(
        (status = 202, description = "Cancelled.", body = CancelledBooking),
        Problems<CancelDoor>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let user = api.acting(&headers).await?;
    let booking: BookingId = request::path(&booking, "booking")?;
    let body = request::body(body).await?;
    let route = format!("POST /v1/bookings/{booking}/cancel");
    let key = idempotency::claim(&headers, &user, route, &body)?;
    let show = api.catalogue.for_sale(booking.show()).await?;
    let starts_at = show.ok_or_else(|| Problem::not_found("booking"))?.starts_at;
    let canceller = Canceller::Customer { user, starts_at };
    let turn = CancelTurn {
        booking,
        canceller,
        key,
    };
    turn.run(&api).await
}

/// Who cancels.
pub(crate) enum Canceller {
    /// Its customer, before the show begins.
    Customer {
        /// Who asks; whether the booking is theirs is seen in the turn.
        user: UserId,
        /// When the show begins.
        starts_at: OffsetDateTime,
    },
    /// An operator, at any time.
    Operator(Order),
}

/// One booking is cancelled.
pub(crate) struct CancelTurn {
    pub(crate) booking: BookingId,
    pub(crate) canceller: Canceller,
    pub(crate) key: Option<KeyClaim>,
}

impl CancelTurn {
    /// Runs the turn and answers.
    pub(crate) async fn run(&self, api: &Api) -> Result<Response, Problem> {
        let reply = super::turn(api, self, "cancel").await??;
        api.watchers.wake(self.booking);
        Ok(reply.into_response())
    }

    /// Whether this canceller may cancel this booking now, and as whom.
    fn allowed(&self, booking: &Booking, now: OffsetDateTime) -> Result<CancelledBy, Problem> {
        match &self.canceller {
            Canceller::Operator(_) => Ok(CancelledBy::Operator),
            Canceller::Customer { user, .. } if booking.user != *user => {
                Err(Refusal::NoSuchBooking.into())
            }
            Canceller::Customer { starts_at, .. }
                if now >= *starts_at && booking.state != BookingState::Cancelled =>
            {
                Err(Problem::new(
                    Code::ShowStarted,
                    "The show has begun, so the booking can no longer be cancelled here. Ask the box office.",
                ))
            }
            Canceller::Customer { .. } => Ok(CancelledBy::Customer),
        }
    }
}

impl Plan for CancelTurn {
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
        let Some(booking) = world.bookings.get(&self.booking) else {
            return Err(Refusal::NoSuchBooking.into());
        };
        let by = self.allowed(booking, world.now)?;
        if let Outcome::Refused(refusal) = world.apply(self.booking, Input::Cancel { by }) {
            return Err(refusal.into());
        }
        let answer = told(world, self.booking);
        if let Canceller::Operator(order) = &self.canceller {
            appends.acts.push(OperatorAct {
                who: order.who.clone(),
                door: order.door,
                what: "booking.cancel",
                subject: Some(self.booking.to_string()),
                why: order.why.clone(),
                outcome: answer.clone(),
            });
        }
        let body = answer.into_bytes();
        if let Some(key) = &self.key {
            appends.answers.push((
                key.clone(),
                KeptAnswer::Answer {
                    status: 202,
                    body: body.clone(),
                },
            ));
        }
        Ok(Reply::first(202, body))
    }
}

/// How the booking stands now, as its status document will say.
fn told(world: &World, id: BookingId) -> String {
    let Some(booking) = world.bookings.get(&id) else {
        return String::new();
    };
    let payments: Vec<_> = world.payments_of(id).collect();
    let refunds: Vec<_> = world.refunds_of(id).collect();
    let document = status::document(booking, &payments, &refunds, world.now);
    let told = CancelledBooking {
        booking_id: id,
        show_id: id.show(),
        status: document.status,
        settled: document.settled,
        message: document.message,
    };
    // Plain data: this cannot fail.
    serde_json::to_string(&told).unwrap_or_default()
}

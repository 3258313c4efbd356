//! `POST /v1/bookings/{booking}/cancel`: the customer cancels; and the turn in which an operator does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::booking::{Booking, BookingState, CancelledBy};
use boxoffice_saga::identity::{BookingId, ShowId, UserId};
use boxoffice_saga::input::{Input, Outcome, Refusal};
use boxoffice_saga::money::Money;
use boxoffice_saga::status::{self, Status};
use boxoffice_saga::world::World;
use boxoffice_turn::{Appends, KeyClaim, OperatorAct};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use time::{Duration, OffsetDateTime};

use super::act::{Act, act};
use crate::api::Api;
use crate::idempotency;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::operators::Order;
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};

/// A booking that was cancelled.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CancelledBooking {
    booking_id: BookingId,
    show_id: ShowId,
    /// As its status document says it from now on: `CANCELLED`, or that money is on its way.
    status: Status,
    /// What was kept of the price, if a fee was agreed with the hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    fee: Option<Money>,
    /// Whether nothing is under way.
    settled: bool,
    /// One calm sentence for the customer.
    message: &'static str,
}

refuses!(CancelDoor: ACTS + NotFound, HoldOver, ShowStarted, TooLateToCancel);

/// Cancel a booking
///
/// Held or paid, before its show begins, or as long before as its terms ask. What was paid goes back, less the fee
/// that was agreed with the hold. Doing it twice is doing it once.
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
    cancel_booking(&api, booking, canceller, key).await
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

/// Cancels one booking.
pub(crate) async fn cancel_booking(
    api: &Api,
    booking: BookingId,
    canceller: Canceller,
    key: Option<KeyClaim>,
) -> Result<Response, Problem> {
    act(api, booking, key, &canceller).await
}

impl Canceller {
    /// Whether this canceller may cancel this booking now, and as whom.
    fn allowed(&self, booking: &Booking, now: OffsetDateTime) -> Result<CancelledBy, Problem> {
        match self {
            Self::Operator(_) => Ok(CancelledBy::Operator),
            Self::Customer { user, .. } if booking.user != *user => {
                Err(Refusal::NoSuchBooking.into())
            }
            Self::Customer { starts_at, .. }
                if now >= *starts_at && booking.state != BookingState::Cancelled =>
            {
                Err(Problem::new(
                    Code::ShowStarted,
                    "The show has begun, so the booking can no longer be cancelled here. Ask the box office.",
                ))
            }
            Self::Customer { starts_at, .. }
                if booking.state == BookingState::Confirmed
                    && now >= *starts_at - Duration::milliseconds(booking.cancel_until_ms) =>
            {
                Err(Problem::new(
                    Code::TooLateToCancel,
                    "The time in which this booking could be cancelled is over. Ask the box office.",
                ))
            }
            Self::Customer { .. } => Ok(CancelledBy::Customer),
        }
    }
}

impl Act for Canceller {
    const WHAT: &'static str = "cancel";
    const STATUS: StatusCode = StatusCode::ACCEPTED;

    fn perform(
        &self,
        booking: BookingId,
        world: &mut World,
        appends: &mut Appends,
    ) -> Result<Vec<u8>, Problem> {
        let Some(row) = world.bookings.get(&booking) else {
            return Err(Refusal::NoSuchBooking.into());
        };
        let by = self.allowed(row, world.now)?;
        if let Outcome::Refused(refusal) = world.apply(booking, Input::Cancel { by }) {
            return Err(refusal.into());
        }
        let answer = told(world, booking);
        if let Self::Operator(order) = self {
            appends.acts.push(OperatorAct {
                who: order.who.clone(),
                door: order.door,
                what: "booking.cancel",
                subject: Some(booking.to_string()),
                why: order.why.clone(),
                outcome: answer.clone(),
            });
        }
        Ok(answer.into_bytes())
    }
}

/// What was kept of what paid for it.
fn fee(world: &World, id: BookingId) -> Option<Money> {
    world.payments_of(id).find_map(|payment| {
        let currency = payment.captured?.currency;
        (payment.retained > 0).then(|| Money::new(payment.retained, currency))
    })
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
        fee: fee(world, id),
        settled: document.settled,
        message: document.message,
    };
    // Plain data: this cannot fail.
    serde_json::to_string(&told).unwrap_or_default()
}

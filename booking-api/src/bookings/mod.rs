//! Requests about one customer's bookings: pay for one, hint at a payment, give it up, list them.

mod act;
mod attempt;
mod cancel;
mod hint;
mod history;
mod pay;
mod release;

pub(crate) use cancel::{CancelledBooking, Canceller, cancel_booking};

use std::sync::Arc;

use boxoffice_saga::identity::{BookingId, UserId};
use boxoffice_saga::input::Refusal;
use boxoffice_saga::world::World;
use boxoffice_turn::{Claim, Claimed, KeyClaim, KeyState, Plan, TurnError};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::deadline;
use crate::problem::Problem;

/// Runs the turn of one request.
///
/// # Errors
/// `unavailable`, `internal`.
async fn turn<P: Plan>(api: &Api, plan: &P, what: &'static str) -> Result<P::Answer, Problem> {
    deadline::turn(&api.store, plan)
        .await
        .map_err(|error| not_done(&error, what))
}

/// Is this booking there, and theirs?
///
/// # Errors
/// `not_found` for both, so that nobody learns of others' bookings.
fn owned(world: &World, booking: BookingId, user: &UserId) -> Result<(), Problem> {
    match world.bookings.get(&booking) {
        Some(row) if row.user == *user => Ok(()),
        _ => Err(Refusal::NoSuchBooking.into()),
    }
}

/// The claim of a turn for one request.
fn claim_of(key: Option<&KeyClaim>) -> Claim {
    Claim {
        keys: key.cloned().into_iter().collect(),
        ..Claim::default()
    }
}

/// The state of that request's key; without a key it is fresh.
fn key_of(claimed: &Claimed) -> &KeyState {
    claimed.keys.first().unwrap_or(&KeyState::Fresh)
}

/// A turn that did not come about, for its caller. Logged here, at the boundary.
pub(crate) fn not_done(error: &TurnError, what: &'static str) -> Problem {
    match error {
        TurnError::Unavailable(_) | TurnError::Busy(_) => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                what,
                "a request could not be written"
            );
            Problem::unavailable()
        }
        TurnError::Data(_) | TurnError::Corrupt(_) | TurnError::PositionLost { .. } => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                what,
                "a request could not be written"
            );
            Problem::internal()
        }
    }
}

/// Its doors.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(pay::pay))
        .routes(routes!(hint::hint))
        .routes(routes!(release::release))
        .routes(routes!(cancel::cancel))
        .routes(routes!(history::history))
}

//! What a caller does to one booking, in one turn, at most once under an `Idempotency-Key`.

use axum::response::{IntoResponse, Response};
use boxoffice_failpoints::Role;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::{Appends, Claim, Claimed, Held, KeyClaim, KeyState, Plan, Wanted};
use http::StatusCode;

use super::{claim_of, key_of};
use crate::api::Api;
use crate::idempotency::{self, Reply};
use crate::problem::Problem;

/// One thing that can be done to a booking.
pub(super) trait Act: Sync {
    /// For metrics and the log.
    const WHAT: &'static str;
    /// The HTTP status of what was done.
    const STATUS: StatusCode;

    /// Whose turn it is, for failpoints.
    fn role(&self) -> Role {
        Role::HoldDesk
    }

    /// Whether it looks at the booking's seats, so that they are locked.
    fn needs_seats(&self) -> bool {
        true
    }

    /// Does it in memory, and gives back the answer's body. May run more than once.
    fn perform(
        &self,
        booking: BookingId,
        world: &mut World,
        appends: &mut Appends,
    ) -> Result<Vec<u8>, Problem>;
}

/// Does it, and answers. A refusal changes nothing and is not kept.
pub(super) async fn act<A: Act>(
    api: &Api,
    booking: BookingId,
    key: Option<KeyClaim>,
    what: &A,
) -> Result<Response, Problem> {
    let turn = ActTurn { booking, key, what };
    let reply = super::turn(api, &turn, A::WHAT).await??;
    Ok(reply.into_response())
}

struct ActTurn<'a, A> {
    booking: BookingId,
    key: Option<KeyClaim>,
    what: &'a A,
}

impl<A: Act> Plan for ActTurn<'_, A> {
    type Answer = Result<Reply, Problem>;

    fn role(&self) -> Role {
        self.what.role()
    }

    fn claim(&self) -> Claim {
        claim_of(self.key.as_ref())
    }

    fn wanted(&self, claimed: &Claimed) -> Wanted {
        let mut wanted = Wanted::default();
        if *key_of(claimed) == KeyState::Fresh {
            wanted.bookings.insert(self.booking);
            wanted.seats_of_bookings = self.what.needs_seats();
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
        let body = self.what.perform(self.booking, world, appends)?;
        let status = A::STATUS.as_u16();
        if let Some(key) = &self.key {
            let answer = KeptAnswer::Answer {
                status,
                body: body.clone(),
            };
            appends.answers.push((key.clone(), answer));
        }
        Ok(Reply::first(status, body))
    }
}

//! The two turns around the gateway's call: one writes the attempt down before it is made, one brings its
//! answer.

use std::sync::Arc;

use boxoffice_failpoints::Role;
use boxoffice_gateways::Created;
use boxoffice_saga::booking::{Booking, BookingState, Terms};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, UserId};
use boxoffice_saga::input::{Input, Outcome, Refusal};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::{CaptureMode, PaymentStanding};
use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::{Appends, Claim, Claimed, Held, KeyClaim, KeyState, Plan, Wanted};
use serde::Serialize;

use super::{claim_of, key_of};
use crate::idempotency::{self, Reply};
use crate::problem::Problem;

/// Writes a fresh attempt down, or finds the one that was begun under the same key.
pub(super) struct OpenTurn {
    pub(super) booking: BookingId,
    pub(super) user: UserId,
    /// The fresh attempt's id, if it comes to that.
    pub(super) payment: PaymentId,
    pub(super) account: GatewayAccount,
    pub(super) capture: CaptureMode,
    pub(super) terms: Arc<Terms>,
    pub(super) key: Option<KeyClaim>,
}

/// What the first turn came to.
pub(super) enum Opened {
    /// Ask the gateway to open this payment.
    Ask(Attempt),
    /// Answered before, or refused.
    Over(Result<Reply, Problem>),
}

/// An attempt that the gateway is to be asked about.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) payment: PaymentId,
    pub(super) amount: Money,
    /// When its money is to be taken.
    pub(super) capture: CaptureMode,
    /// Whether it was begun by an earlier request, whose call may be under way.
    pub(super) resumed: bool,
}

impl Plan for OpenTurn {
    type Answer = Opened;

    fn role(&self) -> Role {
        Role::PaymentAttempt
    }

    fn claim(&self) -> Claim {
        claim_of(self.key.as_ref())
    }

    fn wanted(&self, claimed: &Claimed) -> Wanted {
        let mut wanted = Wanted::default();
        if matches!(key_of(claimed), KeyState::Fresh | KeyState::Begun { .. }) {
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
    ) -> Opened {
        let key = key_of(claimed);
        match key {
            KeyState::Answered { status, body } => {
                return Opened::Over(Ok(Reply::again(*status, body.clone())));
            }
            KeyState::OtherRequest => return Opened::Over(Err(idempotency::reused())),
            KeyState::Fresh | KeyState::Begun { .. } => {}
        }
        let Some(booking) = world
            .bookings
            .get(&self.booking)
            .filter(|booking| booking.user == self.user)
        else {
            return Opened::Over(Err(Refusal::NoSuchBooking.into()));
        };
        if let KeyState::Begun { resume } = key {
            return resumed(world, booking, (*resume).into());
        }
        let amount = booking.amount;
        let input = Input::OpenAttempt {
            payment: self.payment,
            account: self.account.clone(),
            terms: (*self.terms).clone(),
            capture: self.capture,
        };
        if let Outcome::Refused(refusal) = world.apply(self.booking, input) {
            return Opened::Over(Err(refusal.into()));
        }
        if let Some(key) = &self.key {
            appends.answers.push((
                key.clone(),
                KeptAnswer::Begun {
                    resume: self.payment.uuid(),
                },
            ));
        }
        Opened::Ask(Attempt {
            payment: self.payment,
            amount,
            capture: self.capture,
            resumed: false,
        })
    }
}

/// The same attempt goes on, unless there is nothing to pay for any more.
fn resumed(world: &World, booking: &Booking, payment: PaymentId) -> Opened {
    let refuse = |refusal: Refusal| Opened::Over(Err(refusal.into()));
    if booking.state == BookingState::Confirmed {
        return refuse(Refusal::AlreadyPaid);
    }
    match world.payments.get(&payment) {
        Some(row)
            if matches!(
                row.standing,
                PaymentStanding::Open | PaymentStanding::Declined
            ) && booking.hold_alive(world.now) =>
        {
            Opened::Ask(Attempt {
                payment,
                amount: booking.amount,
                capture: row.capture,
                resumed: true,
            })
        }
        _ => refuse(Refusal::HoldOver),
    }
}

/// Brings the gateway's answer, and keeps ours.
pub(super) struct AnsweredTurn {
    pub(super) booking: BookingId,
    pub(super) payment: PaymentId,
    pub(super) account: GatewayAccount,
    pub(super) amount: Money,
    pub(super) key: Option<KeyClaim>,
    pub(super) told: Told,
}

/// What the gateway said.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// The payment is open there.
    Created(Created),
    /// It will not open it: nothing was taken and nothing will be. The problem is the caller's answer.
    Declined(Problem),
    /// This call did nothing, and no other was made for this attempt; nobody can come back to it.
    NotMade(Problem),
}

/// A payment that is open at its gateway.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Payment)]
pub(super) struct PaymentBody<'a> {
    /// Ours.
    payment_id: PaymentId,
    gateway: &'a str,
    /// The gateway's.
    gateway_payment_id: &'a str,
    amount: Money,
    /// For the gateway's own form in the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_secret: Option<&'a str>,
    /// Where the gateway takes the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checkout_url: Option<&'a str>,
}

impl AnsweredTurn {
    fn created(&self, created: &Created, world: &mut World) -> Result<Reply, Problem> {
        let input = Input::AttemptCreated {
            payment: self.payment,
            gateway_payment_id: created.gateway_payment_id.clone(),
        };
        if let Outcome::Refused(refusal) = world.apply(self.booking, input) {
            return Err(refusal.into());
        }
        // The hold may have ended while the gateway was asked; the saga cancels the payment then, and nobody
        // should be sent off to pay it.
        match world
            .bookings
            .get(&self.booking)
            .map(|booking| booking.state)
        {
            Some(BookingState::Held) => {}
            Some(BookingState::Confirmed) => return Err(Refusal::AlreadyPaid.into()),
            _ => return Err(Refusal::HoldOver.into()),
        }
        let body = PaymentBody {
            payment_id: self.payment,
            gateway: &self.account.gateway,
            gateway_payment_id: &created.gateway_payment_id,
            amount: self.amount,
            client_secret: created.client_secret.as_deref(),
            checkout_url: created.checkout_url.as_deref(),
        };
        // Strings and numbers only: this cannot fail.
        Ok(Reply::first(
            201,
            serde_json::to_vec(&body).unwrap_or_default(),
        ))
    }

    /// Closes the attempt: certainly nothing was taken, so the customer may pay in another way at once.
    fn close(&self, world: &mut World) {
        let payment = self.payment;
        let input = Input::AttemptDeclined { payment };
        let _ = world.apply(self.booking, input);
    }
}

impl Plan for AnsweredTurn {
    type Answer = Result<Reply, Problem>;

    fn role(&self) -> Role {
        Role::PaymentAttempt
    }

    fn claim(&self) -> Claim {
        claim_of(self.key.as_ref())
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        Wanted {
            bookings: [self.booking].into(),
            ..Wanted::default()
        }
    }

    fn decide(
        &self,
        claimed: &Claimed,
        _: &Held,
        world: &mut World,
        appends: &mut Appends,
    ) -> Self::Answer {
        let reply = match &self.told {
            Told::Created(created) => self.created(created, world),
            Told::Declined(problem) => {
                self.close(world);
                Ok(Reply::first(
                    problem.code().status().as_u16(),
                    problem.body(),
                ))
            }
            Told::NotMade(problem) => {
                self.close(world);
                Err(problem.clone())
            }
        };
        // A twin of this request may have brought the same answer meanwhile; the first one stands.
        if let KeyState::Answered { status, body } = key_of(claimed) {
            return Ok(Reply::again(*status, body.clone()));
        }
        if let (Some(key), Ok(reply)) = (&self.key, &reply) {
            let answer = KeptAnswer::Answer {
                status: reply.status,
                body: reply.body.clone(),
            };
            appends.answers.push((key.clone(), answer));
        }
        reply
    }
}

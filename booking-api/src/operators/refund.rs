//! What operators do about a refund that waits for a person: have the gateway asked again, say how they send the money
//! instead, show that it has arrived.

use std::str::FromStr;

use boxoffice_failpoints::Role;
use boxoffice_saga::identity::{BookingId, RefundId};
use boxoffice_saga::input::{Input, Outcome, Refusal};
use boxoffice_saga::status::{self, Status};
use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{
    Appends, Claim, Claimed, Held, KeyClaim, KeyState, OperatorAct, Plan, TurnError, Wanted,
};
use serde::Serialize;

use super::act::{Acted, Order};
use super::error::OperatorError;
use super::story::RefundNow;

/// What an operator gives beside the reason: how the money is sent, or what proves that it has arrived. 1 to 200
/// characters, not all of them spaces, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Particulars(String);

impl Particulars {
    /// The most characters.
    pub const MOST: usize = 200;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Particulars {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = !text.trim().is_empty()
            && text.chars().count() <= Self::MOST
            && !text.chars().any(char::is_control);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "write 1 to {} characters without line breaks",
                Self::MOST
            ))
        }
    }
}

/// What is done about a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByHand {
    /// The gateway is asked again, once it is known what became of earlier tries.
    Retry,
    /// A person sends the money by another way; the gateway is not asked again.
    OtherWay {
        /// How.
        means: Particulars,
    },
    /// The customer has the money.
    SettledElsewhere {
        /// What shows it.
        proof: Particulars,
    },
}

impl ByHand {
    /// Its name in the record.
    const fn what(&self) -> &'static str {
        match self {
            Self::Retry => "refund.retry",
            Self::OtherWay { .. } => "refund.other_way",
            Self::SettledElsewhere { .. } => "refund.settled_elsewhere",
        }
    }

    fn input(&self, refund: RefundId) -> Input {
        match self {
            Self::Retry => Input::RefundRetried { refund },
            Self::OtherWay { means } => Input::RefundOtherWay {
                refund,
                means: means.as_str().to_owned(),
            },
            Self::SettledElsewhere { proof } => Input::RefundSettledElsewhere {
                refund,
                proof: proof.as_str().to_owned(),
            },
        }
    }
}

/// How a refund and its booking stand after it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RefundByHand)]
pub struct Handled {
    /// The refund.
    pub refund: RefundNow,
    /// Its booking.
    pub booking_id: BookingId,
    /// The booking's status, as its customer sees it.
    pub status: Status,
    /// Whether nothing is under way for that booking.
    pub settled: bool,
}

/// Does it in one turn, at most once under `key`, and records it in that turn. The same said again changes nothing
/// and is recorded again.
///
/// # Errors
/// [`OperatorError`]: nothing has changed and nothing is recorded. After the database's error it may have been done;
/// the same again is safe.
pub async fn by_hand(
    store: &PgStore,
    order: &Order,
    key: Option<&KeyClaim>,
    refund: RefundId,
    what: &ByHand,
) -> Result<Acted<Handled>, OperatorError> {
    // A refund never changes its booking.
    let booking = sqlx::query_scalar!(
        "select booking_id from refunds where refund_id = $1",
        refund.uuid()
    )
    .fetch_optional(store.pool())
    .await?
    .ok_or(OperatorError::UnknownRefund(refund))?;
    let booking = BookingId::try_from(booking)
        .map_err(|error| OperatorError::Database(TurnError::Corrupt(error.to_string())))?;
    let turn = Turn {
        order,
        key,
        booking,
        refund,
        what,
    };
    boxoffice_turn::run(store, &turn).await?
}

struct Turn<'a> {
    order: &'a Order,
    key: Option<&'a KeyClaim>,
    booking: BookingId,
    refund: RefundId,
    what: &'a ByHand,
}

impl Turn<'_> {
    fn decided(&self, world: &mut World) -> Result<Handled, OperatorError> {
        let input = self.what.input(self.refund);
        if let Outcome::Refused(refusal) = world.apply(self.booking, input) {
            return Err(self.refused(refusal));
        }
        self.handled(world)
            .ok_or(OperatorError::UnknownRefund(self.refund))
    }

    fn refused(&self, refusal: Refusal) -> OperatorError {
        match refusal {
            Refusal::NoSuchRefund | Refusal::NoSuchBooking => {
                OperatorError::UnknownRefund(self.refund)
            }
            Refusal::NotWithOperator => OperatorError::RefundNotWaiting(self.refund),
            Refusal::SentAnotherWay { means } => OperatorError::RefundSentAnotherWay { means },
            // No other has to do with refunds.
            other => OperatorError::Database(TurnError::Corrupt(format!("refused: {other:?}"))),
        }
    }

    fn handled(&self, world: &World) -> Option<Handled> {
        let booking = world.bookings.get(&self.booking)?;
        let payments: Vec<_> = world.payments_of(self.booking).collect();
        let refunds: Vec<_> = world.refunds_of(self.booking).collect();
        let document = status::document(booking, &payments, &refunds, world.now);
        Some(Handled {
            refund: RefundNow::from(world.refunds.get(&self.refund)?),
            booking_id: self.booking,
            status: document.status,
            settled: document.settled,
        })
    }
}

impl Plan for Turn<'_> {
    type Answer = Result<Acted<Handled>, OperatorError>;

    fn role(&self) -> Role {
        Role::HoldDesk
    }

    fn claim(&self) -> Claim {
        Claim {
            keys: self.key.cloned().into_iter().collect(),
            ..Claim::default()
        }
    }

    fn wanted(&self, claimed: &Claimed) -> Wanted {
        let mut wanted = Wanted::default();
        if matches!(claimed.keys.first(), None | Some(KeyState::Fresh)) {
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
        match claimed.keys.first() {
            Some(KeyState::Answered { status, body }) => {
                let (status, body) = (*status, body.clone());
                return Ok(Acted::Before { status, body });
            }
            Some(KeyState::OtherRequest | KeyState::Begun { .. }) => {
                return Ok(Acted::OtherRequest);
            }
            Some(KeyState::Fresh) | None => {}
        }
        let handled = self.decided(world)?;
        // Plain data: this cannot fail.
        let outcome = serde_json::to_string(&handled).unwrap_or_default();
        let body = outcome.clone().into_bytes();
        appends.acts.push(OperatorAct {
            who: self.order.who.clone(),
            door: self.order.door,
            what: self.what.what(),
            subject: Some(self.refund.to_string()),
            why: self.order.why.clone(),
            outcome,
        });
        if let Some(key) = self.key {
            let answer = KeptAnswer::Answer {
                status: 200,
                body: body.clone(),
            };
            appends.answers.push((key.clone(), answer));
        }
        Ok(Acted::Now(handled, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particulars_are_short_and_say_something() {
        for good in ["x", "UTR 4711/é", &"é".repeat(200)] {
            assert_eq!(Particulars::from_str(good).unwrap().as_str(), good);
        }
        for bad in ["", "  ", "a\nb", "a\u{85}b", &"x".repeat(201)] {
            assert!(Particulars::from_str(bad).is_err(), "{bad:?}");
        }
    }
}

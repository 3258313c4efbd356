//! What an operator does: one transaction with the record of who did it and why.

use std::future::Future;

use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::postgres::{Beside, PgStore};
use boxoffice_turn::{Appends, Claim, Claimed, Door, KeyClaim, KeyState, OperatorAct, TurnError};
use serde::Serialize;
use sqlx::PgConnection;

/// On whose order something is done.
#[derive(Clone, Debug)]
pub struct Order {
    /// The token's subject, or the operating system's user.
    pub who: String,
    /// Which way they came in.
    pub door: Door,
    /// Why, in their words.
    pub why: Option<String>,
}

/// Why an act is not done: refused, or the database's error.
pub trait NotDone: From<TurnError> + Send {
    /// The database's error, if that is why: after a lost race the act is tried again.
    ///
    /// # Errors
    /// Itself, if it is a refusal.
    fn database(self) -> Result<TurnError, Self>;
}

/// Something that operators do beside the saga: to shows, to tasks, to letters.
pub trait Act: Sync {
    /// What it comes to. Its JSON is the record's outcome, and the answer.
    type Done: Serialize + Send;
    /// Why it may not be done.
    type Error: NotDone;
    /// The HTTP status of that answer.
    const STATUS: u16 = 200;

    /// Its name in the record, for example `show.block`.
    fn what(&self) -> &'static str;

    /// What it is about: a show's number, a booking's or a letter's id.
    fn subject(&self, done: &Self::Done) -> String;

    /// Does it. May run more than once, so it touches nothing but `db`, the tasks and the operators' list of
    /// `world`, and `appends`.
    fn perform(
        &self,
        db: &mut PgConnection,
        world: &mut World,
        appends: &mut Appends,
    ) -> impl Future<Output = Result<Self::Done, Self::Error>> + Send;
}

/// What came of an act.
#[derive(Debug)]
pub enum Acted<T> {
    /// Done now, with the answer's body.
    Now(T, Vec<u8>),
    /// Done before, under the same idempotency key.
    Before {
        /// HTTP status of the answer of then.
        status: u16,
        /// Its body.
        body: Vec<u8>,
    },
    /// The idempotency key was used for another request.
    OtherRequest,
}

/// Does something on an operator's order, at most once under `key`, and records it in the same transaction.
///
/// # Errors
/// [`Act::Error`]: nothing has changed and nothing is recorded. After the database's error it may have been done;
/// the same again under the same key is safe.
pub async fn act<A: Act>(
    store: &PgStore,
    order: &Order,
    key: Option<&KeyClaim>,
    what: &A,
) -> Result<Acted<A::Done>, A::Error> {
    let recorded = Recorded { order, key, what };
    store.beside(&recorded).await?
}

struct Recorded<'a, A> {
    order: &'a Order,
    key: Option<&'a KeyClaim>,
    what: &'a A,
}

impl<A: Act> Beside for Recorded<'_, A> {
    type Done = Acted<A::Done>;
    type Refusal = A::Error;

    fn role(&self) -> &'static str {
        "operator"
    }

    fn claim(&self) -> Claim {
        Claim {
            keys: self.key.cloned().into_iter().collect(),
            ..Claim::default()
        }
    }

    async fn perform(
        &self,
        claimed: &Claimed,
        db: &mut PgConnection,
        world: &mut World,
        appends: &mut Appends,
    ) -> Result<Result<Acted<A::Done>, A::Error>, TurnError> {
        match claimed.keys.first() {
            Some(KeyState::Answered { status, body }) => {
                let (status, body) = (*status, body.clone());
                return Ok(Ok(Acted::Before { status, body }));
            }
            Some(KeyState::OtherRequest | KeyState::Begun { .. }) => {
                return Ok(Ok(Acted::OtherRequest));
            }
            Some(KeyState::Fresh) | None => {}
        }
        let done = match self.what.perform(db, world, appends).await {
            Ok(done) => done,
            Err(error) => {
                return match error.database() {
                    Ok(database) => Err(database),
                    Err(refused) => Ok(Err(refused)),
                };
            }
        };
        let outcome =
            serde_json::to_string(&done).map_err(|error| TurnError::Data(error.to_string()))?;
        let body = outcome.clone().into_bytes();
        appends.acts.push(OperatorAct {
            who: self.order.who.clone(),
            door: self.order.door,
            what: self.what.what(),
            subject: Some(self.what.subject(&done)),
            why: self.order.why.clone(),
            outcome,
        });
        if let Some(key) = self.key {
            let answer = KeptAnswer::Answer {
                status: A::STATUS,
                body: body.clone(),
            };
            appends.answers.push((key.clone(), answer));
        }
        Ok(Ok(Acted::Now(done, body)))
    }
}

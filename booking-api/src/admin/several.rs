//! Acts of several transactions under one idempotency key: each is safe to do again by itself, and the answer is
//! kept when all are done. Whoever asks again before that goes on where the first try stopped.

use axum::response::{IntoResponse, Response};
use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::postgres::Beside;
use boxoffice_turn::{Appends, Claim, Claimed, KeyClaim, KeyState, TurnError};
use serde::Serialize;
use sqlx::PgConnection;

use crate::api::Api;
use crate::bookings::not_done;
use crate::deadline;
use crate::idempotency::{self, Reply};
use crate::problem::Problem;

/// The answer that was given under this key before, if one was.
pub(super) async fn answered(
    api: &Api,
    key: Option<&KeyClaim>,
) -> Result<Option<Response>, Problem> {
    let Some(key) = key else {
        return Ok(None);
    };
    let found = ask(api, &Keep { key, answer: None }).await?;
    Ok(found.map(IntoResponse::into_response))
}

/// Keeps the answer under the key, unless a twin was faster, and gives it.
pub(super) async fn answer<T: Serialize>(
    api: &Api,
    key: Option<&KeyClaim>,
    done: &T,
) -> Result<Response, Problem> {
    // Plain data: this cannot fail.
    let body = serde_json::to_vec(done).unwrap_or_default();
    if let Some(key) = key {
        let answer = Some(body.clone());
        if let Some(before) = ask(api, &Keep { key, answer }).await? {
            return Ok(before.into_response());
        }
    }
    Ok(Reply::first(200, body).into_response())
}

async fn ask(api: &Api, keep: &Keep<'_>) -> Result<Option<Reply>, Problem> {
    let state = match deadline::read(api.store.beside(keep)).await {
        Ok(Ok(()) | Err(KeyState::Fresh)) => return Ok(None),
        Ok(Err(state)) => state,
        Err(error) => return Err(not_done(&error, "an idempotency key")),
    };
    match state {
        KeyState::Answered { status, body } => Ok(Some(Reply::again(status, body))),
        _ => Err(idempotency::reused()),
    }
}

/// Keeps an answer under a fresh key; without one it only looks. Else it is refused with what the key is.
struct Keep<'a> {
    key: &'a KeyClaim,
    answer: Option<Vec<u8>>,
}

impl Beside for Keep<'_> {
    type Done = ();
    type Refusal = KeyState;

    fn role(&self) -> &'static str {
        "operator"
    }

    fn claim(&self) -> Claim {
        Claim {
            keys: vec![self.key.clone()],
            ..Claim::default()
        }
    }

    async fn perform(
        &self,
        claimed: &Claimed,
        _: &mut PgConnection,
        _: &mut World,
        appends: &mut Appends,
    ) -> Result<Result<(), KeyState>, TurnError> {
        let state = claimed.keys.first().cloned().unwrap_or(KeyState::Fresh);
        let outcome = match (&state, &self.answer) {
            (KeyState::Fresh, Some(body)) => {
                let answer = KeptAnswer::Answer {
                    status: 200,
                    body: body.clone(),
                };
                appends.answers.push((self.key.clone(), answer));
                Ok(())
            }
            _ => Err(state),
        };
        std::future::ready(Ok(outcome)).await
    }
}

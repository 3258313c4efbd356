//! What all acts have in common: who, why, at most once under a key, and an answer.

use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use boxoffice_saga::identity::UserId;
use boxoffice_turn::{Door, KeyClaim};
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use crate::api::Api;
use crate::bookings::not_done;
use crate::idempotency::{self, Reply};
use crate::operators::{Act, Acted, OperatorError, Order, act};
use crate::problem::{Code, Problem};
use crate::request;
use crate::shows::ShowError;

/// The largest body of an operator's request, in bytes: many shows with all their seats.
const LARGEST_BODY: usize = 16 * 1024 * 1024;
/// The longest that one may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);
/// The longest that an act may take: a full hall takes a second, an import has many halls.
const ACT_TIME: Duration = Duration::from_secs(60);
/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// A body that has nothing but a reason, or is empty.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why, for the record.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub(super) reason: Option<String>,
}

/// A body that must say why.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "a description; see order_with_reason")]
pub(super) struct NeededReason {
    /// Why, for the record.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    reason: String,
}

impl Reason {
    pub(super) fn of(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        request::json(body)
    }
}

/// What an operator asks.
pub(super) struct Asked {
    /// Who asks.
    pub(super) user: UserId,
    /// The body.
    pub(super) body: Bytes,
    /// The idempotency key, if there is one.
    pub(super) key: Option<KeyClaim>,
}

impl Asked {
    /// Reads a request to `route`. Nothing of the body is read before it is known that an operator asks.
    pub(super) async fn of(
        api: &Api,
        headers: &HeaderMap,
        body: Body,
        route: String,
    ) -> Result<Self, Problem> {
        let user = api.verifier.operator(headers).await?;
        let body = request::body_within(body, LARGEST_BODY, BODY_TIME).await?;
        let key = idempotency::claim(headers, &user, route, &body)?;
        Ok(Self { user, body, key })
    }
}

/// An order of `user`, whose reason may be missing.
pub(super) fn order(user: &UserId, reason: Option<String>) -> Result<Order, Problem> {
    if let Some(reason) = &reason {
        let fits = !reason.trim().is_empty()
            && reason.chars().count() <= LONGEST_REASON
            && !reason.chars().any(char::is_control);
        if !fits {
            return Err(Problem::new(
                Code::InvalidRequest,
                format!("`reason` must be 1 to {LONGEST_REASON} characters without line breaks."),
            ));
        }
    }
    Ok(Order {
        who: user.0.clone(),
        door: Door::Api,
        why: reason,
    })
}

/// An order of `user` whose reason may not be missing.
pub(super) fn order_with_reason(user: &UserId, reason: Option<String>) -> Result<Order, Problem> {
    if reason.is_none() {
        return Err(Problem::new(
            Code::ReasonMissing,
            "Say in `reason` why this is done; it is kept with your name.",
        ));
    }
    order(user, reason)
}

/// Does it, and answers with what it came to.
pub(super) async fn carry_out<A: Act>(
    api: &Api,
    order: &Order,
    key: Option<&KeyClaim>,
    what: &A,
) -> Result<Response, Problem>
where
    Problem: From<A::Error>,
{
    answer(in_time(act(&api.store, order, key, what)).await?, A::STATUS)
}

/// Answers with what came of an act; `status` is of one that is done now.
pub(super) fn answer<T>(acted: Acted<T>, status: u16) -> Result<Response, Problem> {
    let reply = match acted {
        Acted::Now(_, body) => Reply::first(status, body),
        Acted::Before { status, body } => Reply::again(status, body),
        Acted::OtherRequest => return Err(idempotency::reused()),
    };
    Ok(reply.into_response())
}

/// Waits for an act, but not for ever. What is given up may have been done; the same again is safe.
pub(super) async fn in_time<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
where
    Problem: From<E>,
{
    match tokio::time::timeout(ACT_TIME, work).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            tracing::warn!("an operator's act was not done in time");
            Err(Problem::unavailable())
        }
    }
}

impl From<ShowError> for Problem {
    fn from(error: ShowError) -> Self {
        let said = sentence(&error.to_string());
        match error {
            ShowError::Invalid(_) | ShowError::Nameless | ShowError::NothingToChange => {
                Self::new(Code::ShowInvalid, said)
            }
            ShowError::Taken(_) => Self::new(Code::ShowTaken, said),
            ShowError::Unknown(_) => Self::not_found("show"),
            ShowError::NotOnSale(_)
            | ShowError::OnSale(_)
            | ShowError::Cancelled(_)
            | ShowError::Removed(_)
            | ShowError::UnderWay(..) => Self::new(Code::ShowState, said),
            ShowError::NoSeats => Self::new(Code::NoSeats, said),
            ShowError::SeatTwice(seat) => Self::new(Code::SeatTwice, said).about_seats(vec![seat]),
            ShowError::UnknownSeats(seats) => {
                Self::new(Code::UnknownSeats, said).about_seats(seats)
            }
            ShowError::SeatsTaken(seats) => {
                Self::new(Code::SeatsUnavailable, said).about_seats(seats)
            }
            ShowError::Database(error) => not_done(&error, "an operator's act"),
        }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        let said = sentence(&error.to_string());
        match error {
            OperatorError::UnknownBooking(_) => Self::not_found("booking"),
            OperatorError::UnknownLetter(_) => Self::not_found("dead letter"),
            OperatorError::NotParked(_) => Self::new(Code::NotFound, said),
            OperatorError::Redriven { .. } => Self::new(Code::AlreadyRedriven, said),
            OperatorError::Unsendable(_) => Self::new(Code::NotRedrivable, said),
            OperatorError::UnknownRefund(_) => Self::not_found("refund"),
            OperatorError::UnknownItem { .. } => Self::not_found("item"),
            OperatorError::RefundNotWaiting(_) => Self::new(Code::RefundNotWaiting, said),
            OperatorError::RefundSentAnotherWay { .. } => {
                Self::new(Code::RefundSentAnotherWay, said)
            }
            OperatorError::MoneyWaits(_) => Self::new(Code::MoneyWaits, said),
            OperatorError::Database(error) => not_done(&error, "an operator's act"),
        }
    }
}

/// With a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

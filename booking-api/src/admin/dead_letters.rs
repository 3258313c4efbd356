//! `GET /v1/admin/dead-letters`, `GET …/{letter}`, `POST …/{letter}/redrive`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::acts::{Asked, carry_out, order_with_reason};
use super::paging;
use crate::api::Api;
use crate::bookings::not_done;
use crate::deadline;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::operators::dead_letters::{self, DeadLetter, OpenedLetter, Redrive, Redriven};
use crate::operators::page;
use crate::problem::Problem;
use crate::request::{self, InPath};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    redriven: bool,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A page of dead letters.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct LettersPage {
    /// The oldest first.
    letters: Vec<DeadLetter>,
    /// What to send as `cursor` for the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
}

refuses!(LettersDoor: OPERATES);

/// Records that could not be read or applied
#[utoipa::path(
    get, path = "/v1/admin/dead-letters", tag = "operators", operation_id = "list_dead_letters",
    params(
        ("redriven" = Option<bool>, Query, description = "Also those that were redriven; they are left out otherwise."),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 500, description = "Letters on a page; 50."),
    ),
    responses(
        (status = 200, description = "A page.", body = LettersPage),
        Problems<LettersDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<LettersPage>, Problem> {
    api.verifier.operator(&headers).await?;
    let asked: Filter = request::query(&uri)?;
    let after = paging::place(asked.cursor.as_deref())?;
    let limit = paging::limit(asked.limit.as_deref())?;
    let read = dead_letters::list(&api.store, asked.redriven, after.as_ref(), limit);
    let found = deadline::read(read)
        .await
        .map_err(|error| not_done(&error, "the dead letters"))?;
    Ok(Json(LettersPage {
        letters: found.entries,
        next: found.next.as_ref().map(page::cursor),
    }))
}

refuses!(LetterDoor: OPERATES + NotFound);

/// Open a dead letter
///
/// With its key, its headers and its value as they came.
#[utoipa::path(
    get, path = "/v1/admin/dead-letters/{letter}", tag = "operators", operation_id = "open_dead_letter",
    params(
        ("letter" = Uuid, Path, description = "The letter."),
    ),
    responses(
        (status = 200, description = "The letter.", body = OpenedLetter),
        Problems<LetterDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn open(
    State(api): State<Arc<Api>>,
    InPath(letter): InPath<String>,
    headers: HeaderMap,
) -> Result<Json<OpenedLetter>, Problem> {
    api.verifier.operator(&headers).await?;
    let letter: Uuid = request::path(&letter, "dead letter")?;
    let found = deadline::read(dead_letters::open(&api.store, letter))
        .await
        .map_err(|error| not_done(&error, "a dead letter"))?;
    found
        .map(Json)
        .ok_or_else(|| Problem::not_found("dead letter"))
}

/// How a letter is put back.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RedriveLetter)]
struct Order {
    /// Send it once more, although it was sent before.
    #[serde(default)]
    again: bool,
    /// Why, for the record.
    #[serde(default)]
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    reason: Option<String>,
}

refuses!(RedriveDoor: OPERATES + NotFound, ReasonMissing, AlreadyRedriven, NotRedrivable);

/// Put a dead letter back into its topic
///
/// Through the outbox, with the same bytes, headers and key, once. Its item on the operators' list is settled: if it
/// cannot be used this time either, it becomes another letter with an item of its own.
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/{letter}/redrive", tag = "operators", operation_id = "redrive_dead_letter",
    params(
        ("letter" = Uuid, Path, description = "The letter."),
        IdempotencyKey,
    ),
    request_body = Order,
    responses(
        (status = 202, description = "It is on its way.", body = Redriven),
        Problems<RedriveDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn redrive(
    State(api): State<Arc<Api>>,
    InPath(letter): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let letter: Uuid = request::path(&letter, "dead letter")?;
    let route = format!("POST /v1/admin/dead-letters/{letter}/redrive");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let Order { again, reason } = request::json(&body)?;
    let order = order_with_reason(&user, reason)?;
    carry_out(&api, &order, key.as_ref(), &Redrive { letter, again }).await
}

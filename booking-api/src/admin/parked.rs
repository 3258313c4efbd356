//! `GET /v1/admin/parked-records`, `POST …/{record}/retry`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::acts::{Asked, NeededReason, Reason, carry_out, order_with_reason};
use super::paging;
use crate::api::Api;
use crate::bookings::not_done;
use crate::deadline;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::operators::page;
use crate::operators::parked::{self, ParkedRecord, RetriedParked, RetryParked};
use crate::problem::Problem;
use crate::request::{self, InPath};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    cursor: Option<String>,
    limit: Option<String>,
}

/// A page of parked records.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ParkedPage {
    /// The oldest first.
    records: Vec<ParkedRecord>,
    /// What to send as `cursor` for the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
}

refuses!(ParkedDoor: OPERATES);

/// Records whose booking or payment nobody knows (yet)
#[utoipa::path(
    get, path = "/v1/admin/parked-records", tag = "operators", operation_id = "list_parked_records",
    params(
        ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 500, description = "Records on a page; 50."),
    ),
    responses(
        (status = 200, description = "A page.", body = ParkedPage),
        Problems<ParkedDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ParkedPage>, Problem> {
    api.verifier.operator(&headers).await?;
    let asked: Filter = request::query(&uri)?;
    let after = paging::place(asked.cursor.as_deref())?;
    let limit = paging::limit(asked.limit.as_deref())?;
    let found = deadline::read(parked::list(&api.store, after.as_ref(), limit))
        .await
        .map_err(|error| not_done(&error, "the parked records"))?;
    Ok(Json(ParkedPage {
        records: found.entries,
        next: found.next.as_ref().map(page::cursor),
    }))
}

refuses!(RetryParkedDoor: OPERATES + NotFound, ReasonMissing);

/// Look for a parked record's booking again, now
#[utoipa::path(
    post, path = "/v1/admin/parked-records/{record}/retry", tag = "operators", operation_id = "retry_parked_record",
    params(
        ("record" = Uuid, Path, description = "The record."),
        IdempotencyKey,
    ),
    request_body = NeededReason,
    responses(
        (status = 200, description = "It is looked for.", body = RetriedParked),
        Problems<RetryParkedDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    InPath(record): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let record: Uuid = request::path(&record, "parked record")?;
    let route = format!("POST /v1/admin/parked-records/{record}/retry");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    carry_out(&api, &order, key.as_ref(), &RetryParked(record)).await
}

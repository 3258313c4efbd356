//! `/v1/admin/shows/{show}/refunds`: how far the refunds of a cancelled show are; pausing them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::identity::ShowId;
use http::HeaderMap;

use super::acts::{Asked, NeededReason, Reason, carry_out, order_with_reason};
use crate::api::Api;
use crate::bookings::not_done;
use crate::deadline;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::problem::Problem;
use crate::request::{self, InPath};
use crate::shows::{PauseRefunds, Paused, RefundProgress, ResumeRefunds, refund_progress};

refuses!(ProgressDoor: OPERATES + NotFound);
refuses!(PauseDoor: OPERATES + NotFound, ReasonMissing);

/// Look at the refunds of a cancelled show
///
/// How many are in which state and how much money that is, how fast they go, and when they will be through.
#[utoipa::path(
    get, path = "/v1/admin/shows/{show}/refunds", tag = "operators", operation_id = "look_at_refunds",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
    ),
    responses(
        (status = 200, description = "How far they are.", body = RefundProgress),
        Problems<ProgressDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn progress(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
    headers: HeaderMap,
) -> Result<Json<RefundProgress>, Problem> {
    api.verifier.operator(&headers).await?;
    let show: ShowId = request::path(&show, "show")?;
    let found = deadline::read(refund_progress(api.store.pool(), show))
        .await
        .map_err(|error| not_done(&error, "the progress of refunds"))?;
    found.map(Json).ok_or_else(|| Problem::not_found("show"))
}

/// Pause the refunds of a cancelled show
///
/// What is under way at the gateway is finished; nothing more is asked for until they are resumed. Other refunds go
/// on. May be done before the show is cancelled.
#[utoipa::path(
    post, path = "/v1/admin/shows/{show}/refunds/pause", tag = "operators", operation_id = "pause_refunds",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        IdempotencyKey,
    ),
    request_body = NeededReason,
    responses(
        (status = 200, description = "Paused.", body = Paused),
        Problems<PauseDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn pause(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/refunds/pause");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    let what = PauseRefunds { show, by: &order };
    carry_out(&api, &order, key.as_ref(), &what).await
}

/// Let the refunds of a cancelled show go on
#[utoipa::path(
    post, path = "/v1/admin/shows/{show}/refunds/resume", tag = "operators", operation_id = "resume_refunds",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        IdempotencyKey,
    ),
    request_body = NeededReason,
    responses(
        (status = 200, description = "They go on.", body = Paused),
        Problems<PauseDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/refunds/resume");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    carry_out(&api, &order, key.as_ref(), &ResumeRefunds(show)).await
}

//! `GET /v1/admin/shows/{show}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use boxoffice_saga::identity::ShowId;
use http::HeaderMap;

use crate::api::Api;
use crate::bookings::not_done;
use crate::deadline;
use crate::openapi::{Problems, refuses};
use crate::problem::Problem;
use crate::request::{self, InPath};
use crate::shows::{Overview, overview};

refuses!(ShowDoor: OPERATES + NotFound);

/// Look at a show
///
/// Drafts included, with its rules and what has become of its seats and bookings.
#[utoipa::path(
    get, path = "/v1/admin/shows/{show}", tag = "operators", operation_id = "look_at_show",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
    ),
    responses(
        (status = 200, description = "The show.", body = Overview),
        Problems<ShowDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
    headers: HeaderMap,
) -> Result<Json<Overview>, Problem> {
    api.verifier.operator(&headers).await?;
    let show: ShowId = request::path(&show, "show")?;
    let found = deadline::read(overview(api.store.pool(), show))
        .await
        .map_err(|error| not_done(&error, "a show's overview"))?;
    found.map(Json).ok_or_else(|| Problem::not_found("show"))
}

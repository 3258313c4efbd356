//! `GET /v1/admin/shows/{show}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use boxoffice_saga::identity::ShowId;
use http::HeaderMap;

use crate::api::Api;
use crate::bookings::not_done;
use crate::problem::Problem;
use crate::request;
use crate::shows::{Overview, overview};

/// A show, drafts included, with its rules and what has become of its seats and bookings.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(show): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Overview>, Problem> {
    api.verifier.operator(&headers).await?;
    let show: ShowId = request::path(&show, "show")?;
    let found = overview(api.store.pool(), show)
        .await
        .map_err(|error| not_done(&error, "a show's overview"))?;
    found.map(Json).ok_or_else(|| Problem::not_found("show"))
}

//! `POST /v1/admin/shows/prune`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;

use super::acts::{Asked, in_time, order_with_reason};
use super::several;
use crate::api::Api;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::problem::{Code, Problem};
use crate::request;
use crate::shows::{Removal, remove_old};

/// Which shows.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Prune {
    /// Those that began more than so many days ago.
    #[serde(default = "thirty")]
    #[schema(minimum = 1)]
    days: u16,
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

const fn thirty() -> u16 {
    30
}

refuses!(PruneDoor: OPERATES + ReasonMissing);

/// Remove the seats of shows that are over
///
/// Of those that began more than `days` ago and have nothing under way. Bookings, payments and the ledger stay.
#[utoipa::path(
    post, path = "/v1/admin/shows/prune", tag = "operators", operation_id = "prune_shows",
    params(
        IdempotencyKey,
    ),
    request_body = Prune,
    responses(
        (status = 200, description = "What was removed, and what was not.", body = Removal),
        Problems<PruneDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn prune(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let route = "POST /v1/admin/shows/prune".to_owned();
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let Prune { days, reason } = request::json(&body)?;
    if days == 0 {
        return Err(Problem::new(
            Code::InvalidRequest,
            "`days` must be at least 1: a show may still be going on.",
        ));
    }
    let order = order_with_reason(&user, reason)?;
    if let Some(before) = several::answered(&api, key.as_ref()).await? {
        return Ok(before);
    }
    let removal = in_time(remove_old(&api.store, &order, days)).await?;
    several::answer(&api, key.as_ref(), &removal).await
}

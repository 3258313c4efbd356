//! `POST /v1/admin/shows/{show}/cancel`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::identity::ShowId;
use http::HeaderMap;

use super::acts::{Asked, NeededReason, Reason, carry_out, order_with_reason};
use crate::api::Api;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::problem::Problem;
use crate::request::{self, InPath};
use crate::shows::{CancelShow, Cancelled};

refuses!(CancelShowDoor: OPERATES + NotFound, ShowState, ReasonMissing);

/// Cancel a show
///
/// When this is answered none of its seats can be sold any more. Its bookings are cancelled one by one, and what was
/// paid goes back whole.
#[utoipa::path(
    post, path = "/v1/admin/shows/{show}/cancel", tag = "operators", operation_id = "cancel_show",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        IdempotencyKey,
    ),
    request_body = NeededReason,
    responses(
        (status = 202, description = "Cancelled; its bookings follow.", body = Cancelled),
        Problems<CancelShowDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/cancel");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    carry_out(&api, &order, key.as_ref(), &CancelShow(show)).await
}

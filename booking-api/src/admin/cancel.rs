//! `POST /v1/admin/shows/{show}/cancel`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use boxoffice_saga::identity::ShowId;
use http::HeaderMap;

use super::acts::{Asked, Reason, carry_out, order_with_reason};
use crate::api::Api;
use crate::problem::Problem;
use crate::request;
use crate::shows::CancelShow;

/// Cancels a show. When this is answered none of its seats can be sold any more; its bookings follow.
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/cancel");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    carry_out(&api, &order, key.as_ref(), &CancelShow(show)).await
}

//! `POST /v1/admin/shows/prune`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;

use super::acts::{Asked, order_with_reason};
use super::several;
use crate::api::Api;
use crate::problem::{Code, Problem};
use crate::request;
use crate::shows::remove_old;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prune {
    #[serde(default = "thirty")]
    days: u16,
    #[serde(default)]
    reason: Option<String>,
}

const fn thirty() -> u16 {
    30
}

/// Removes the seats of shows that are over.
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
    let removal = remove_old(&api.store, &order, days).await?;
    several::answer(&api, key.as_ref(), &removal).await
}

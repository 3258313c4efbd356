//! `POST /v1/admin/shows/{show}/on-sale | block | unblock | change`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use boxoffice_saga::identity::{SeatName, ShowId};
use http::HeaderMap;
use serde::Deserialize;
use time::OffsetDateTime;

use super::acts::{Asked, Reason, carry_out, order, order_with_reason};
use crate::api::Api;
use crate::problem::Problem;
use crate::request;
use crate::shows::{BlockSeats, ChangeShow, PutOnSale, UnblockSeats};

/// Puts a show on sale.
pub(super) async fn on_sale(
    State(api): State<Arc<Api>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/on-sale");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order(&user, Reason::of(&body)?.reason)?;
    carry_out(&api, &order, key.as_ref(), &PutOnSale(show)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seats {
    seats: Vec<SeatName>,
    #[serde(default)]
    reason: Option<String>,
}

/// Takes seats off sale.
pub(super) async fn block(
    State(api): State<Arc<Api>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/block");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let Seats { seats, reason } = request::json(&body)?;
    let order = order_with_reason(&user, reason)?;
    carry_out(&api, &order, key.as_ref(), &BlockSeats { show, seats }).await
}

/// Gives blocked seats back for sale.
pub(super) async fn unblock(
    State(api): State<Arc<Api>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/unblock");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let Seats { seats, reason } = request::json(&body)?;
    let order = order(&user, reason)?;
    carry_out(&api, &order, key.as_ref(), &UnblockSeats { show, seats }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    #[serde(default)]
    title: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    starts_at: Option<OffsetDateTime>,
    #[serde(default)]
    reason: Option<String>,
}

/// Changes a show's title or time.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/change");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let changes: Changes = request::json(&body)?;
    let order = order(&user, changes.reason)?;
    let what = ChangeShow {
        show,
        title: changes.title,
        starts_at: changes.starts_at,
    };
    carry_out(&api, &order, key.as_ref(), &what).await
}

//! `POST /v1/admin/shows/{show}/on-sale | block | unblock | change`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::identity::{SeatName, ShowId};
use http::HeaderMap;
use serde::Deserialize;
use time::OffsetDateTime;

use super::acts::{Asked, Reason, carry_out, order, order_with_reason};
use crate::api::Api;
use crate::openapi::{IdempotencyKey, Problems, refuses, seat_names};
use crate::problem::Problem;
use crate::request::{self, InPath};
use crate::shows::{BlockSeats, Blocked, ChangeShow, Changed, OnSale, PutOnSale, UnblockSeats};

refuses!(OnSaleDoor: OPERATES + NotFound, ShowState);

/// Put a show on sale
///
/// Its plan becomes seats. Doing it twice is doing it once.
#[utoipa::path(
    post, path = "/v1/admin/shows/{show}/on-sale", tag = "operators", operation_id = "put_show_on_sale",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        IdempotencyKey,
    ),
    request_body = Option<Reason>,
    responses(
        (status = 200, description = "On sale.", body = OnSale),
        Problems<OnSaleDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn on_sale(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let show: ShowId = request::path(&show, "show")?;
    let route = format!("POST /v1/admin/shows/{show}/on-sale");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order(&user, Reason::of(&body)?.reason)?;
    carry_out(&api, &order, key.as_ref(), &PutOnSale(show)).await
}

/// Which seats.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SeatsToUnblock)]
struct Seats {
    #[schema(schema_with = seat_names)]
    seats: Vec<SeatName>,
    /// Why, for the record.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    reason: Option<String>,
}

/// Which seats, and why.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "a description of Seats that say why")]
struct SeatsToBlock {
    #[schema(schema_with = seat_names)]
    seats: Vec<String>,
    /// Why, for the record.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    reason: String,
}

refuses!(BlockDoor: OPERATES + NotFound, ShowState, SeatsUnavailable, UnknownSeats, NoSeats, SeatTwice, ReasonMissing);

/// Take seats off sale
///
/// All that are named, or none: what somebody holds or has bought is not taken from them.
#[utoipa::path(
    post, path = "/v1/admin/shows/{show}/block", tag = "operators", operation_id = "block_seats",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        IdempotencyKey,
    ),
    request_body = SeatsToBlock,
    responses(
        (status = 200, description = "Off sale.", body = Blocked),
        Problems<BlockDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn block(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
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

refuses!(UnblockDoor: OPERATES + NotFound, ShowState, SeatsUnavailable, UnknownSeats, NoSeats, SeatTwice);

/// Give blocked seats back for sale
///
/// All that are named, or none.
#[utoipa::path(
    post, path = "/v1/admin/shows/{show}/unblock", tag = "operators", operation_id = "unblock_seats",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        IdempotencyKey,
    ),
    request_body = Seats,
    responses(
        (status = 200, description = "For sale again.", body = Blocked),
        Problems<UnblockDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn unblock(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
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

/// What of a show is to change: at least one of the two.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShowChanges)]
struct Changes {
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    title: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    starts_at: Option<OffsetDateTime>,
    /// Why, for the record.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    reason: Option<String>,
}

refuses!(ChangeDoor: OPERATES + NotFound, ShowState, ShowInvalid);

/// Change a show's title or time
#[utoipa::path(
    post, path = "/v1/admin/shows/{show}/change", tag = "operators", operation_id = "change_show",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        IdempotencyKey,
    ),
    request_body = Changes,
    responses(
        (status = 200, description = "As it reads now.", body = Changed),
        Problems<ChangeDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
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

//! `GET /v1/admin/bookings`, `GET /v1/admin/bookings/{booking}/story`, `POST …/retry`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::identity::BookingId;
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};

use super::acts::{Asked, NeededReason, Reason, carry_out, order_with_reason};
use super::paging;
use crate::api::Api;
use crate::bookings::not_done;
use crate::deadline;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::operators::story::{self, Story};
use crate::operators::waiting::{self, Sum, Waiting, WaitingFor, Wanted};
use crate::operators::{Retried, RetryBooking, page};
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    waiting_for: Option<String>,
    stuck: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A page of what is open.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct WaitingPage {
    /// What has waited longest first.
    waiting: Vec<Waiting>,
    /// How much there is of all that was asked for, on this page and beyond; only with the first page.
    #[schema(required)]
    sums: Option<Vec<Sum>>,
    /// What to send as `cursor` for the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
}

refuses!(WaitingDoor: OPERATES);

/// What is open: waiting for whom, how long, how much money
///
/// A booking is here once for each of its payments, refunds, messages and items that is open. What is on the operators'
/// list waits for a person, and for nobody else.
#[utoipa::path(
    get, path = "/v1/admin/bookings", tag = "operators", operation_id = "list_waiting",
    params(
        ("waiting_for" = Option<WaitingFor>, Query, description = "Only what waits for these."),
        ("stuck" = Option<String>, Query, pattern = "^[0-9]{1,4}[smhd]$",
            description = "Only what has waited at least so long, for example `10m`."),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 500, description = "Entries on a page; 50."),
    ),
    responses(
        (status = 200, description = "A page.", body = WaitingPage),
        Problems<WaitingDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn waiting(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<WaitingPage>, Problem> {
    api.verifier.operator(&headers).await?;
    let asked: Filter = request::query(&uri)?;
    let unusable = |name: &str, error: String| {
        Problem::new(Code::InvalidRequest, format!("`{name}`: {error}."))
    };
    let wanted = Wanted {
        waiting_for: asked
            .waiting_for
            .map(|text| text.parse())
            .transpose()
            .map_err(|error| unusable("waiting_for", error))?,
        stuck: asked
            .stuck
            .map_or_else(|| Ok(time::Duration::ZERO), |text| waiting::stuck(&text))
            .map_err(|error| unusable("stuck", error))?,
    };
    let after = paging::place(asked.cursor.as_deref())?;
    let limit = paging::limit(asked.limit.as_deref())?;
    let read = async {
        let found = waiting::list(&api.store, wanted, after.as_ref(), limit).await?;
        let sums = match after {
            None => Some(waiting::sums(&api.store, wanted).await?),
            Some(_) => None,
        };
        Ok((found, sums))
    };
    let (found, sums) = deadline::long_read(read)
        .await
        .map_err(|error| not_done(&error, "what is open"))?;
    Ok(Json(WaitingPage {
        waiting: found.entries,
        sums,
        next: found.next.as_ref().map(page::cursor),
    }))
}

refuses!(StoryDoor: OPERATES + NotFound);

/// One booking's story
///
/// In time order: what reached it and what was decided, where its money went, what was published, which calls were made
/// and how they were answered, what its customer was told, what operators did; and what is still open.
#[utoipa::path(
    get, path = "/v1/admin/bookings/{booking}/story", tag = "operators", operation_id = "tell_story",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
    ),
    responses(
        (status = 200, description = "Its story.", body = Story),
        Problems<StoryDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn story(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    headers: HeaderMap,
) -> Result<Json<Story>, Problem> {
    api.verifier.operator(&headers).await?;
    let booking: BookingId = request::path(&booking, "booking")?;
    let found = deadline::long_read(story::story(&api.store, booking))
        .await
        .map_err(|error| not_done(&error, "a booking's story"))?;
    found.map(Json).ok_or_else(|| Problem::not_found("booking"))
}

refuses!(RetryDoor: OPERATES + NotFound, ReasonMissing);

/// Try what a booking waits for again, now
///
/// Its open calls are due at once. What a worker has in hand stays there, and timers keep their time.
#[utoipa::path(
    post, path = "/v1/admin/bookings/{booking}/retry", tag = "operators", operation_id = "retry_booking",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        IdempotencyKey,
    ),
    request_body = NeededReason,
    responses(
        (status = 200, description = "What became of its tasks.", body = Retried),
        Problems<RetryDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let booking: BookingId = request::path(&booking, "booking")?;
    let route = format!("POST /v1/admin/bookings/{booking}/retry");
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    carry_out(&api, &order, key.as_ref(), &RetryBooking(booking)).await
}

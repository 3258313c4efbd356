//! `GET /v1/bookings/{booking}`: the status document, at once or when it changes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::status::{Status, StatusDocument};
use http::HeaderMap;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::time::Instant;

use super::case::Seen;
use super::tag::Tag;
use super::wait::{Change, change, look, poll};
use crate::access::Access;
use crate::api::Api;
use crate::limits::Admitted;
use crate::openapi::{Problems, refuses};
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};

/// The longest wait, in seconds.
const LONGEST_WAIT_S: u64 = 25;
/// The pause until the next poll, in milliseconds; in the document too, but also sent with a 304.
pub(crate) const POLL_AFTER: HeaderName = HeaderName::from_static("poll-after-ms");

#[derive(Deserialize)]
pub(crate) struct Asked {
    wait: Option<String>,
    token: Option<String>,
}

impl Asked {
    pub(super) fn read(asked: Result<Query<Self>, QueryRejection>) -> Result<Self, Problem> {
        let Query(asked) = asked
            .map_err(|_| Problem::new(Code::InvalidRequest, "The query string cannot be read."))?;
        Ok(asked)
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Longer waits than the longest are cut.
    fn wait(&self) -> Result<Duration, Problem> {
        let Some(wait) = &self.wait else {
            return Ok(Duration::ZERO);
        };
        let seconds = wait
            .parse::<i64>()
            .ok()
            .and_then(|wait| wait.try_into().ok());
        let seconds: u64 = seconds.ok_or_else(|| {
            Problem::new(
                Code::InvalidRequest,
                "`wait` must be whole seconds, up to 25.",
            )
        })?;
        Ok(Duration::from_secs(seconds.min(LONGEST_WAIT_S)))
    }
}

refuses!(StatusDoor: LOOKS + Unauthorised, InvalidRequest, NotFound);

/// How a booking stands, at once or when that changes
///
/// With `If-None-Match` and `wait` it answers as soon as there is another document. Poll as `poll` says.
#[utoipa::path(
    get, path = "/v1/bookings/{booking}", tag = "bookings",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        ("wait" = Option<u64>, Query, minimum = 0,
            description = "Wait for a change for so many seconds; more than 25 are cut to that."),
        ("token" = Option<String>, Query, description = "Of a status address; opens this booking without a login."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer."),
    ),
    responses(
        (status = 200, description = "The status document.", body = StatusDocument, headers(
            ("ETag" = String, description = "Identifies this document, what depends on time included."),
            ("Poll-After-Ms" = u32, description = "As `poll.after_ms`."),
        )),
        (status = 304, description = "As the client has it.", headers(
            ("ETag" = String, description = "The client's own."),
            ("Poll-After-Ms" = u32, description = "Milliseconds until the next poll; 0: none."),
        )),
        Problems<StatusDoor>,
    ),
    security((), ("bearer" = [])),
)]
pub(crate) async fn status(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    admission: Admitted,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::read(asked)?;
    let booking: BookingId = request::path(&booking, "booking")?;
    let access = Access::of(&api, booking, asked.token(), &headers).await?;
    let wait = asked.wait()?;
    let Some(known) = Tag::known(&headers) else {
        let (seen, document) = look(&api, &access, booking).await?;
        return Ok(whole(&api, &seen, document));
    };
    // They share the connection's read buffer, which would stay for as long as this waits.
    drop(headers);
    // Without room to wait in, the answer comes at once: the client polls instead.
    let waits = !wait.is_zero() && !api.watchers.crowded(booking) && admission.waits();
    let change = if waits {
        let watcher = api.watchers.watch(booking);
        change(&api, &access, &watcher, known, Instant::now() + wait).await?
    } else {
        poll(&api, &access, booking, known).await?
    };
    Ok(match change {
        Change::Changed(seen, document) => whole(&api, &seen, *document),
        Change::Unchanged(document) => unchanged(known, &document),
    })
}

fn whole(api: &Api, seen: &Seen, document: StatusDocument) -> Response {
    let document = complete(api, seen, document);
    match serde_json::to_vec(&document) {
        Ok(body) => {
            let headers = headers(Tag::from(&document), &document);
            (headers, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, booking = %document.booking_id, "a status document cannot be written");
            Problem::internal().into_response()
        }
    }
}

/// The document with what only the door knows.
pub(super) fn complete(api: &Api, seen: &Seen, mut document: StatusDocument) -> StatusDocument {
    if document.status == Status::Confirmed {
        document.ticket_url = Some(api.addresses.ticket(&seen.case.booking));
    }
    document
}

fn unchanged(known: Tag, document: &StatusDocument) -> Response {
    (StatusCode::NOT_MODIFIED, headers(known, document)).into_response()
}

fn headers(tag: Tag, document: &StatusDocument) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    if let Ok(tag) = HeaderValue::try_from(tag.to_string()) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(POLL_AFTER, document.poll.after_ms.into());
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    // The token stands in the address: it must not travel on to others.
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers
}

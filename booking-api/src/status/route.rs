//! `GET /v1/bookings/{booking}`: the status document, at once or when it changes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::status::{Status, StatusDocument};
use http::HeaderMap;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::time::Instant;

use super::case::Seen;
use super::tag::Tag;
use crate::access::Access;
use crate::api::Api;
use crate::problem::{Code, Problem};
use crate::request;

/// The longest wait, in seconds.
const LONGEST_WAIT_S: u64 = 25;
/// How long a reader that is behind what the client knows is given to catch up between looks.
const CATCH_UP: Duration = Duration::from_millis(200);
/// The pause until the next poll, in milliseconds; in the document too, but also sent with a 304.
const POLL_AFTER: HeaderName = HeaderName::from_static("poll-after-ms");

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
        let seconds: u64 = wait.parse().map_err(|_| {
            Problem::new(
                Code::InvalidRequest,
                "`wait` must be whole seconds, up to 25.",
            )
        })?;
        Ok(Duration::from_secs(seconds.min(LONGEST_WAIT_S)))
    }
}

/// The status document. With `If-None-Match` and `wait` it answers as soon as there is another one.
pub(crate) async fn status(
    State(api): State<Arc<Api>>,
    Path(booking): Path<String>,
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
    let until = Instant::now() + wait;
    let watcher = api.watchers.watch(booking);
    loop {
        // Prepared before the read: a change after it rings.
        let mut ring = std::pin::pin!(watcher.bell().notified());
        ring.as_mut().enable();
        let (seen, document) = look(&api, &access, booking).await?;
        let tag = Tag::from(&document);
        let behind = tag.version < known.version;
        if !behind && tag != known {
            return Ok(whole(&api, &seen, document));
        }
        if Instant::now() >= until || api.draining.is_cancelled() {
            // What the client has is never taken back: a reader that is behind has nothing newer.
            return Ok(unchanged(known, &document));
        }
        let look_again = if behind {
            Some(CATCH_UP)
        } else {
            seen.changes_in(&document)
        };
        let look_again = look_again.map_or(until, |after| until.min(Instant::now() + after));
        tokio::select! {
            () = ring => {}
            () = tokio::time::sleep_until(look_again) => {}
            () = api.draining.cancelled() => {}
        }
    }
}

async fn look(
    api: &Api,
    access: &Access,
    booking: BookingId,
) -> Result<(Seen, StatusDocument), Problem> {
    let seen = api
        .cases
        .read(booking)
        .await?
        .filter(|seen| access.allows(&seen.case.booking));
    let seen = seen.ok_or_else(|| Problem::not_found("booking"))?;
    let document = seen.document();
    Ok((seen, document))
}

fn whole(api: &Api, seen: &Seen, mut document: StatusDocument) -> Response {
    if document.status == Status::Confirmed {
        document.ticket_url = Some(api.addresses.ticket(&seen.case.booking));
    }
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

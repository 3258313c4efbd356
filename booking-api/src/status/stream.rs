//! `GET /v1/bookings/{booking}/events`: the status document as server-sent events (WHATWG HTML, section 9.2).
//!
//! Each event is a whole document, its id the document's tag; so `Last-Event-ID` says what the client has, and
//! a client that comes back gets what is newer, if anything is, and never anything older. Events may be
//! skipped: what counts is how it stands now.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use boxoffice_saga::identity::BookingId;
use futures::Stream;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::Instant;

use super::case::Seen;
use super::route::{Asked, StatusDoor, complete};
use super::tag::Tag;
use super::wait::{Change, change, look};
use super::watchers::Watcher;
use crate::access::Access;
use crate::api::Api;
use crate::limits::Admitted;
use crate::openapi::Problems;
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};

/// After so long without news a comment is sent, so that whatever sits between does not hang up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client should wait before it comes back.
const COME_BACK: Duration = Duration::from_secs(2);
/// What the client has seen last.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// One event of the stream.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "a description; the stream is written event by event"
)]
struct StatusEvent {
    /// The document's tag: what `Last-Event-ID` brings back.
    id: String,
    /// Always `status`.
    event: String,
    /// The status document, as JSON.
    #[schema(content_media_type = "application/json")]
    data: String,
    /// With the first one: wait so many milliseconds before coming back.
    #[schema(required = false, nullable = false, minimum = 0)]
    retry: Option<u32>,
}

/// The same as server-sent events
///
/// Each event `status` is a whole document, its id the document's tag. A stream ends after some minutes; come back
/// with `Last-Event-ID`, and nothing older is ever sent.
#[utoipa::path(
    get, path = "/v1/bookings/{booking}/events", tag = "bookings",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        ("token" = Option<String>, Query, description = "Of a status address; opens this booking without a login."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen."),
    ),
    responses(
        (status = 200, description = "The document, and then each change of it.", body = StatusEvent,
            content_type = "text/event-stream"),
        Problems<StatusDoor>,
    ),
    security((), ("bearer" = [])),
)]
pub(crate) async fn events(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    admission: Admitted,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::read(asked)?;
    let booking: BookingId = request::path(&booking, "booking")?;
    let access = Access::of(&api, booking, asked.token(), &headers).await?;
    let known = headers
        .get(LAST_EVENT_ID)
        .and_then(|value| value.to_str().ok())
        .and_then(Tag::from_inner);
    let crowded = api.watchers.crowded(booking);
    let watcher = api.watchers.watch(booking);
    // Whoever may not see it is told so as any other request is.
    let (seen, document) = look(&api, &access, booking).await?;
    if crowded || !admission.waits() {
        return Err(Problem::new(
            Code::Overloaded,
            "No further event streams can be kept open here. Poll the status instead.",
        ));
    }
    let first = Tag::from(&document);
    let news = known.is_none_or(|known| first != known && first.version >= known.version);
    let following = Following {
        until: Instant::now() + Duration::from_secs(api.options.event_stream_seconds.into()),
        known: if news { first } else { known.unwrap_or(first) },
        first: Some(if news {
            event(&api, &seen, document)
        } else {
            Event::default().comment("nothing new")
        }),
        api,
        access,
        watcher,
        _place: admission,
    };
    // See the long poll: they would keep the connection's read buffer.
    drop(headers);
    let mut response = Sse::new(following.events()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    // nginx holds answers back otherwise.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    Ok(response)
}

struct Following {
    api: Arc<Api>,
    access: Access,
    watcher: Watcher,
    known: Tag,
    first: Option<Event>,
    until: Instant,
    /// Given back with the stream's end.
    _place: Admitted,
}

impl Following {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut following| async move {
            let event = following.next().await?;
            Some((Ok(event), following))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first.retry(COME_BACK));
        }
        if Instant::now() >= self.until || self.api.draining.is_cancelled() {
            return None;
        }
        let until = self.until.min(Instant::now() + HEARTBEAT);
        match change(&self.api, &self.access, &self.watcher, self.known, until).await {
            Ok(Change::Changed(seen, document)) => {
                self.known = Tag::from(&*document);
                Some(event(&self.api, &seen, *document))
            }
            Ok(Change::Unchanged(_)) => Some(Event::default().comment("still here")),
            // The client comes back and is told.
            Err(_) => None,
        }
    }
}

fn event(api: &Api, seen: &Seen, document: boxoffice_saga::status::StatusDocument) -> Event {
    let tag = Tag::from(&document);
    let document = complete(api, seen, document);
    // Plain data: this cannot fail.
    let data = serde_json::to_string(&document).unwrap_or_default();
    Event::default().event("status").id(tag.inner()).data(data)
}

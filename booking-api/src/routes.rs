//! All doors of the booking API.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, header};
use tower::util::option_layer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::api::Api;
use crate::limits::admitted;
use crate::openapi::Frame;
use crate::problem::{Code, Problem};
use crate::{admin, bookings, desk, health, idempotency, metric, shows, status};

/// The router. Metrics are the process's own affair, so `/metrics` is not among its paths.
pub fn router(api: Arc<Api>) -> Router {
    let (doors, _) = doors().split_for_parts();
    let (operators, _) = admin::routes().split_for_parts();
    let (health, _) = health::routes().split_for_parts();
    doors
        .route(DOCUMENT, axum::routing::get(document))
        .layer(middleware::from_fn_with_state(api.clone(), admitted))
        // Whoever looks after us is let in always.
        .merge(operators)
        .merge(health)
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer((
            middleware::from_fn(measured),
            option_layer(cors(&api.options.allowed_origins)),
        ))
        .with_state(api)
}

/// Where a running instance shows its document.
const DOCUMENT: &str = "/v1/openapi.json";

/// Every door with its description.
fn doors() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Frame::openapi())
        .merge(shows::routes())
        .merge(desk::routes())
        .merge(bookings::routes())
        .merge(status::routes())
}

/// The OpenAPI 3.1 document of all doors.
pub fn openapi() -> utoipa::openapi::OpenApi {
    doors()
        .merge(admin::routes())
        .merge(health::routes())
        .into_openapi()
}

async fn document() -> Response {
    // Made once: anybody may ask for it.
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
        // Plain data: this cannot fail.
        serde_json::to_vec(&openapi()).unwrap_or_default().into()
    });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    std::future::ready((kind, DOCUMENT.clone()).into_response()).await
}

/// Lets web pages of other origins call, and read what an answer says beside its body. Without any there is nothing to say.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let known = origins.iter().filter_map(|origin| origin.parse().ok());
        AllowOrigin::list(known)
    };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            idempotency::HEADER,
            status::LAST_EVENT_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::RETRY_AFTER,
            status::POLL_AFTER,
            idempotency::REPLAYED,
        ])
        .max_age(Duration::from_secs(600));
    Some(layer)
}

async fn no_such_path() -> Problem {
    std::future::ready(Problem::not_found("path")).await
}

async fn wrong_method(method: Method) -> Problem {
    let detail = format!("This path does not take {method}.");
    std::future::ready(Problem::new(Code::MethodNotAllowed, detail)).await
}

/// Latency by route. The route is the pattern, never the path, so that ids make no series.
async fn measured(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    // Methods that nobody routes could be anything.
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "other",
    };
    let response = next.run(request).await;
    let status = response.status().as_str().to_owned();
    metrics::histogram!(metric::HTTP_SECONDS, "route" => route, "method" => method, "status" => status)
        .record(started.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::HeaderMap;
    use http::header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    };
    use tower::ServiceExt as _;

    use super::*;

    const OURS: &str = "https://tickets.example";

    /// The headers of an answer to a page of `origin`, where `allowed` may call.
    async fn answered(allowed: &[&str], method: Method, origin: &str) -> HeaderMap {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let request = Request::builder().method(method).uri("/");
        let request = request.header(ORIGIN, origin);
        let request = request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
        let door = Router::<()>::new()
            .route("/", axum::routing::get(async || ()))
            .layer(option_layer(cors(&allowed)));
        let request = request.body(Body::empty()).unwrap();
        door.oneshot(request).await.unwrap().headers().clone()
    }

    #[tokio::test]
    async fn pages_of_the_named_origins_may_call_and_no_others() {
        for (allowed, origin, may) in [
            (vec![OURS, "https://b.example"], OURS, Some(OURS)),
            (vec![OURS], "https://evil.example", None),
            (vec![OURS, "*"], "https://any.example", Some("*")),
            (vec![], OURS, None),
        ] {
            for method in [Method::GET, Method::OPTIONS] {
                let headers = answered(&allowed, method, origin).await;
                let allows = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN);
                assert_eq!(allows.map(|value| value.to_str().unwrap()), may);
            }
        }
    }

    #[tokio::test]
    async fn where_nobody_else_may_call_nothing_is_said_of_it() {
        for method in [Method::GET, Method::OPTIONS] {
            let headers = answered(&[], method, OURS).await;
            let mut names = headers.keys().map(http::HeaderName::as_str);
            assert!(!names.any(|name| name == "vary" || name.starts_with("access-control-")));
        }
    }

    #[tokio::test]
    async fn they_may_send_and_read_what_the_api_speaks_of() {
        let asked = answered(&[OURS], Method::OPTIONS, OURS).await;
        let sent = asked[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
        let answer = answered(&[OURS], Method::GET, OURS).await;
        let read = answer[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        for (said, name) in [
            (sent, "authorization"),
            (sent, "content-type"),
            (sent, "idempotency-key"),
            (sent, "if-none-match"),
            (read, "etag"),
            (read, "poll-after-ms"),
            (read, "retry-after"),
        ] {
            assert!(said.split(',').any(|has| has == name), "{name} in {said}");
        }
    }
}

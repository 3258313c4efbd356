//! All doors of the booking API.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, header};
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
        .layer(cors(&api.options.allowed_origins))
        .layer(middleware::from_fn(measured))
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

/// Lets web pages of other origins call, and read what an answer says beside its body.
fn cors(origins: &[String]) -> CorsLayer {
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let known = origins.iter().filter_map(|origin| origin.parse().ok());
        AllowOrigin::list(known)
    };
    CorsLayer::new()
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
        .max_age(Duration::from_secs(600))
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

//! All doors of the booking API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use http::{Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::api::Api;
use crate::limits::admitted;
use crate::problem::{Code, Problem};
use crate::{admin, bookings, desk, health, idempotency, metric, shows, status};

/// The router. Metrics are the process's own affair, so `/metrics` is not among its paths.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/shows/{show}/seats", get(shows::seats))
        .route("/v1/shows/{show}/holds", post(desk::hold))
        .route("/v1/bookings/{booking}", get(status::status))
        .route("/v1/bookings/{booking}/events", get(status::events))
        .route("/v1/bookings/{booking}/release", post(bookings::release))
        .route("/v1/bookings/{booking}/cancel", post(bookings::cancel))
        .route("/v1/bookings/{booking}/payments", post(bookings::pay))
        .route(
            "/v1/bookings/{booking}/payments/{payment}/hint",
            post(bookings::hint),
        )
        .route("/v1/me/bookings", get(bookings::history))
        .route("/v1/bookings/{booking}/ticket", get(status::ticket))
        .route(
            "/v1/bookings/{booking}/ticket.png",
            get(status::ticket_picture),
        )
        .layer(middleware::from_fn_with_state(api.clone(), admitted))
        // Whoever looks after us is let in always.
        .merge(admin::routes())
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(cors(&api.options.allowed_origins))
        .layer(middleware::from_fn(measured))
        .with_state(api)
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

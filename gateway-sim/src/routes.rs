//! Which path is which call.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::act::Asked;
use crate::answer::Answer;
use crate::behaviour::Call;
use crate::form::Form;
use crate::sim::Sim;
use crate::{call, told};

pub(crate) fn router(sim: Arc<Sim>) -> Router {
    Router::new()
        .route(
            "/v1/payment_intents",
            posts(Call::Create).merge(gets(Call::List)),
        )
        .route("/v1/payment_intents/{id}", gets_one(Call::Fetch))
        .route("/v1/payment_intents/{id}/confirm", posts_one(Call::Confirm))
        .route("/v1/payment_intents/{id}/cancel", posts_one(Call::Cancel))
        .route("/v1/payment_intents/{id}/capture", posts_one(Call::Capture))
        .route(
            "/v1/refunds",
            posts(Call::Refund).merge(gets(Call::ListRefunds)),
        )
        .route("/v1/refunds/{id}", gets_one(Call::FetchRefund))
        .route("/v1/events", gets(Call::ListEvents))
        .route("/_sim/payments/{id}", post(told::payment))
        .route("/_sim/payments/{id}/settle", post(told::settle))
        .route("/_sim/payments/{id}/refund", post(told::dashboard_refund))
        .route("/_sim/payments/{id}/dispute", post(told::dispute))
        .route("/_sim/refunds/{id}", post(told::refund))
        .route("/_sim/defaults", post(told::defaults))
        .route("/_sim/outage", post(told::outage))
        .route("/_sim/clock", get(told::clock).post(told::advance))
        .route("/_sim/mail", get(told::mail).post(told::open_mail))
        .route("/_sim/books", get(told::books))
        .route("/_sim/deliveries", get(told::deliveries))
        .fallback(unknown)
        .layer(middleware::from_fn(browsers))
        .layer(DefaultBodyLimit::max(256 << 10))
        .with_state(sim)
}

type At = State<Arc<Sim>>;

fn posts(call: Call) -> MethodRouter<Arc<Sim>> {
    post(move |State(sim): At, headers: HeaderMap, body: Bytes| {
        call::serve(sim, asked(call, None, &headers, &body))
    })
}

fn posts_one(call: Call) -> MethodRouter<Arc<Sim>> {
    post(
        move |State(sim): At, Path(id): Path<String>, headers: HeaderMap, body: Bytes| {
            call::serve(sim, asked(call, Some(id), &headers, &body))
        },
    )
}

fn gets(call: Call) -> MethodRouter<Arc<Sim>> {
    get(move |State(sim): At, headers: HeaderMap, uri: Uri| {
        call::serve(
            sim,
            asked(
                call,
                None,
                &headers,
                uri.query().unwrap_or_default().as_bytes(),
            ),
        )
    })
}

fn gets_one(call: Call) -> MethodRouter<Arc<Sim>> {
    get(
        move |State(sim): At, Path(id): Path<String>, headers: HeaderMap, uri: Uri| {
            call::serve(
                sim,
                asked(
                    call,
                    Some(id),
                    &headers,
                    uri.query().unwrap_or_default().as_bytes(),
                ),
            )
        },
    )
}

fn asked(call: Call, id: Option<String>, headers: &HeaderMap, form: &[u8]) -> Asked {
    let idempotency_key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    Asked {
        call,
        id,
        form: Form::parse(form),
        idempotency_key,
        api_key: api_key(headers),
    }
}

/// `Bearer KEY`, or Basic with the key as the user, as Stripe takes both.
fn api_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(key) = value.strip_prefix("Bearer ") {
        return Some(key.trim().to_owned());
    }
    let pair = STANDARD.decode(value.strip_prefix("Basic ")?.trim()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split(':').next().map(str::to_owned)
}

async fn unknown(uri: Uri) -> Response {
    let message = format!("Unrecognized request URL ({})", uri.path());
    Answer::error(404, "invalid_request_error", None, &message).into_response(false)
}

/// A page in a browser may confirm a payment here, from whatever origin it came.
async fn browsers(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

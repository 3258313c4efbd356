//! Which path is which call.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, patch, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::behaviour::Call;
use crate::form::Form;
use crate::sim::Sim;
use crate::wire::{Asked, Wire};
use crate::{adyen, call, cashfree, razorpay, stripe, told};

pub(crate) fn router(sim: Arc<Sim>) -> Router {
    Router::new()
        .merge(stripe::routes::router())
        .nest("/razorpay", razorpay::routes::router())
        .nest("/cashfree", cashfree::routes::router())
        .nest("/adyen", adyen::routes::router())
        .route("/_sim/payments/{id}", post(told::payment))
        .route("/_sim/payments/{id}/settle", post(told::settle))
        .route("/_sim/payments/{id}/refund", post(told::dashboard_refund))
        .route("/_sim/payments/{id}/dispute", post(told::dispute))
        .route("/_sim/refunds/{id}", post(told::refund))
        .route("/_sim/defaults", post(told::defaults))
        .route("/_sim/script", post(told::script))
        .route("/_sim/outage", post(told::outage))
        .route("/_sim/clock", get(told::clock).post(told::advance))
        .route("/_sim/mail", get(told::mail).post(told::open_mail))
        .route("/_sim/books", get(told::books))
        .route("/_sim/deliveries", get(told::deliveries))
        .fallback(stripe::routes::unknown)
        .layer(middleware::from_fn(browsers))
        .layer(DefaultBodyLimit::max(256 << 10))
        .with_state(sim)
}

type At = State<Arc<Sim>>;

pub(crate) fn posts(wire: Wire, call: Call) -> MethodRouter<Arc<Sim>> {
    post(move |State(sim): At, headers: HeaderMap, body: Bytes| {
        call::serve(sim, asked(wire, call, None, &headers, &body))
    })
}

pub(crate) fn posts_one(wire: Wire, call: Call) -> MethodRouter<Arc<Sim>> {
    post(
        move |State(sim): At, Path(id): Path<String>, headers: HeaderMap, body: Bytes| {
            call::serve(sim, asked(wire, call, Some(id), &headers, &body))
        },
    )
}

pub(crate) fn patches_one(wire: Wire, call: Call) -> MethodRouter<Arc<Sim>> {
    patch(
        move |State(sim): At, Path(id): Path<String>, headers: HeaderMap, body: Bytes| {
            call::serve(sim, asked(wire, call, Some(id), &headers, &body))
        },
    )
}

pub(crate) fn gets(wire: Wire, call: Call) -> MethodRouter<Arc<Sim>> {
    get(move |State(sim): At, headers: HeaderMap, uri: Uri| {
        call::serve(
            sim,
            asked(
                wire,
                call,
                None,
                &headers,
                uri.query().unwrap_or_default().as_bytes(),
            ),
        )
    })
}

pub(crate) fn gets_one(wire: Wire, call: Call) -> MethodRouter<Arc<Sim>> {
    get(
        move |State(sim): At, Path(id): Path<String>, headers: HeaderMap, uri: Uri| {
            call::serve(
                sim,
                asked(
                    wire,
                    call,
                    Some(id),
                    &headers,
                    uri.query().unwrap_or_default().as_bytes(),
                ),
            )
        },
    )
}

pub(crate) fn asked(
    wire: Wire,
    call: Call,
    id: Option<String>,
    headers: &HeaderMap,
    parameters: &[u8],
) -> Asked {
    let text = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let json = text("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    Asked {
        wire,
        call,
        id,
        form: if json {
            Form::from_json(parameters)
        } else {
            Form::parse(parameters)
        },
        idempotency_key: match wire {
            Wire::Stripe => text("idempotency-key"),
            Wire::Razorpay => text("x-refund-idempotency"),
            Wire::Cashfree => text("x-idempotency-key"),
            Wire::Adyen => text("idempotency-key"),
        },
        api_key: match wire {
            Wire::Stripe | Wire::Razorpay => api_key(headers),
            Wire::Cashfree => text("x-client-id")
                .zip(text("x-client-secret"))
                .map(|(id, secret)| format!("{id}:{secret}")),
            Wire::Adyen => text("x-api-key"),
        },
    }
}

/// `Bearer KEY`, or the pair of Basic.
fn api_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(key) = value.strip_prefix("Bearer ") {
        return Some(key.trim().to_owned());
    }
    let pair = STANDARD.decode(value.strip_prefix("Basic ")?.trim()).ok()?;
    String::from_utf8(pair).ok()
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

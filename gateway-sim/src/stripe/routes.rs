//! Which path is which call.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::response::Response;

use super::answer::error;
use crate::behaviour::Call;
use crate::routes::{gets, gets_one, posts, posts_one};
use crate::sim::Sim;
use crate::wire::Wire::Stripe;

pub(crate) fn router() -> Router<Arc<Sim>> {
    Router::new()
        .route(
            "/v1/payment_intents",
            posts(Stripe, Call::Create).merge(gets(Stripe, Call::List)),
        )
        .route("/v1/payment_intents/{id}", gets_one(Stripe, Call::Fetch))
        .route(
            "/v1/payment_intents/{id}/confirm",
            posts_one(Stripe, Call::Confirm),
        )
        .route(
            "/v1/payment_intents/{id}/cancel",
            posts_one(Stripe, Call::Cancel),
        )
        .route(
            "/v1/payment_intents/{id}/capture",
            posts_one(Stripe, Call::Capture),
        )
        .route(
            "/v1/refunds",
            posts(Stripe, Call::Refund).merge(gets(Stripe, Call::ListRefunds)),
        )
        .route("/v1/refunds/{id}", gets_one(Stripe, Call::FetchRefund))
        .route("/v1/events", gets(Stripe, Call::ListEvents))
}

pub(crate) async fn unknown(uri: Uri) -> Response {
    let message = format!("Unrecognized request URL ({})", uri.path());
    error(404, "invalid_request_error", None, &message).into_response(false)
}

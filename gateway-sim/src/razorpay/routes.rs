//! Which path is which call, below `/razorpay`: some of its paths are Stripe's too.

use std::sync::Arc;

use axum::Router;

use crate::behaviour::Call;
use crate::routes::{gets, gets_one, posts, posts_one};
use crate::sim::Sim;
use crate::wire::Wire::Razorpay;

pub(crate) fn router() -> Router<Arc<Sim>> {
    Router::new()
        .route(
            "/v1/orders",
            posts(Razorpay, Call::Create).merge(gets(Razorpay, Call::ListOrders)),
        )
        .route("/v1/orders/{id}", gets_one(Razorpay, Call::FetchOrder))
        .route(
            "/v1/orders/{id}/payments",
            gets_one(Razorpay, Call::ListOrderPayments),
        )
        .route("/v1/payments", gets(Razorpay, Call::List))
        .route("/v1/payments/{id}", gets_one(Razorpay, Call::Fetch))
        .route(
            "/v1/payments/{id}/capture",
            posts_one(Razorpay, Call::Capture),
        )
        .route(
            "/v1/payments/{id}/refund",
            posts_one(Razorpay, Call::Refund),
        )
        .route(
            "/v1/payments/{id}/refunds",
            gets_one(Razorpay, Call::ListRefunds),
        )
        .route("/v1/refunds", gets(Razorpay, Call::ListRefunds))
        .route("/v1/refunds/{id}", gets_one(Razorpay, Call::FetchRefund))
        // Razorpay's own page, on which the customer pays.
        .route("/page/orders/{id}/pay", posts_one(Razorpay, Call::Confirm))
}

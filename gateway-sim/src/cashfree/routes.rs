//! Which path is which call, below `/cashfree`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::get;

use crate::behaviour::Call;
use crate::call;
use crate::routes::{asked, gets_one, patches_one, posts, posts_one};
use crate::sim::Sim;
use crate::wire::Wire::Cashfree;

pub(crate) fn router() -> Router<Arc<Sim>> {
    let refund = |State(sim): State<Arc<Sim>>,
                  Path((order, refund)): Path<(String, String)>,
                  headers: HeaderMap| {
        let form = format!("refund_id={refund}");
        let asked = asked(
            Cashfree,
            Call::FetchRefund,
            Some(order),
            &headers,
            form.as_bytes(),
        );
        call::serve(sim, asked)
    };
    Router::new()
        .route("/pg/orders", posts(Cashfree, Call::Create))
        .route(
            "/pg/orders/{id}",
            gets_one(Cashfree, Call::FetchOrder).merge(patches_one(Cashfree, Call::Cancel)),
        )
        .route(
            "/pg/orders/{id}/payments",
            gets_one(Cashfree, Call::ListOrderPayments),
        )
        .route(
            "/pg/orders/{id}/authorization",
            posts_one(Cashfree, Call::Capture),
        )
        .route(
            "/pg/orders/{id}/refunds",
            posts_one(Cashfree, Call::Refund).merge(gets_one(Cashfree, Call::ListRefunds)),
        )
        .route("/pg/orders/{id}/refunds/{refund}", get(refund))
        .route("/pg/recon", posts(Cashfree, Call::List))
        // Cashfree's own page, on which the customer pays.
        .route("/page/orders/{id}/pay", posts_one(Cashfree, Call::Confirm))
}

//! Which path is which call, below `/adyen`.

use std::sync::Arc;

use axum::Router;

use crate::behaviour::Call;
use crate::routes::{gets_one, patches_one, posts, posts_one};
use crate::sim::Sim;
use crate::wire::Wire::Adyen;

pub(crate) fn router() -> Router<Arc<Sim>> {
    Router::new()
        .route("/v71/paymentLinks", posts(Adyen, Call::Create))
        .route(
            "/v71/paymentLinks/{id}",
            gets_one(Adyen, Call::FetchOrder).merge(patches_one(Adyen, Call::Cancel)),
        )
        .route("/v71/payments/{id}/refunds", posts_one(Adyen, Call::Refund))
        .route(
            "/v71/payments/{id}/captures",
            posts_one(Adyen, Call::Capture),
        )
        .route("/v71/payments/{id}/cancels", posts_one(Adyen, Call::Cancel))
        // The page of a link, on which the shopper pays.
        .route("/page/orders/{id}/pay", posts_one(Adyen, Call::Confirm))
}

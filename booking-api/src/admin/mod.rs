//! The operators' doors. The token must carry the role `operator`; every act is written down with who did it and
//! why, in the transaction that does it.

mod acts;
mod bookings;
mod cancel;
mod new_shows;
mod remove;
mod sale;
mod several;
mod show;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::api::Api;

/// The operators' routes.
pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/admin/shows", post(new_shows::create))
        .route("/v1/admin/shows/import", post(new_shows::import))
        .route("/v1/admin/shows/prune", post(remove::prune))
        .route("/v1/admin/shows/{show}", get(show::show))
        .route("/v1/admin/shows/{show}/on-sale", post(sale::on_sale))
        .route("/v1/admin/shows/{show}/block", post(sale::block))
        .route("/v1/admin/shows/{show}/unblock", post(sale::unblock))
        .route("/v1/admin/shows/{show}/change", post(sale::change))
        .route("/v1/admin/shows/{show}/cancel", post(cancel::cancel))
        .route(
            "/v1/admin/bookings/{booking}/cancel",
            post(bookings::cancel),
        )
}

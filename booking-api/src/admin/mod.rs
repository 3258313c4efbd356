//! The operators' doors. The token must carry the role `operator`; every act is written down with who did it and
//! why, in the transaction that does it.

mod acts;
mod bookings;
mod cancel;
mod mass_refunds;
mod new_shows;
mod remove;
mod sale;
mod several;
mod show;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;

/// Its doors.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(new_shows::create))
        .routes(routes!(new_shows::import))
        .routes(routes!(remove::prune))
        .routes(routes!(show::show))
        .routes(routes!(sale::on_sale))
        .routes(routes!(sale::block))
        .routes(routes!(sale::unblock))
        .routes(routes!(sale::change))
        .routes(routes!(cancel::cancel))
        .routes(routes!(mass_refunds::progress))
        .routes(routes!(mass_refunds::pause))
        .routes(routes!(mass_refunds::resume))
        .routes(routes!(bookings::cancel))
}

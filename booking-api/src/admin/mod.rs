//! The operators' doors. The token must carry the role `operator`; every act is written down with who did it and
//! why, in the transaction that does it.

mod acts;
mod attention;
mod bookings;
mod cancel;
mod dead_letters;
mod mass_refunds;
mod new_shows;
mod paging;
mod parked;
mod refunds;
mod remove;
mod sale;
mod several;
mod show;
mod stories;

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
        .routes(routes!(stories::waiting))
        .routes(routes!(stories::story))
        .routes(routes!(stories::retry))
        .routes(routes!(attention::list))
        .routes(routes!(attention::settle))
        .routes(routes!(refunds::retry))
        .routes(routes!(refunds::other_way))
        .routes(routes!(refunds::settled_elsewhere))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::open))
        .routes(routes!(dead_letters::redrive))
        .routes(routes!(parked::list))
        .routes(routes!(parked::retry))
}

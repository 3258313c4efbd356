//! What is for sale: shows, their seats, their terms.

mod catalogue;
mod new_show;
mod sale;
mod seat_map;

pub use catalogue::{Catalogue, Show, ShowStatus};
pub(crate) use new_show::seat_name;
pub use new_show::{InvalidShow, MOST_SEATS, NewSeat, NewShow};
pub use sale::{OnSale, ShowError, create_show, put_on_sale};
pub(crate) use seat_map::SeatMaps;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;

/// Its doors.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(seat_map::seats))
}

//! What is for sale: shows, their seats, their terms; and what operators do to them.
//!
//! Every [`Act`] is one transaction with the record of who did it and why. A show's row is locked first, so acts
//! on one show come one after another; turns never lock it, for its seats decide.

mod block;
mod cancel;
mod catalogue;
mod change;
mod create;
mod csv_seats;
mod error;
mod import;
mod new_show;
mod on_sale;
mod overview;
mod pause_refunds;
mod refund_progress;
mod remove;
mod row;
mod seat_map;

pub use crate::operators::{Act, Acted, Order, act};
pub use block::{BlockSeats, Blocked, UnblockSeats};
pub use cancel::{CancelShow, Cancelled};
pub use catalogue::{Catalogue, Show, ShowStatus};
pub use change::{ChangeShow, Changed};
pub use create::{CreateShow, Created, create_show};
pub use csv_seats::{InvalidCsv, seats_of_csv};
pub use error::ShowError;
pub use import::{Import, Imported, import};
pub(crate) use new_show::seat_name;
pub use new_show::{GivenTerms, InvalidShow, MOST_SEATS, NewSeat, NewShow};
pub use on_sale::{OnSale, PutOnSale, put_on_sale};
pub use overview::{Overview, overview};
pub use pause_refunds::{PauseRefunds, Paused, ResumeRefunds};
pub use refund_progress::{InState, MassRefundState, Pause, RefundProgress, refund_progress};
pub use remove::{Kept, Removal, remove_old};
pub(crate) use seat_map::SeatMaps;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;

/// Its doors.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(seat_map::seats))
}

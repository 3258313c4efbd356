//! What is for sale: shows, their seats, their terms.

mod catalogue;
mod new_show;
mod sale;
mod seat_map;

pub use catalogue::{Catalogue, Show, ShowStatus};
pub(crate) use new_show::seat_name;
pub use new_show::{InvalidShow, MOST_SEATS, NewSeat, NewShow};
pub use sale::{OnSale, ShowError, create_show, put_on_sale};
pub(crate) use seat_map::{SeatMaps, seats};

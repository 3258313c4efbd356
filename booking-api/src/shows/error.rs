//! Why something was not done to a show.

use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_turn::TurnError;

use super::new_show::InvalidShow;
use crate::operators::NotDone;

/// Why something was not done to a show. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// It cannot be.
    #[error(transparent)]
    Invalid(#[from] InvalidShow),
    /// The number, or the owner's name for it, belongs to another show.
    #[error("another show has the {0}; choose another")]
    Taken(&'static str),
    /// An imported show without the owner's name for it would be another one each time.
    #[error(
        "a show to be imported needs an external_ref, by which it is known when it comes again"
    )]
    Nameless,
    /// There is no such show.
    #[error("there is no show {0}; create it first")]
    Unknown(ShowId),
    /// It is not on sale yet, and has no seats.
    #[error("show {0} is not on sale yet and has no seats; put it on sale first")]
    NotOnSale(ShowId),
    /// It is on sale, and people have bought under its rules.
    #[error(
        "show {0} is on sale: its title and its time can still be changed, its seats, prices and rules cannot"
    )]
    OnSale(ShowId),
    /// It has been cancelled.
    #[error("show {0} is cancelled")]
    Cancelled(ShowId),
    /// It is over, and its seats have been removed.
    #[error("show {0} is over, and its seats have been removed")]
    Removed(ShowId),
    /// Nothing was named that should be changed.
    #[error("name a title or a time to change")]
    NothingToChange,
    /// No seat was named.
    #[error("name at least one seat")]
    NoSeats,
    /// A seat was named twice.
    #[error("seat {0} is named twice; name each seat once")]
    SeatTwice(SeatName),
    /// The show has no such seats.
    #[error("the show has no seats {}", .0.join(", "))]
    UnknownSeats(Vec<SeatName>),
    /// Somebody holds or owns these.
    #[error("somebody holds or has bought {}; cancel their bookings first, or name other seats", .0.join(", "))]
    SeatsTaken(Vec<SeatName>),
    /// It is over, and something is still under way.
    #[error("show {0} keeps its seats: {1}")]
    UnderWay(ShowId, &'static str),
    /// The database says no, or is not there.
    #[error("the database could not do it")]
    Database(#[from] TurnError),
}

impl NotDone for ShowError {
    fn database(self) -> Result<TurnError, Self> {
        match self {
            Self::Database(error) => Ok(error),
            refused => Err(refused),
        }
    }
}

impl From<sqlx::Error> for ShowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

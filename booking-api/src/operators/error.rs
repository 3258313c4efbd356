//! Why something was not done.

use boxoffice_saga::identity::BookingId;
use boxoffice_turn::TurnError;
use time::OffsetDateTime;
use uuid::Uuid;

use super::act::NotDone;

/// Why something was not done to a booking's tasks, a dead letter or a parked record. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// There is no such booking.
    #[error("there is no booking {0}")]
    UnknownBooking(BookingId),
    /// There is no such letter.
    #[error("there is no dead letter {0}")]
    UnknownLetter(Uuid),
    /// There is no such record.
    #[error("no record {0} is parked; it may have found its booking meanwhile")]
    NotParked(Uuid),
    /// It was put back into its topic before.
    #[error("the letter was redriven at {at}; if it is to be sent once more, say so with `again`")]
    Redriven {
        /// When, the last time.
        at: OffsetDateTime,
    },
    /// It cannot be sent.
    #[error("the letter cannot be sent again as it was: {0}")]
    Unsendable(&'static str),
    /// The database says no, or is not there.
    #[error("the database could not do it")]
    Database(#[from] TurnError),
}

impl NotDone for OperatorError {
    fn database(self) -> Result<TurnError, Self> {
        match self {
            Self::Database(error) => Ok(error),
            refused => Err(refused),
        }
    }
}

impl From<sqlx::Error> for OperatorError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

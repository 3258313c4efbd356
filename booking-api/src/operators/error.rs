//! Why something was not done.

use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::identity::{BookingId, RefundId};
use boxoffice_turn::TurnError;
use time::OffsetDateTime;
use uuid::Uuid;

use super::act::NotDone;
use super::settle;

/// Why something was not done to a booking's tasks, a refund, an item of the list, a dead letter or a parked record.
/// Nothing has changed.
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
    /// There is no such refund.
    #[error("there is no refund {0}")]
    UnknownRefund(RefundId),
    /// It does not wait for a person.
    #[error("refund {0} does not wait for a person: it is under way by itself, done or withdrawn")]
    RefundNotWaiting(RefundId),
    /// The customer would get it twice.
    #[error(
        "this money is sent by another way already ({means}); once it has arrived: `boxoffice refund settled-elsewhere`"
    )]
    RefundSentAnotherWay {
        /// How it is sent.
        means: String,
    },
    /// There is no such item.
    #[error("no item {} about {subject} was ever on the list", kind.name())]
    UnknownItem {
        /// The kind.
        kind: AttentionKind,
        /// What it would be about.
        subject: Uuid,
    },
    /// An item that goes when its money is settled.
    #[error("it goes by itself when its money is settled: {}", told(settle::commands(*.0)))]
    MoneyWaits(AttentionKind),
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

/// Commands, as one names them to a person.
fn told(commands: &[&str]) -> String {
    let commands: Vec<_> = commands
        .iter()
        .map(|command| format!("`boxoffice {command}`"))
        .collect();
    commands.join(", ")
}

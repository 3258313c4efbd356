//! Why a relay stopped, for now or for good.

use boxoffice_producers::SendError;
use rdkafka::error::KafkaError;

/// Why a relay stopped for good: a person has to decide.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// This is not the server that the cursor was kept on: a dump was restored, or a major upgrade made.
    /// Transaction ids mean nothing across the two.
    #[error(
        "the outbox was last published from the database system {known}, and this is {found} (a restored dump, or an \
         upgrade): stop all writers and run `boxoffice relay --readopt`, which \
         publishes every retained event again"
    )]
    OtherSystem {
        /// The system that the cursor knows.
        known: i64,
        /// The system that we are connected to.
        found: i64,
    },
    /// librdkafka refuses a setting.
    #[error("the Kafka producer cannot be made")]
    Producer(#[source] KafkaError),
    /// The database did not do what [`readopt`](crate::readopt) asked of it; nothing is changed.
    #[error("the outbox could not be re-adopted")]
    Readopt(#[source] sqlx::Error),
}

/// Why a relay's hold on the cursor ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("shutting down")]
    Shutdown,
    #[error("another relay has taken the cursor over, or the lease ended")]
    LeaseLost,
    #[error("the database is a standby; only a primary's outbox is published")]
    Standby,
    #[error("the database does not answer")]
    Silent,
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the cursor cannot be read: {0}")]
    Cursor(#[from] crate::window::NoSnapshot),
    #[error("outbox row {position} cannot be published: {reason}")]
    Row { position: i64, reason: String },
    #[error("outbox row {position} for {topic}: {error}")]
    Send {
        position: i64,
        topic: String,
        error: SendError,
    },
    #[error(transparent)]
    Final(#[from] RelayError),
}

impl Stop {
    /// For metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::LeaseLost => "lease_lost",
            Self::Standby => "standby",
            Self::Silent | Self::Database(_) => "database",
            Self::Cursor(_) => "cursor",
            Self::Row { .. } => "row",
            Self::Send { .. } => "send",
            Self::Final(_) => "final",
        }
    }

    /// Whether it will come again until a person does something.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Row { .. } | Self::Cursor(_) | Self::Final(_) => true,
            Self::Send { error, .. } => error.is_permanent(),
            Self::Shutdown | Self::LeaseLost | Self::Standby | Self::Silent | Self::Database(_) => {
                false
            }
        }
    }
}

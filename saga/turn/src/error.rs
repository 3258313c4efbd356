//! How a turn can fail.

/// Why a turn did not happen. Nothing was written, with one exception: after
/// [`Unavailable`](TurnError::Unavailable) during the commit itself, it may have been.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The partition's row says something else than we believe: another owner, a failover, or a commit of
    /// ours whose answer was lost. Drop what is buffered and read the row again.
    #[error("the position of {topic}/{partition} is not where this consumer believes it to be")]
    PositionLost {
        /// The partition's topic.
        topic: String,
        /// Its number.
        partition: i32,
    },
    /// The database refuses this data and would do so again (SQLSTATE classes 22 and 23), or a record is too
    /// large to be published.
    #[error("the data cannot be written: {0}")]
    Data(String),
    /// Lost a race often enough (40001, 40P01, lock timeout) that the caller should decide whether to go on.
    #[error("the rows are too busy: {0}")]
    Busy(String),
    /// The database cannot be reached or does not answer. An outage, not an error of the input.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A row holds what this build cannot read. An operator must look; retrying does not help.
    #[error("a stored row cannot be read: {0}")]
    Corrupt(String),
}

impl From<sqlx::Error> for TurnError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|database| database.code())
            .map(|c| c.into_owned());
        match code.as_deref() {
            Some("40001" | "40P01" | "55P03") => Self::Busy(error.to_string()),
            Some(code) if code.starts_with("22") || code.starts_with("23") => {
                Self::Data(error.to_string())
            }
            _ => match error {
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                    Self::Corrupt(error.to_string())
                }
                sqlx::Error::Encode(_) => Self::Data(error.to_string()),
                other => Self::Unavailable(other),
            },
        }
    }
}

//! The longest that anybody is made to wait for the database.
//!
//! A database that is gone refuses at once. One that stands still (a stopped machine, a cut cable) says
//! nothing at all, and its own time-outs stand still with it; so the limits are here, on our side. What is
//! given up is dropped: its session comes back to the pool when the database has answered it, and until then
//! the pool's size bounds how much is under way. A transaction that is dropped is rolled back, unless its
//! commit was on its way already: then the outcome is unknown, as after a lost connection.

use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;

use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Plan, TurnError};

/// For a read, the wait for a session included.
pub(crate) const READ: Duration = Duration::from_secs(3);
/// For a read of an operator's.
const LONG_READ: Duration = Duration::from_secs(10);
/// For a turn, the wait for its session and its locks included. Under [`Options::desk_patience_ms`] by
/// default, so that whoever waits at the desk is told what it is.
///
/// [`Options::desk_patience_ms`]: crate::Options::desk_patience_ms
const TURN: Duration = Duration::from_secs(4);

/// Runs a turn, but not for ever.
///
/// # Errors
/// As [`boxoffice_turn::run`]: after `Unavailable` it may have been committed.
pub(crate) async fn turn<P: Plan>(store: &PgStore, plan: &P) -> Result<P::Answer, TurnError> {
    within(TURN, boxoffice_turn::run(store, plan)).await
}

/// Reads, but not for ever.
///
/// # Errors
/// The read's own, or `Unavailable`.
pub(crate) async fn read<T>(
    read: impl Future<Output = Result<T, TurnError>>,
) -> Result<T, TurnError> {
    within(READ, read).await
}

/// Reads what an operator asks for, which may be much.
///
/// # Errors
/// The read's own, or `Unavailable`.
pub(crate) async fn long_read<T>(
    read: impl Future<Output = Result<T, TurnError>>,
) -> Result<T, TurnError> {
    within(LONG_READ, read).await
}

/// Whether it was given up, rather than refused.
pub(crate) fn passed(error: &TurnError) -> bool {
    matches!(error, TurnError::Unavailable(sqlx::Error::Io(error)) if error.kind() == ErrorKind::TimedOut)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, TurnError>>,
) -> Result<T, TurnError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(TurnError::Unavailable(sqlx::Error::Io(
            ErrorKind::TimedOut.into(),
        ))),
    }
}

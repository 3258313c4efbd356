//! What the owner of the partitions does with what arrives.

use std::error::Error;
use std::future::Future;

use crate::position::Partition;
use crate::record::{Batch, Run};

/// Why a turn did not come about. Nothing of it may have been committed, except that the answer to a commit
/// may have been lost: the next attempt then finds [`TurnFailed::PositionLost`].
#[derive(Debug, thiserror::Error)]
pub enum TurnFailed {
    /// The compare-and-set of these partitions found no row. Where none is named, all of the batch are meant.
    /// What we hold of them is dropped and their rows are read again; the rest of the batch is tried again.
    #[error("the position is not what we believed")]
    PositionLost(Vec<Partition>),
    /// The database refused the data (SQLSTATE classes 22 and 23). Where it repeats, the batch is halved
    /// until the record that is guilty stands alone, which is then dead-lettered.
    #[error("the database refused the data")]
    Data(#[source] Box<dyn Error + Send + Sync>),
    /// Everything else. Tried again for ever, with jittered backoff: an outage never dead-letters anything.
    #[error("the turn could not be made")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// What is done with a batch: one turn.
pub trait Handler: Send + Sync {
    /// Decides the batch and commits its effects together with the new positions of all its runs.
    ///
    /// Never called twice at a time. Dropped in the middle only if the whole stream is.
    ///
    /// # Errors
    /// See [`TurnFailed`]; the whole batch counts as not done.
    fn turn(&self, batch: &Batch) -> impl Future<Output = Result<(), TurnFailed>> + Send;

    /// Puts the run's single record aside, with its bytes and the reason, and moves the position past it: a
    /// turn of its own. Must not need what the record could not provide.
    ///
    /// # Errors
    /// See [`TurnFailed`]; a [`TurnFailed::Data`] here is tried again for ever, too, with an alarm.
    fn dead_letter(
        &self,
        run: &Run,
        reason: &str,
    ) -> impl Future<Output = Result<(), TurnFailed>> + Send;
}

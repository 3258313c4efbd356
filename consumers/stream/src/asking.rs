//! What is asked beside the turns: claims and positions of the database, ends of partitions of Kafka.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::position::{Assignment, Owned, Partition, Positions, PositionsError};
use crate::turns::{backoff, chain};

/// The answer to a question that was asked beside the turns.
pub(crate) enum Answer {
    Claimed(Partition, u64, Option<Owned>),
    Read(Partition, u64, Result<Option<Owned>, ()>),
    Ends(Vec<(Partition, i64)>),
    /// The row of a partition to which nothing has come for a while, and what we held it to be.
    Looked(Partition, u64, Owned, Option<Owned>),
    Jumped {
        partition: Partition,
        expected: i64,
        found: i64,
        beginning: Option<i64>,
    },
    /// It no longer matters.
    Void,
}

/// A question whose answer is awaited.
pub(crate) type Asking<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Waits before an attempt that is not the first.
pub(crate) async fn pause(attempt: u32, longest: Duration) {
    if let Some(earlier) = attempt.checked_sub(1) {
        let earlier = usize::try_from(earlier.min(20)).unwrap_or(20);
        tokio::time::sleep(backoff(longest).nth(earlier).unwrap_or(longest)).await;
    }
}

/// Claims a partition, if that still makes sense.
pub(crate) async fn claim<P: Positions>(
    positions: &P,
    group: &str,
    partition: Partition,
    assignment: Assignment,
    attempt: u32,
) -> Answer {
    if !assignment.is_present() {
        return Answer::Void;
    }
    match positions.claim(group, &partition, &assignment).await {
        Ok(owned) => Answer::Claimed(partition, assignment.generation(), Some(owned)),
        Err(PositionsError::Revoked) => Answer::Void,
        Err(error) => {
            complain(group, &partition, &error, attempt);
            Answer::Claimed(partition, assignment.generation(), None)
        }
    }
}

/// Says it the first time only.
pub(crate) fn complain(group: &str, partition: &Partition, error: &PositionsError, attempt: u32) {
    if attempt == 0 {
        let error = chain(error);
        tracing::warn!(group, %partition, error, "the position could not be had; trying until it can");
    }
}

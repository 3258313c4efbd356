//! Where a group stands in a partition: one row in the database, with the epoch of its owner.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub number: i32,
}

impl Partition {
    /// Partition `number` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, number: i32) -> Self {
        Self {
            topic: topic.into(),
            number,
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.number)
    }
}

/// One assignment of one partition to this member of the group.
///
/// The next assignment of the same partition, even to this same member, is another one. Clones share the
/// same truth: as soon as Kafka revokes the partition, every clone says so.
#[derive(Clone, Debug)]
pub struct Assignment {
    generation: u64,
    present: Arc<AtomicBool>,
}

impl Assignment {
    /// An assignment that is present until [`Assignment::end`]. `generation` is unique within the process's
    /// membership and rises.
    pub fn new(generation: u64) -> Self {
        Self {
            generation,
            present: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Which assignment this is; a later one has a higher number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the group has not taken the partition away since.
    pub fn is_present(&self) -> bool {
        self.present.load(Ordering::Acquire)
    }

    /// The group took the partition away. Final.
    pub fn end(&self) {
        self.present.store(false, Ordering::Release);
    }
}

/// The same, as long as both say the same.
impl PartialEq for Assignment {
    fn eq(&self, other: &Self) -> bool {
        (self.generation, self.is_present()) == (other.generation, other.is_present())
    }
}

impl Eq for Assignment {}

impl Hash for Assignment {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.generation, self.is_present()).hash(state);
    }
}

/// A position row, as it was claimed or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owned {
    /// The offset of the next record to be decided. `None` where nothing was ever decided: the partition is
    /// then read from its beginning, never from its end.
    pub next_offset: Option<i64>,
    /// The owner's epoch. Each claim takes the next one, so an older owner's compare-and-set finds no row.
    pub epoch: i64,
}

/// Why a claim or a read did not come about.
#[derive(Debug, thiserror::Error)]
pub enum PositionsError {
    /// The assignment ended while it was being claimed; nothing was written, or it no longer matters.
    #[error("the partition was revoked while it was being claimed")]
    Revoked,
    /// The database did not answer, or not in time. Tried again.
    #[error("positions are not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// The position rows. Implemented over PostgreSQL by the turn's store.
pub trait Positions: Send + Sync {
    /// Takes the partition's row with the next epoch, making the row if there is none, and tells where it
    /// stands.
    ///
    /// The implementation must look at [`Assignment::is_present`] after it has locked the row and before it
    /// commits, and roll back with [`PositionsError::Revoked`] where it is not: a slow claim must not take
    /// the row from the member that owns the partition by now. (After the commit, the stream looks again.)
    ///
    /// # Errors
    /// [`PositionsError::Unavailable`] is retried for ever while the assignment lasts.
    fn claim(
        &self,
        group: &str,
        partition: &Partition,
        assignment: &Assignment,
    ) -> impl Future<Output = Result<Owned, PositionsError>> + Send;

    /// Reads the partition's row and changes nothing. `None` where there is no row.
    ///
    /// # Errors
    /// [`PositionsError::Unavailable`] is retried for ever while the assignment lasts.
    fn read(
        &self,
        group: &str,
        partition: &Partition,
    ) -> impl Future<Output = Result<Option<Owned>, PositionsError>> + Send;
}

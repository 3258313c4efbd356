//! The store port: where turns happen.

use std::future::Future;

use boxoffice_saga::world::World;

use crate::claim::{Appends, Claim, Claimed, Held, Wanted};
use crate::error::TurnError;

/// A place where turns happen. Two implementations, one conformance suite: PostgreSQL and memory.
pub trait Store: Send + Sync {
    /// A turn in progress. Dropping it undoes it.
    type Open: OpenTurn;

    /// Begins a turn.
    fn begin(&self) -> impl Future<Output = Result<Self::Open, TurnError>> + Send;
}

/// A turn in progress, in this order: claim, load, commit.
pub trait OpenTurn: Send {
    /// Checks and takes what makes the turn happen at most once.
    fn claim(&mut self, claim: &Claim) -> impl Future<Output = Result<Claimed, TurnError>> + Send;

    /// Locks, in the one order that holds everywhere, and reads. The world's clock is read after the last
    /// lock.
    fn load(
        &mut self,
        wanted: &Wanted,
    ) -> impl Future<Output = Result<(World, Held), TurnError>> + Send;

    /// Writes everything and commits. `true` if records went into the outbox.
    fn commit(
        self,
        world: &World,
        appends: &Appends,
    ) -> impl Future<Output = Result<bool, TurnError>> + Send;
}

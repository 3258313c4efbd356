//! What every consumer stands on: which partitions are ours, where each stands, and turns over what arrived.
//!
//! Kafka decides who owns a partition, the database decides where it stands. One thread owns the Kafka
//! client and polls it, whatever the database does; [`run()`] is the tokio side: it claims partitions
//! ([`Positions`]), gathers what has arrived into a [`Batch`], and gives it to a [`Handler`] as one turn.
//!
//! Where to look: `ownership.rs` is the pure state machine of one partition's life; `polling.rs` is
//! the thread; `turns.rs` is retrying, halving and dead-lettering; `owner.rs` puts them together.
//! [`follower::Follower`] is something else: a reader without a group, for wake-ups.

mod asking;
pub mod error;
mod flow;
pub mod follower;
pub mod handler;
mod intake;
mod lag;
pub mod metric;
pub mod options;
mod owner;
pub mod ownership;
mod polling;
pub mod position;
mod reachable;
mod rebalance;
pub mod record;
mod turns;

pub use error::StreamError;
pub use follower::{Follower, Heard};
pub use handler::{Handler, TurnFailed};
pub use options::StreamOptions;
pub use owner::run;
pub use position::{Assignment, Owned, Partition, Positions, PositionsError};
pub use record::{Batch, Record, Run};

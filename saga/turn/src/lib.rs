//! The turn: everything that happens is one.
//!
//! *Claim, lock, decide, write, commit, answer.* A webhook from Kafka, an HTTP request, a timer, an answer
//! to a call and an operator's command differ only in what they claim; a [`Plan`] says that and what to
//! decide, and [`run`] does the rest, against a [`Store`]: PostgreSQL, or memory for simulation.
//!
//! Guarantees: a turn commits as a whole or not at all; what its plan decided was decided on rows that
//! nobody else could change meanwhile; its events are in the outbox if and only if it committed.

mod breath;
pub mod claim;
pub mod error;
pub mod memory;
mod metric;
pub mod outgoing;
pub mod postgres;
mod reads;
mod run;
mod store;

pub use breath::breath;
pub use claim::{
    Appends, Claim, Claimed, Door, EventKey, Held, InboxOutcome, KeyClaim, KeyState, OperatorAct,
    Origin, Wanted,
};
pub use error::TurnError;
pub use metric::describe as describe_metrics;
pub use outgoing::Outgoing;
pub use reads::{Case, ParkedRecord, Reads};
pub use run::{Plan, run};
pub use store::{OpenTurn, Store};

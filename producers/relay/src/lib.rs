//! The outbox relay: publishes what turns have committed.
//!
//! Guarantees: every committed row is published at least once, nothing uncommitted ever is; first deliveries
//! of one booking's events are in their order. Repeats may come at any time (after a crash, or when a stopped
//! relay wakes); a reader ignores a sequence that it has seen.
//!
//! Rows become visible in the order of commits, not of positions, so a reader of `position > last` would lose
//! what commits late. The relay publishes **windows** instead: what a second snapshot sees and the first did
//! not ([`window`]). It rests on one rule: every writer of an event has locked its booking first, so that two
//! events of one booking are never in flight at once.

mod cursor;
mod metric;
mod publish;
mod ring;
mod run;
pub mod window;

pub use metric::describe as describe_metrics;
pub use run::{RelayError, RelayOptions, readopt, run};

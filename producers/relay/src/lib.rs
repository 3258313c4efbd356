//! The outbox relay: publishes what turns have committed.
//!
//! Every committed row of the outbox is published at least once, nothing uncommitted ever is, and first
//! deliveries of one booking's events are in their order. What is published when is the rule of [`window`];
//! how far it came is the row `relay_cursor`, one per database, held by a lease with an epoch.
//!
//! **Repeats** come after a crash, and when a relay that was stopped wakes up. They cannot spoil the order:
//! a relay publishes without gaps from a persisted position on, and one that has lost the cursor persists
//! nothing more. So whoever delivers a record first has delivered all before it.
//!
//! **It never passes a record.** Whatever Kafka refuses for good (too large, not authorised), it purges and
//! drops its producer, says so, and starts again at the last position, with a growing pause. A broker that is
//! away only delays.
//!
//! It may be stopped at any time; [`run`] ends within [`RelayOptions::drain`] of its shutdown and gives the
//! cursor up, so that the next one need not wait for the lease to end.

mod cursor;
mod metric;
mod options;
mod page;
pub mod progress;
mod publish;
mod readopt;
mod recycle;
mod run;
mod stop;
pub mod window;

pub use metric::describe as describe_metrics;
pub use options::RelayOptions;
pub use readopt::readopt;
pub use run::run;
pub use stop::RelayError;

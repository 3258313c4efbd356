//! The saga: what a booking, a payment and a refund are, and what each becomes when something happens.
//!
//! Pure functions only. There is no clock, no randomness, no I/O and no async in this crate: the time and
//! fresh ids are inputs, effects are data ([`Changes`](world::Changes)). The same functions run in
//! production, in the simulation, in the audit and in the upgrade gate.
//!
//! Where to look: [`world::World::apply`] is the one door; `steps/` holds one file per thing that can
//! happen; [`promises`] holds what must be true whatever happens.

pub mod attention;
pub mod booking;
pub mod event;
pub mod fact;
pub mod identity;
pub mod input;
pub mod journal;
pub mod ledger;
pub mod money;
#[cfg(feature = "openapi")]
mod openapi;
pub mod payment;
pub mod promises;
pub mod purse;
pub mod refund;
pub mod seat;
pub mod show_cancellation;
pub mod status;
mod steps;
pub mod table;
pub mod task;
pub mod world;

pub use steps::sweep::LONG as LONG_WAIT;

//! The decision table: every way in which holds, payments, refunds and disputes can meet, each with a name.
//!
//! [`cell`] says in which situation an input finds a booking; what becomes of it is what [`World::apply`] does. The
//! two are put side by side in `docs/decision-table.md`, which a test holds against both; and the simulation counts
//! how often it met each cell, under each kind of fault.

mod cells;
mod classify;

pub use cells::{Cell, Group};
pub use classify::cell;

#[allow(unused_imports, reason = "for the documentation")]
use crate::world::World;

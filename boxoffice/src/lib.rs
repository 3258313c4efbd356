//! boxoffice: the one binary, as a library for its own tests.

pub mod audit;
mod bench;
pub mod cli;
pub mod config;
pub mod demo;
pub mod dev;
mod extent;
pub mod failure;
mod logging;
mod operators;
mod orders;
mod probe;
pub mod reconciliation;
mod refunds;
pub mod replay;
mod report;
pub mod roles;
pub mod schema;
mod shows;
mod simulate;
mod since;
pub mod supervisor;
mod terminal;
mod tickets;

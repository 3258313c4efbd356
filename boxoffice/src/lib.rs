//! boxoffice: the one binary, as a library for its own tests.

pub mod audit;
pub mod cli;
pub mod config;
pub mod demo;
pub mod dev;
pub mod failure;
mod logging;
mod migrate;
pub mod roles;
mod shows;
mod supervisor;
mod terminal;

pub use migrate::migrate;

//! `boxoffice bench`: what the product does on this machine, measured in a way that anybody can repeat.
//!
//! Each measurement starts a system of its own on real servers in a temporary place, says what it set aside to
//! measure at all (limits per address: all load comes from one), and prints the seed of anything random.

mod connection;
mod flow;
mod load;
mod meter;
mod report;
mod rig;
mod status;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Bookings, from the hold to `CONFIRMED`
    Flow(flow::Flow),
    /// Clients that wait for their bookings: memory per client, and how fast they are woken
    Status(status::Waiting),
}

/// Measures.
///
/// # Errors
/// When the system cannot be started, or something that is measured does not work.
pub async fn run(command: BenchCommand) -> Result<ExitCode, Failure> {
    match command {
        BenchCommand::Flow(flow) => Ok(flow::run(&flow).await?.print(flow.json)),
        BenchCommand::Status(waiting) => status::run(&waiting).await,
    }
}

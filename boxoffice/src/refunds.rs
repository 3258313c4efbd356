//! `boxoffice refund`: what operators do to refunds, from the command line.

mod by_hand;

use std::process::ExitCode;

use boxoffice_turn::postgres::PgStore;
use clap::Subcommand;

use crate::failure::Failure;

/// What can be done with refunds.
#[derive(Debug, Subcommand)]
pub enum RefundCommand {
    #[command(flatten)]
    ByHand(by_hand::ByHandCommand),
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done, with the reason; nothing has changed then.
pub async fn run(command: RefundCommand, store: &PgStore) -> Result<ExitCode, Failure> {
    match command {
        RefundCommand::ByHand(command) => by_hand::run(command, store).await,
    }
}

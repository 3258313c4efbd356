//! `boxoffice bench`: what the product does on this machine, measured in a way that anybody can repeat.
//!
//! Each measurement starts a system of its own on real servers in a temporary place, says what it set aside to
//! measure at all (limits per address: all load comes from one), and prints the seed of anything random.

mod backlog;
mod bare;
mod compare;
mod connection;
mod crowd;
mod floor;
mod flow;
mod hot_show;
mod ingest;
mod late;
mod load;
mod mass_refund;
mod meter;
mod recovery;
mod report;
mod returns;
mod rig;
mod size;
mod soak;
mod status;
mod twins;
mod waiting;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// What this machine does with nothing of ours in the way
    Floor(floor::Alone),
    /// Bookings, from the hold to `CONFIRMED`
    Flow(flow::Flow),
    /// Signed webhooks only, beside a bare producer
    Ingest(ingest::Ingest),
    /// Ten thousand people want two hundred seats
    HotShow(hot_show::HotShow),
    /// Money that comes late, for seats that are sold, and its way back
    Late(late::Late),
    /// Sold-out shows are cancelled: everybody's money goes back, and nobody else waits for it
    MassRefund(mass_refund::MassRefund),
    /// The coordinator away for a minute, and how fast it catches up
    Backlog(backlog::Backlog),
    /// A part killed and started again at once, or one of two coordinators
    Recovery(recovery::Recovery),
    /// Bookings, while millions of others are there already
    Size(size::Size),
    /// Bookings for an hour, and whether the memory of any role grows
    Soak(soak::Soak),
    /// Two reports side by side
    Compare(compare::Compare),
    /// What `ingest` compares with
    #[command(hide = true)]
    Bare(bare::Bare),
    /// How bookings stand: polls, and ten thousand clients who wait, in long polls and in event streams
    Status(status::Watching),
}

/// Measures.
///
/// # Errors
/// When the system cannot be started, or something that is measured does not work.
pub async fn run(command: BenchCommand) -> Result<ExitCode, Failure> {
    match command {
        BenchCommand::Floor(alone) => floor::run(&alone).await?.print(alone.json)?,
        BenchCommand::Flow(flow) => flow::run(&flow).await?.print(flow.json)?,
        BenchCommand::Ingest(ingest) => ingest::run(&ingest).await?.print(ingest.json)?,
        BenchCommand::HotShow(hot) => hot_show::run(&hot).await?.print(hot.json)?,
        BenchCommand::Late(late) => late::run(&late).await?.print(late.json)?,
        BenchCommand::MassRefund(mass) => mass_refund::run(&mass).await?.print(mass.json)?,
        BenchCommand::Size(size) => size::run(&size).await?.print(size.json)?,
        BenchCommand::Soak(soak) => soak::run(&soak).await?.print(soak.json)?,
        BenchCommand::Backlog(backlog) => backlog::run(&backlog).await?.print(backlog.json)?,
        BenchCommand::Recovery(recovery) => recovery::run(&recovery).await?.print(recovery.json)?,
        BenchCommand::Compare(compare) => compare::run(&compare)?,
        BenchCommand::Bare(bare) => bare::run(&bare).await?,
        BenchCommand::Status(watching) => status::run(&watching).await?.print(watching.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

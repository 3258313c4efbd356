//! `boxoffice refund`: what operators do to refunds, from the command line.

mod by_hand;

use std::fmt::Write;
use std::process::ExitCode;

use boxoffice_booking_api::shows::{
    PauseRefunds, Paused, RefundProgress, ResumeRefunds, refund_progress,
};
use boxoffice_saga::identity::ShowId;
use boxoffice_turn::postgres::PgStore;
use clap::Subcommand;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::failure::Failure;
use crate::orders::{Said, SaidWhy, order};
use crate::shows::carry_out;
use crate::terminal;

/// What can be done with refunds.
#[derive(Debug, Subcommand)]
pub enum RefundCommand {
    #[command(flatten)]
    ByHand(by_hand::ByHandCommand),
    /// Pause the refunds of a cancelled show; what is under way at the gateway is finished
    Pause {
        /// The show's number.
        show: ShowId,
        #[command(flatten)]
        said: SaidWhy,
    },
    /// Let the refunds of a cancelled show go on
    Resume {
        /// The show's number.
        show: ShowId,
        #[command(flatten)]
        said: SaidWhy,
    },
    /// Show how far the refunds of a cancelled show are
    Progress {
        /// The show's number.
        show: ShowId,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done, with the reason; nothing has changed then.
pub async fn run(command: RefundCommand, store: &PgStore) -> Result<ExitCode, Failure> {
    match command {
        RefundCommand::ByHand(command) => by_hand::run(command, store).await,
        RefundCommand::Pause { show, said } => {
            let by = order(Some(said.reason.clone()));
            let what = PauseRefunds { show, by: &by };
            let failed = format!("the refunds of show {show} cannot be paused");
            carry_out(store, Said::from(said), &what, &failed, in_words).await
        }
        RefundCommand::Resume { show, said } => {
            let failed = format!("the refunds of show {show} cannot be resumed");
            carry_out(
                store,
                Said::from(said),
                &ResumeRefunds(show),
                &failed,
                in_words,
            )
            .await
        }
        RefundCommand::Progress { show, json } => {
            let progress = refund_progress(store.pool(), show)
                .await
                .map_err(|error| Failure::because("the database could not say", &error))?
                .ok_or_else(|| Failure::unusable(format!("there is no show {show}")))?;
            if json {
                terminal::line(serde_json::to_string_pretty(&progress).unwrap_or_default());
            } else {
                terminal::text(&table(&progress));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn in_words(done: &Paused) -> String {
    let before = if done.before { " already" } else { "" };
    let state = if done.paused { "paused" } else { "going on" };
    format!("the refunds of show {} are{before} {state}", done.show_id)
}

fn table(progress: &RefundProgress) -> String {
    let at = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
    let mut text = match progress.cancelled_at {
        Some(cancelled) => format!("show {}, cancelled {}\n", progress.show_id, at(cancelled)),
        None => format!("show {} is not cancelled\n", progress.show_id),
    };
    for state in &progress.states {
        let amounts: Vec<String> = state.amounts.iter().map(ToString::to_string).collect();
        let name = state.state.name().to_lowercase().replace('_', " ");
        let line = format!("{name:<14}{:>9}  {}", state.refunds, amounts.join(", "));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(
        text,
        "{:.1} a second over the last minute",
        progress.done_per_second
    );
    if let Some(pause) = &progress.paused {
        let (since, by, why) = (at(pause.since), &pause.by, &pause.why);
        let _ = writeln!(text, "paused since {since} by {by}: {why}");
    }
    if let Some(end) = progress.estimated_end {
        let _ = writeln!(text, "through at about {}", at(end));
    }
    text
}

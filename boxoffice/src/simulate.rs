//! `boxoffice simulate`: random histories of the whole system, with every fault, in one process.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use boxoffice_saga::table::Cell;
use boxoffice_simulation::act::{Fault, Faults};
use boxoffice_simulation::explore::{self, Explored};
use boxoffice_simulation::history::{self, History};
use boxoffice_simulation::shrink::shrink;
use clap::Args;

use crate::failure::Failure;
use crate::terminal;

/// Where a history that breaks a promise is left, unless `--save` says otherwise.
const LEFT: &str = "boxoffice-history.json";

/// What to simulate.
#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// How many histories, each from its own seed.
    #[arg(long, default_value_t = 10_000, conflicts_with = "replay")]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0, conflicts_with = "replay")]
    seed: u64,
    /// Without these faults, separated by commas: `crash`, `webhook_lost`, … (a wrong name lists them all).
    #[arg(long, value_name = "FAULTS", value_delimiter = ',', value_parser = fault)]
    without: Vec<Fault>,
    /// How many threads; all processors if not given.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Print how often each situation was met, and after which faults.
    #[arg(long)]
    coverage: bool,
    /// Where to write the reduced history of a broken promise.
    #[arg(long, value_name = "FILE", default_value = LEFT)]
    save: PathBuf,
    /// Make the history in this file again, and tell what was decided in it.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// One JSON document on standard output.
    #[arg(long)]
    json: bool,
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::from_name(name).ok_or_else(|| {
        let all: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        format!("no such fault; there are: {}", all.join(", "))
    })
}

/// Simulates. Exit status 1 if a promise is broken.
pub fn run(arguments: &SimulateArguments) -> Result<ExitCode, Failure> {
    match &arguments.replay {
        Some(file) => replay(file, arguments.json),
        None => explore(arguments),
    }
}

fn explore(arguments: &SimulateArguments) -> Result<ExitCode, Failure> {
    let mut faults = Faults::ALL;
    for fault in &arguments.without {
        faults.remove(*fault);
    }
    let threads = arguments
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let started = Instant::now();
    let explored = explore::explore(arguments.seed, arguments.seeds, faults, None, threads);
    let seconds = started.elapsed().as_secs_f64();
    let found = match &explored.broken {
        Some(ended) => Some(reduced(&ended.history, &arguments.save)?),
        None => None,
    };
    if arguments.json {
        tell_json(&explored, found.as_ref(), seconds);
    } else {
        tell(&explored, found.as_ref(), seconds, arguments);
    }
    Ok(match found {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

/// A broken promise with the choices that it takes.
struct Found {
    seed: u64,
    broken: Vec<String>,
    history: History,
}

fn reduced(history: &History, save: &Path) -> Result<Found, Failure> {
    let history = shrink(history);
    let broken = history::again(&history).broken;
    let text = serde_json::to_string_pretty(&history).unwrap_or_default();
    std::fs::write(save, text).map_err(|error| {
        Failure::because(format!("{} cannot be written", save.display()), &error)
    })?;
    Ok(Found {
        seed: history.seed,
        broken,
        history,
    })
}

fn tell_json(explored: &Explored, found: Option<&Found>, seconds: f64) {
    let coverage: BTreeMap<_, _> = explored
        .coverage
        .cells
        .iter()
        .map(|(cell, met)| (cell.name(), met))
        .collect();
    let document = serde_json::json!({
        "ok": found.is_none(),
        "histories": explored.histories,
        "choices": explored.acts,
        "seconds": seconds,
        "coverage": coverage,
        "cells_never_met": explored.coverage.empty().iter().map(|cell| cell.name()).collect::<Vec<_>>(),
        "broken": found.map(|found| serde_json::json!({
            "seed": found.seed,
            "what": found.broken,
            "history": found.history,
        })),
    });
    terminal::line(serde_json::to_string_pretty(&document).unwrap_or_default());
}

fn tell(explored: &Explored, found: Option<&Found>, seconds: f64, arguments: &SimulateArguments) {
    if arguments.coverage {
        for (cell, met) in &explored.coverage.cells {
            terminal::line(format!("{:>9}  {}", met.times, cell.name()));
            for (fault, times) in &met.after {
                terminal::line(format!("{times:>9}    after {fault}"));
            }
        }
    }
    terminal::line(format!(
        "{} histories from seed {} with {} choices in {seconds:.1} s; {} of {} cells of the decision table met",
        explored.histories,
        arguments.seed,
        explored.acts,
        explored.coverage.cells.len(),
        Cell::ALL.len(),
    ));
    let Some(found) = found else {
        terminal::line("every promise held");
        return;
    };
    terminal::line(format!("seed {} breaks a promise:", found.seed));
    for what in &found.broken {
        terminal::line(format!("  {what}"));
    }
    terminal::line(format!("{} choices are enough:", found.history.acts.len()));
    for act in &found.history.acts {
        terminal::line(format!(
            "  {}",
            serde_json::to_string(act).unwrap_or_default()
        ));
    }
    terminal::line(format!(
        "replay it with: boxoffice simulate --replay {}",
        arguments.save.display()
    ));
}

fn replay(file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::because(format!("{} cannot be read", file.display()), &error))?;
    let history: History = serde_json::from_str(&text).map_err(|error| {
        Failure::because(
            format!("{} is no history of this build", file.display()),
            &error,
        )
    })?;
    let ended = history::again(&history);
    if json {
        let document = serde_json::json!({
            "ok": ended.broken.is_empty(),
            "journal": ended.journal,
            "broken": ended.broken,
        });
        terminal::line(serde_json::to_string_pretty(&document).unwrap_or_default());
    } else {
        for line in &ended.journal {
            terminal::line(line.as_str());
        }
        for what in &ended.broken {
            terminal::line(format!("broken: {what}"));
        }
        if ended.broken.is_empty() {
            terminal::line("every promise held");
        }
    }
    Ok(if ended.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

//! The record of a server's process, by which the next run finds and ends what a killed run left behind.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::error::{ServerError, Tried};
use crate::proc_table;

/// How long an orphan may take to end politely. It usually ends already: its death signal was sent when we died.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// A pid alone may by now belong to anybody; with the start time it names one process.
#[derive(Serialize, Deserialize)]
struct Record {
    pid: u32,
    started: String,
}

/// Writes down who was started.
pub(crate) fn record(file: &Path, pid: u32) -> Result<(), ServerError> {
    let record = Record {
        pid,
        started: proc_table::started(pid).unwrap_or_default(),
    };
    let text = serde_json::to_vec(&record).map_err(std::io::Error::other);
    text.and_then(|text| std::fs::write(file, text))
        .tried("write", file)
}

/// Forgets it, once it was stopped.
pub(crate) fn forget(file: &Path) {
    drop(std::fs::remove_file(file));
}

/// Ends the recorded process if it still runs.
pub(crate) async fn end_recorded(file: &Path, polite: Signal) -> Result<(), ServerError> {
    let Ok(text) = std::fs::read(file) else {
        return Ok(());
    };
    // A record cut short by a crash says nothing; the file is written right after the start, before anything is served.
    if let Ok(record) = serde_json::from_slice::<Record>(&text)
        && proc_table::started(record.pid).is_some_and(|s| s == record.started)
    {
        end(record.pid, polite, file).await?;
    }
    forget(file);
    Ok(())
}

/// Ends a process that is not our child, politely first.
pub(crate) async fn end(pid: u32, polite: Signal, file: &Path) -> Result<(), ServerError> {
    if !proc_table::alive(pid) {
        return Ok(());
    }
    tracing::info!(pid, "ending a server that an earlier run left behind");
    let children = proc_table::children(pid);
    for (signal, patience) in [(polite, PATIENCE), (Signal::SIGKILL, PATIENCE)] {
        proc_table::send(pid, signal).tried("signal the process recorded in", file)?;
        for stopped in children.iter().chain([&pid]) {
            drop(proc_table::send(*stopped, Signal::SIGCONT));
        }
        let since = Instant::now();
        while since.elapsed() < patience {
            if !proc_table::alive(pid) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Err(std::io::Error::from(std::io::ErrorKind::TimedOut))
        .tried("end the process recorded in", file)
}

//! Log lines: for people, or JSON. They go to standard error; standard output is for answers.

use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogConfig, LogFormat};
use crate::failure::Failure;

/// Where log lines go.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// Standard error.
    Terminal,
    /// A file, begun anew.
    File(&'a Path),
}

/// Installs the log. RUST_LOG goes before the configured filter.
///
/// # Errors
/// Where the file cannot be written.
pub fn install(log: &LogConfig, destination: Destination<'_>) -> Result<(), Failure> {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV)
        .ok()
        .and_then(|text| EnvFilter::try_new(text).ok())
        .or_else(|| EnvFilter::try_new(&log.filter).ok())
        .unwrap_or_default();
    let (writer, ansi) = match destination {
        Destination::Terminal => (
            BoxMakeWriter::new(std::io::stderr),
            std::io::IsTerminal::is_terminal(&std::io::stderr()),
        ),
        Destination::File(path) => {
            let file = std::fs::File::create(path).map_err(|error| {
                Failure::because(format!("cannot write the log {}", path.display()), &error)
            })?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(ansi);
    // A second system in one process (tests) keeps the first one's log.
    let _ = match log.format {
        LogFormat::Human => builder.try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .try_init(),
    };
    Ok(())
}

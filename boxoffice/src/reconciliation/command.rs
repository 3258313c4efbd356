//! `boxoffice reconcile`: asks the gateways what we have missed, now.

use std::process::ExitCode;

use boxoffice_gateways::{Gateways, Window};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_turn::postgres::PgStore;
use clap::Args;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::place::{self, Lately};
use super::tell::{Became, Found};
use super::walk::{Unanswered, Walk};
use super::{Options, Tally};
use crate::config::Config;
use crate::failure::Failure;
use crate::since::Since;
use crate::terminal;

/// Arguments of `boxoffice reconcile`.
#[derive(Debug, Args)]
pub struct ReconcileArguments {
    /// From then on: a time (2026-11-01T00:00:00Z), or so long ago (30m, 12h, 7d). Otherwise from where the worker
    /// has come to.
    #[arg(long, value_parser = Since::parse)]
    since: Option<Since>,
    /// Only this account, as gateway or gateway/account. Otherwise all that have an API.
    #[arg(long)]
    account: Option<String>,
    /// One JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// What came of an account.
#[derive(Serialize)]
struct Account {
    account: String,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
    #[serde(flatten)]
    tally: Tally,
    found: Vec<Found>,
    no_answer: Vec<Unanswered>,
    /// What ended the walk early.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_early: Option<String>,
    /// What the worker has done by itself.
    worker: Option<Lately>,
}

impl Account {
    fn good(&self) -> bool {
        self.no_answer.is_empty()
            && self.ended_early.is_none()
            && self
                .found
                .iter()
                .all(|found| found.became == Became::Repaired)
    }
}

/// Runs it. Exit status 1 if anything needs a person or was not answered.
///
/// # Errors
/// When the database cannot be read, the gateways cannot be set up, or there is no such account.
pub async fn run(
    arguments: ReconcileArguments,
    config: &Config,
    store: &PgStore,
    reading: &PgStore,
) -> Result<ExitCode, Failure> {
    let unread = |error: &(dyn std::error::Error + 'static)| {
        Failure::because("the database cannot be read", error)
    };
    let gateways = Gateways::new(config.gateways.clone(), config.facts.secrets.clone())
        .map_err(|error| Failure::because("the gateways cannot be set up", &error))?;
    let options = config.reconciliation.options();
    let now = Since::Ago(time::Duration::ZERO).at(store).await;
    let now = now
        .map_err(|error| unread(&error))?
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let asked_since = match arguments.since {
        None => None,
        Some(since) => Some(
            since
                .at(store)
                .await
                .map_err(|error| unread(&error))?
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        ),
    };
    let accounts = wanted(&gateways, arguments.account.as_deref())?;
    let mut done = Vec::with_capacity(accounts.len());
    for account in accounts {
        let worker = place::lately(store, account)
            .await
            .map_err(|error| unread(&error))?;
        let since = asked_since.unwrap_or_else(|| {
            worker
                .reconciled_until
                .map_or(now - options.first, |until| until - options.again)
        });
        let walk = Walk {
            store,
            reading,
            gateways: &gateways,
            account,
            now,
        };
        let of = reconcile(&walk, options, since, worker).await;
        done.push(of.map_err(|error| unread(&error))?);
    }
    let good = done.iter().all(Account::good);
    if arguments.json {
        let document = serde_json::json!({ "accounts": done });
        terminal::line(serde_json::to_string_pretty(&document).unwrap_or_default());
    } else {
        terminal::text(&done.iter().map(in_words).collect::<String>());
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn wanted<'a>(
    gateways: &'a Gateways,
    only: Option<&str>,
) -> Result<Vec<&'a GatewayAccount>, Failure> {
    let all = gateways
        .names()
        .filter(|account| gateways.client(account).is_some());
    let Some(only) = only else {
        return Ok(all.collect());
    };
    let (gateway, account) = only.split_once('/').unwrap_or((only, "default"));
    let only: Vec<_> = all
        .filter(|name| name.gateway == gateway && name.account == account)
        .collect();
    if only.is_empty() {
        let what = format!("no account {gateway}/{account} with an API is configured");
        return Err(Failure::unusable(what).advise("`boxoffice config` shows those that are"));
    }
    Ok(only)
}

async fn reconcile(
    walk: &Walk<'_>,
    options: Options,
    since: OffsetDateTime,
    worker: Lately,
) -> Result<Account, boxoffice_turn::TurnError> {
    let mut of = Account {
        account: walk.account.to_string(),
        since,
        until: since,
        tally: Tally::default(),
        found: Vec::new(),
        no_answer: Vec::new(),
        ended_early: None,
        worker: Some(worker),
    };
    while of.until < walk.now {
        let window = Window {
            since: of.until,
            until: walk.now.min(of.until + options.window),
        };
        match walk.window(&window).await {
            Ok(outcome) => {
                place::report(walk.store, walk.account, &window, &outcome.tally, true).await?;
                of.tally += outcome.tally;
                of.found.extend(outcome.found);
                of.no_answer.extend(outcome.unanswered);
            }
            Err(super::WalkError::Database(error)) => return Err(error),
            Err(error) => {
                of.ended_early = Some(error.to_string());
                break;
            }
        }
        of.until = window.until;
    }
    Ok(of)
}

fn in_words(of: &Account) -> String {
    let time = |at: OffsetDateTime| {
        let at = at.replace_nanosecond(0).unwrap_or(at);
        at.format(&Rfc3339).unwrap_or_default()
    };
    let tally = &of.tally;
    let mut text = format!(
        "{}, {} to {}: {} matched, {} repaired, {} for a person, {} of others, {} without an answer\n",
        of.account,
        time(of.since),
        time(of.until),
        tally.matched,
        tally.repaired,
        tally.needs_person,
        tally.not_ours,
        tally.unanswered
    );
    if !tally.listed && of.ended_early.is_none() {
        text.push_str(
            "  it cannot be asked what has changed: only our own payments were compared\n",
        );
    }
    for found in &of.found {
        match &found.then {
            None => text.push_str(&format!("REPAIRED {}\n", found.what)),
            Some(then) => text.push_str(&format!("PERSON {}\n  then: {then}\n", found.what)),
        }
    }
    for missing in &of.no_answer {
        text.push_str(&format!(
            "NO ANSWER {}: {}\n",
            missing.gateway_payment_id, missing.why
        ));
    }
    if let Some(why) = &of.ended_early {
        text.push_str(&format!("ENDED EARLY {why}\n"));
    }
    if let Some(worker) = &of.worker {
        text.push_str(&match worker.reconciled_until {
            None => "  the worker has not begun with this account\n".to_owned(),
            Some(until) => format!(
                "  by the worker: everything up to {}; last 24 hours: {} windows, {} matched, {} repaired, \
                 {} for a person\n",
                time(until),
                worker.windows,
                worker.matched,
                worker.repaired,
                worker.needs_person
            ),
        });
    }
    text
}

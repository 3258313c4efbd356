//! What operators order from the command line: the same acts as by their HTTP API, recorded alike, under the name of
//! the operating system's user.

use std::process::ExitCode;

use boxoffice_booking_api::operators::{Act, Acted, Order, act};
use boxoffice_turn::Door;
use boxoffice_turn::postgres::PgStore;
use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::terminal;

/// What every command of an operator takes.
#[derive(Debug, Args)]
pub struct Said {
    /// Why, for the record.
    #[arg(long)]
    pub reason: Option<String>,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// The same, where it must be said why.
#[derive(Debug, Args)]
pub struct SaidWhy {
    /// Why, for the record.
    #[arg(long, visible_alias = "why")]
    pub reason: String,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

impl From<SaidWhy> for Said {
    fn from(said: SaidWhy) -> Self {
        Self {
            reason: Some(said.reason),
            json: said.json,
        }
    }
}

/// On whose order, and why.
pub fn order(why: Option<String>) -> Order {
    let user = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(user).ok().flatten();
    Order {
        who: name.map_or_else(|| format!("uid {user}"), |user| user.name),
        door: Door::CommandLine,
        why,
    }
}

/// Does it and says what it came to. What `unusable` finds to be the arguments' fault ends with exit status 2.
///
/// # Errors
/// When it cannot be done, with the reason; nothing has changed then.
pub async fn carry_out<A>(
    store: &PgStore,
    said: Said,
    what: &A,
    failed: &str,
    unusable: impl Fn(&A::Error) -> bool,
    in_words: impl FnOnce(&A::Done) -> String,
) -> Result<ExitCode, Failure>
where
    A: Act,
    A::Error: std::error::Error + 'static,
{
    match act(store, &order(said.reason), None, what).await {
        Ok(Acted::Now(done, _)) => {
            tell(said.json, &done, || in_words(&done));
            Ok(ExitCode::SUCCESS)
        }
        // Without an idempotency key there is no other answer.
        Ok(Acted::Before { .. } | Acted::OtherRequest) => Ok(ExitCode::FAILURE),
        Err(error) if unusable(&error) => Err(Failure::unusable(format!("{failed}: {error}"))),
        Err(error) => Err(Failure::because(failed, &error)),
    }
}

/// Prints an answer, for people or as JSON.
pub fn tell<T: Serialize>(json: bool, done: &T, in_words: impl FnOnce() -> String) {
    if json {
        terminal::line(serde_json::to_string_pretty(done).unwrap_or_default());
    } else {
        terminal::text(&in_words());
    }
}

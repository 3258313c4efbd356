//! `boxoffice ticket`: what a gate does, without a network.

use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;

use boxoffice_saga::identity::ShowId;
use boxoffice_tickets::{Ticket, VerifyingKeys, verify};
use clap::{Args, Subcommand};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::config::{TicketsConfig, is_set};
use crate::failure::Failure;
use crate::{roles, terminal};

/// What can be done with tickets.
#[derive(Debug, Subcommand)]
pub enum TicketCommand {
    /// Check tickets offline: one code, or one per line from standard input
    ///
    /// Says that a ticket was issued by us and for what. Whether its booking was cancelled since, or somebody has
    /// entered with it already, is for the gate's own list. Exit status 1 if any is refused.
    Verify(Verify),
    /// Print the public keys that gates need, one per line: its name and the key
    ///
    /// To rotate: give the new public key to every gate, then let boxoffice sign with it (tickets.key_id,
    /// tickets.signing_key) and put the old one among tickets.older_keys, until the last show for which it signed
    /// is over.
    Keys,
}

/// Which tickets, by which keys.
#[derive(Debug, Args)]
pub struct Verify {
    /// The code, as it stands in the QR picture; without it, codes are read from standard input.
    code: Option<String>,
    /// Public keys, as `boxoffice ticket keys` prints them. Without it, those of the configuration.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Only tickets for this show are good.
    #[arg(long)]
    show: Option<ShowId>,
    /// One JSON document per ticket.
    #[arg(long)]
    json: bool,
}

/// Runs the command. `configured` is only asked where the command line names no keys.
///
/// # Errors
/// When there are no keys, or they cannot be read.
pub fn run(
    command: TicketCommand,
    configured: impl FnOnce() -> Result<TicketsConfig, Failure>,
) -> Result<ExitCode, Failure> {
    match command {
        TicketCommand::Keys => {
            let keys = configured_keys(&configured()?)?;
            for id in keys.ids() {
                let key = keys.public_key_text(id).unwrap_or_default();
                terminal::line(format!("{id} {key}"));
            }
            Ok(ExitCode::SUCCESS)
        }
        TicketCommand::Verify(asked) => {
            let keys = match &asked.keys {
                Some(file) => keys_of(file)?,
                None => configured_keys(&configured()?)?,
            };
            let mut all_good = true;
            if let Some(code) = &asked.code {
                all_good = judge(&asked, code, &keys);
            } else {
                for code in std::io::stdin().lock().lines() {
                    let code = code.map_err(|error| {
                        Failure::because("standard input cannot be read", &error)
                    })?;
                    if !code.trim().is_empty() {
                        all_good &= judge(&asked, &code, &keys);
                    }
                }
            }
            Ok(if all_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

fn judge(asked: &Verify, code: &str, keys: &VerifyingKeys) -> bool {
    let verdict = verify(code, keys)
        .map_err(|error| error.to_string())
        .and_then(|ticket| match asked.show {
            Some(show) if show.number() != ticket.show_id() => Err(format!(
                "genuine, but for show {}, not for show {show}",
                ticket.show_id()
            )),
            _ => Ok(ticket),
        });
    let text = match (&verdict, asked.json) {
        (Ok(ticket), true) => json!({
            "good": true,
            "booking_id": ticket.booking_id(),
            "show_id": ticket.show_id(),
            "seats": ticket.seats(),
            "issued_at": issued(ticket),
        })
        .to_string(),
        (Err(why), true) => json!({ "good": false, "why": why }).to_string(),
        (Ok(ticket), false) => format!(
            "good: show {}, seats {}, booking {}, issued {}",
            ticket.show_id(),
            ticket.seats().join(" "),
            ticket.booking_id(),
            issued(ticket),
        ),
        (Err(why), false) => format!("refused: {why}"),
    };
    terminal::line(text);
    verdict.is_ok()
}

fn issued(ticket: &Ticket) -> String {
    ticket.issued_at().format(&Rfc3339).unwrap_or_default()
}

fn configured_keys(config: &TicketsConfig) -> Result<VerifyingKeys, Failure> {
    let unusable = |error| Failure::because("the ticket keys cannot be used", &error);
    if is_set(&config.signing_key) {
        return Ok(roles::ticket_keys(config)
            .map_err(unusable)?
            .verifying()
            .clone());
    }
    // A gate has no signing key; it may have the public ones in a configuration.
    let mut keys = VerifyingKeys::new();
    for (id, key) in &config.older_keys {
        keys.accept(id, key).map_err(unusable)?;
    }
    if keys.ids().next().is_none() {
        return Err(Failure::unusable("there are no ticket keys").advise(
            "give --keys FILE with what `boxoffice ticket keys` printed where tickets are signed",
        ));
    }
    Ok(keys)
}

fn keys_of(file: &PathBuf) -> Result<VerifyingKeys, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::because(format!("{name} cannot be read"), &error))?;
    let mut keys = VerifyingKeys::new();
    let lines = text.lines().enumerate();
    for (nth, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("{name}, line {}", nth + 1);
        let (id, key) = line.trim().split_once(char::is_whitespace).ok_or_else(|| {
            Failure::unusable(format!(
                "{place}: write the key's name, a space, and the key"
            ))
        })?;
        keys.accept(id, key.trim())
            .map_err(|error| Failure::unusable(format!("{place}: {error}")))?;
    }
    if keys.ids().next().is_none() {
        return Err(Failure::unusable(format!("{name} has no key")));
    }
    Ok(keys)
}

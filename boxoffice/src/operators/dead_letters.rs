//! `boxoffice dlq`: dead letters and parked records.

use std::process::ExitCode;

use boxoffice_booking_api::operators::OperatorError;
use boxoffice_booking_api::operators::dead_letters::{
    Bytes, DeadLetter, OpenedLetter, Redrive, list, open,
};
use boxoffice_booking_api::operators::parked::{self, ParkedRecord, RetryParked};
use boxoffice_turn::postgres::PgStore;
use clap::Subcommand;
use uuid::Uuid;

use super::{Paging, became, clock, document, more, plain, unread, unusable};
use crate::failure::Failure;
use crate::orders::{SaidWhy, carry_out};
use crate::terminal;

/// What can be done with records that could not be used.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List the records that could not be read or applied, oldest first
    List {
        /// Also those that were redriven.
        #[arg(long)]
        redriven: bool,
        #[command(flatten)]
        paging: Paging,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Show a letter with its key, headers and bytes. They are the gateway's, and may name the customer
    Show {
        /// The letter's id.
        letter: Uuid,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Put a letter back into its topic, with the same bytes, headers and key, once
    ///
    /// If it cannot be used this time either, it becomes another letter.
    Redrive {
        /// The letter's id.
        letter: Uuid,
        /// Send it once more, although it was sent before.
        #[arg(long)]
        again: bool,
        #[command(flatten)]
        said: SaidWhy,
    },
    /// List the records whose booking or payment nobody knows (yet), oldest first
    Parked {
        #[command(flatten)]
        paging: Paging,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Look for a parked record's booking again, now
    Retry {
        /// The parked record's id.
        record: Uuid,
        #[command(flatten)]
        said: SaidWhy,
    },
}

/// Runs the command.
///
/// # Errors
/// When the database cannot be read or written, or there is no such record.
pub async fn run(command: DlqCommand, store: &PgStore) -> Result<ExitCode, Failure> {
    match command {
        DlqCommand::List {
            redriven,
            paging,
            json,
        } => {
            let page = list(store, redriven, paging.place()?.as_ref(), paging.limit)
                .await
                .map_err(|error| unread(&error))?;
            let text: String = page.entries.iter().map(letter_in_words).collect();
            print(json, &document("letters", &page), text + &more(&page));
        }
        DlqCommand::Show { letter, json } => {
            let opened = open(store, letter)
                .await
                .map_err(|error| unread(&error))?
                .ok_or_else(|| {
                    Failure::unusable(OperatorError::UnknownLetter(letter).to_string())
                        .advise("`boxoffice dlq list --redriven` lists them all.")
                })?;
            print(json, &serde_json::json!(opened), opened_in_words(&opened));
        }
        DlqCommand::Redrive {
            letter,
            again,
            said,
        } => {
            let what = Redrive { letter, again };
            let failed = "the letter was not redriven";
            return carry_out(store, said.into(), &what, failed, unusable, |done| {
                format!(
                    "letter {} is on its way to {}, for the {}. time\n",
                    done.letter_id, done.topic, done.redrives
                )
            })
            .await;
        }
        DlqCommand::Parked { paging, json } => {
            let page = parked::list(store, paging.place()?.as_ref(), paging.limit)
                .await
                .map_err(|error| unread(&error))?;
            let text: String = page.entries.iter().map(parked_in_words).collect();
            print(json, &document("records", &page), text + &more(&page));
        }
        DlqCommand::Retry { record, said } => {
            let failed = "nothing was tried again";
            let what = RetryParked(record);
            return carry_out(store, said.into(), &what, failed, unusable, |done| {
                format!("record {}: {}\n", done.record_id, became(done.became))
            })
            .await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(json: bool, document: &serde_json::Value, text: String) {
    if json {
        terminal::line(serde_json::to_string_pretty(document).unwrap_or_default());
    } else if text.is_empty() {
        terminal::line("none");
    } else {
        terminal::text(&plain(&text));
    }
}

fn letter_in_words(letter: &DeadLetter) -> String {
    let event = match (&letter.event_kind, &letter.event_id) {
        (Some(kind), Some(id)) => format!("  {kind} {id}"),
        _ => String::new(),
    };
    let redriven = letter.redriven_at.map_or_else(String::new, |at| {
        format!(
            "\n    redriven {} times, last at {}",
            letter.redrives,
            clock(at)
        )
    });
    format!(
        "{}  letter {}  {} could not use {}/{}@{}, {} bytes{event}\n    {}{redriven}\n",
        clock(letter.since),
        letter.letter_id,
        letter.consumer,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.bytes,
        letter.reason
    )
}

fn opened_in_words(opened: &OpenedLetter) -> String {
    let mut text = letter_in_words(&opened.letter);
    let key = opened.key.as_ref().map_or("none".to_owned(), shown);
    text += &format!("key: {key}\n");
    for header in &opened.headers {
        text += &format!("{}: {}\n", header.name, shown(&header.value));
    }
    text += &format!("\n{}\n", shown(&opened.payload));
    text
}

fn shown(bytes: &Bytes) -> String {
    match bytes {
        Bytes::Text(text) => text.clone(),
        Bytes::Base64(text) => format!("base64 {text}"),
    }
}

fn parked_in_words(record: &ParkedRecord) -> String {
    let names = match (record.booking_id, &record.gateway_payment_id) {
        (Some(booking), _) => format!("names booking {booking}"),
        (None, Some(payment)) => format!("names payment {payment}"),
        (None, None) => "names nothing".to_owned(),
    };
    let looked = record.due_at.map_or_else(
        || "nobody looks for it: retry it".to_owned(),
        |due| format!("looked for {} times, next at {}", record.tries, clock(due)),
    );
    let answer = record
        .last_answer
        .as_ref()
        .map_or_else(String::new, |answer| format!(", found \"{answer}\""));
    format!(
        "{}  record {}  {} {} {}\n    {}: {names}; {looked}{answer}\n",
        clock(record.since),
        record.record_id,
        record.account,
        record.event_kind,
        record.event_id,
        record.reason
    )
}

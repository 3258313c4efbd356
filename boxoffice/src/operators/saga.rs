//! `boxoffice saga`.

use std::process::ExitCode;

use boxoffice_booking_api::operators::story::{amount_in_words, story};
use boxoffice_booking_api::operators::waiting::{self, Sum, Waiting, WaitingFor, Wanted};
use boxoffice_booking_api::operators::{OpenTask, Retried, RetryBooking};
use boxoffice_saga::identity::BookingId;
use boxoffice_turn::postgres::PgStore;
use clap::Subcommand;
use time::Duration;

use super::{Paging, became, clock, document, more, plain, span, story as told, unread, unusable};
use crate::failure::Failure;
use crate::orders::{SaidWhy, carry_out};
use crate::terminal;

/// What can be asked about bookings.
#[derive(Debug, Subcommand)]
pub enum SagaCommand {
    /// List what is open: waiting for whom, how long, how much money; what has waited longest first
    ///
    /// A booking is listed once for each of its payments, refunds, messages and items that is open.
    List {
        /// Only what has waited at least so long: 90s, 10m, 2h, 1d.
        #[arg(long, value_parser = waiting::stuck, value_name = "TIME")]
        stuck: Option<Duration>,
        /// Only what waits for these: bank, gateway, refund, person, notification or worker.
        #[arg(long, value_name = "WHOM")]
        waiting_for: Option<WaitingFor>,
        #[command(flatten)]
        paging: Paging,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Tell one booking's story: what reached it and what was decided, its money, calls, messages, and what is open
    Show {
        /// The booking's id.
        booking: BookingId,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Try what a booking waits for again, now
    Retry {
        /// The booking's id.
        booking: BookingId,
        #[command(flatten)]
        said: SaidWhy,
    },
}

/// Runs the command.
///
/// # Errors
/// When the database cannot be read or written, or there is no such booking.
pub async fn run(command: SagaCommand, store: &PgStore) -> Result<ExitCode, Failure> {
    match command {
        SagaCommand::List {
            stuck,
            waiting_for,
            paging,
            json,
        } => {
            let wanted = Wanted {
                waiting_for,
                stuck: stuck.unwrap_or_default(),
            };
            list(store, wanted, &paging, json).await?;
        }
        SagaCommand::Show { booking, json } => {
            let story = story(store, booking)
                .await
                .map_err(|error| unread(&error))?
                .ok_or_else(|| no_booking(booking))?;
            if json {
                terminal::line(serde_json::to_string_pretty(&story).unwrap_or_default());
            } else {
                terminal::text(&told::in_words(&story));
            }
        }
        SagaCommand::Retry { booking, said } => {
            let failed = "nothing was tried again";
            let what = RetryBooking(booking);
            return carry_out(store, said.into(), &what, failed, unusable, retried).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn no_booking(booking: BookingId) -> Failure {
    Failure::unusable(format!("there is no booking {booking}"))
        .advise("Its id is in its status document, in every event, and in the gateway's metadata.")
}

async fn list(store: &PgStore, wanted: Wanted, paging: &Paging, json: bool) -> Result<(), Failure> {
    let after = paging.place()?;
    let page = waiting::list(store, wanted, after.as_ref(), paging.limit)
        .await
        .map_err(|error| unread(&error))?;
    let sums = match after {
        None => waiting::sums(store, wanted)
            .await
            .map(Some)
            .map_err(|error| unread(&error))?,
        Some(_) => None,
    };
    if json {
        let mut document = document("waiting", &page);
        document["sums"] = serde_json::json!(sums);
        terminal::line(serde_json::to_string_pretty(&document).unwrap_or_default());
        return Ok(());
    }
    let mut text: String = page.entries.iter().map(entry).collect();
    text += &more(&page);
    match sums {
        Some(sums) if sums.is_empty() => text += "nothing is open\n",
        Some(sums) => {
            text += "\nin all (minor units)\n";
            text += &sums.iter().map(sum).collect::<String>();
        }
        None => {}
    }
    terminal::text(&plain(&text));
    Ok(())
}

fn entry(one: &Waiting) -> String {
    let booking = one
        .booking_id
        .map_or_else(|| "no booking".to_owned(), |id| format!("booking {id}"));
    let money = one.amount.map_or_else(|| "-".to_owned(), amount_in_words);
    let mut text = format!(
        "{:<12} {:>8}  {money:>14}  {booking}  {} {}\n{:38}{}\n",
        one.waiting_for.name(),
        span(one.seconds),
        one.what,
        one.id,
        "",
        one.said,
    );
    for task in &one.tasks {
        text += &format!("{:38}{}\n", "", task_in_words(task));
    }
    text
}

/// A task in a line.
pub(super) fn task_in_words(task: &OpenTask) -> String {
    let when = match task.in_hand_until {
        Some(until) => format!("in hand until {} at most", clock(until)),
        None => format!("due {}", clock(task.due_at)),
    };
    let tries = match task.tries {
        0 => "not tried yet".to_owned(),
        1 => "tried once".to_owned(),
        tries => format!("tried {tries} times"),
    };
    let answer = task
        .last_answer
        .as_ref()
        .map_or_else(String::new, |answer| format!(", answered \"{answer}\""));
    format!("task {} {}: {when}, {tries}{answer}", task.kind, task.said)
}

fn sum(sum: &Sum) -> String {
    let money: Vec<String> = sum
        .money
        .iter()
        .map(|money| amount_in_words(*money))
        .collect();
    let money = if money.is_empty() {
        "no money".to_owned()
    } else {
        money.join(" + ")
    };
    format!(
        "{:<12} {:>8}  {money}, the oldest since {}\n",
        sum.waiting_for.name(),
        sum.count,
        clock(sum.oldest)
    )
}

fn retried(done: &Retried) -> String {
    let mut text = String::new();
    for task in &done.tasks {
        text += &format!("{} {}: {}\n", task.kind, task.subject, became(task.became));
    }
    if done.tasks.is_empty() {
        text += "the booking has no open task, so there is nothing to try again\n";
    }
    if done.with_person > 0 {
        text += &format!(
            "{} of its items wait for a person: `boxoffice attention list`\n",
            done.with_person
        );
    }
    text
}

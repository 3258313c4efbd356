//! What operators look at and put right: bookings that are stuck, what waits for a person, dead letters.

pub mod attention;
pub mod dead_letters;
pub mod saga;
mod story;

use boxoffice_booking_api::operators::page::{self, Limit, Page};
use boxoffice_booking_api::operators::{Became, OperatorError};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::failure::Failure;

/// Which part of a list.
#[derive(Debug, Args)]
pub struct Paging {
    /// So many entries at most, up to 500.
    #[arg(long, default_value = "50", value_parser = limit)]
    limit: Limit,
    /// Go on where a list ended: what it said there.
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

fn limit(text: &str) -> Result<Limit, String> {
    let limit = text.parse().ok().and_then(Limit::new);
    limit.ok_or_else(|| format!("write a number from 1 to {}", Limit::MOST))
}

impl Paging {
    fn place<P: DeserializeOwned>(&self) -> Result<Option<P>, Failure> {
        let Some(after) = &self.after else {
            return Ok(None);
        };
        page::place(after).map(Some).ok_or_else(|| {
            Failure::unusable("--after is not what a list of this kind said at its end")
        })
    }
}

/// The last line of a list that is not at its end.
fn more<T, P: Serialize>(page: &Page<T, P>) -> String {
    page.next.as_ref().map_or_else(String::new, |next| {
        format!("there is more: --after {}\n", page::cursor(next))
    })
}

/// A page as JSON, under the names of the HTTP API.
fn document<T: Serialize, P: Serialize>(name: &str, page: &Page<T, P>) -> serde_json::Value {
    let mut document = serde_json::Map::new();
    document.insert(name.to_owned(), serde_json::json!(page.entries));
    let next = page.next.as_ref().map(page::cursor);
    document.insert("next".to_owned(), serde_json::json!(next));
    document.into()
}

fn unread(error: &boxoffice_turn::TurnError) -> Failure {
    Failure::because("the database cannot be read", error)
}

/// Whether the arguments are to blame.
fn unusable(error: &OperatorError) -> bool {
    match error {
        OperatorError::UnknownBooking(_)
        | OperatorError::UnknownLetter(_)
        | OperatorError::UnknownRefund(_)
        | OperatorError::UnknownItem { .. }
        | OperatorError::NotParked(_) => true,
        OperatorError::Redriven { .. }
        | OperatorError::Unsendable(_)
        | OperatorError::RefundNotWaiting(_)
        | OperatorError::RefundSentAnotherWay { .. }
        | OperatorError::MoneyWaits(_)
        | OperatorError::Database(_) => false,
    }
}

fn became(became: Became) -> &'static str {
    match became {
        Became::Due => "due now",
        Became::DueBefore => "was due already: if it stays so, no worker of its kind is running",
        Became::InHand => "a worker has it in hand",
        Became::Timer => "a timer, which keeps its time",
    }
}

/// Text that came from outside, for a terminal: it cannot give it orders.
fn plain(text: &str) -> String {
    let harmless = |letter: char| match letter {
        '\n' | '\t' => letter,
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(harmless).collect()
}

/// A time in UTC, to the millisecond: all of the same length.
fn clock(at: OffsetDateTime) -> String {
    let format =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]");
    at.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

/// How long, in its two largest units.
fn span(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (1.., ..) => format!("{days}d {}h", hours % 24),
        (_, 1.., _) => format!("{hours}h {}m", minutes % 60),
        (_, _, 1..) => format!("{minutes}m {}s", seconds % 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_give_the_terminal_orders() {
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\n");
    }

    #[test]
    fn times_are_short_and_spans_are_for_people() {
        assert_eq!(clock(OffsetDateTime::UNIX_EPOCH), "1970-01-01 00:00:00.000");
        let spans = [
            (0, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (3_600, "1h 0m"),
            (90_000, "1d 1h"),
        ];
        for (seconds, text) in spans {
            assert_eq!(span(seconds), text);
        }
    }
}

//! The scenes.

mod late_seats_free;
mod late_seats_sold;
mod paid_in_time;
mod ten_duplicates;

use std::fmt::Debug;
use std::sync::Arc;

use anyhow::bail;
use serde_json::Value;

use super::Check;
use super::stage::Stage;

/// A scene, by its stable name.
pub struct Scene {
    /// The name.
    pub name: &'static str,
    /// What it is about, one line.
    pub about: &'static str,
}

/// All scenes, in order.
pub const ALL: [Scene; 4] = [
    Scene {
        name: "paid_in_time",
        about: "A customer holds two seats and pays in time: a ticket.",
    },
    Scene {
        name: "late_seats_free",
        about: "The bank is slow and the hold runs out, but nobody took the seats: a ticket after all.",
    },
    Scene {
        name: "late_seats_sold",
        about: "The payment arrives after the seats were sold to somebody else: the money goes back.",
    },
    Scene {
        name: "ten_duplicates",
        about: "The gateway tells the same payment eleven times: one booking, one ticket.",
    },
];

/// Plays a scene.
pub async fn act(name: &str, stage: &Arc<Stage>, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    match name {
        "paid_in_time" => paid_in_time::act(stage, checks).await,
        "late_seats_free" => late_seats_free::act(stage, checks).await,
        "late_seats_sold" => late_seats_sold::act(stage, checks).await,
        "ten_duplicates" => ten_duplicates::act(stage, checks).await,
        other => bail!("there is no scene {other}"),
    }
}

/// Holds what happened against what was expected.
pub fn check<T: PartialEq + Debug>(
    checks: &mut Vec<Check>,
    what: &str,
    expected: &T,
    happened: &T,
) {
    checks.push(Check {
        what: what.to_owned(),
        expected: format!("{expected:?}"),
        happened: format!("{happened:?}"),
        ok: expected == happened,
    });
}

/// Where the money should be: `accounts` with their balances.
pub fn accounts(accounts: &[(&str, i64)]) -> Vec<(String, i64)> {
    let mut accounts: Vec<_> = accounts
        .iter()
        .map(|(name, minor)| ((*name).to_owned(), *minor))
        .collect();
    accounts.sort();
    accounts
}

/// Kinds of events.
pub fn kinds(kinds: &[&str]) -> Vec<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

/// What a status document says about settling and paying again.
pub fn calm(status: &Value) -> (bool, bool) {
    (status["settled"] == true, status["pay_again"] == true)
}

/// Holds a booking's ledger, the gateway's books and its events against what was expected.
pub async fn books_and_events(
    stage: &Stage,
    checks: &mut Vec<Check>,
    booking: &str,
    ledger: &[(&str, i64)],
    books: (i64, i64, usize),
    events: &[&str],
) -> anyhow::Result<()> {
    let expected = accounts(ledger);
    let happened = stage
        .until(&expected, async || stage.ledger(booking).await)
        .await?;
    check(checks, "the ledger", &expected, &happened);
    let happened = stage
        .until(&books, async || stage.books(booking).await)
        .await?;
    check(
        checks,
        "the gateway's books (captured, refunded, refunds)",
        &books,
        &happened,
    );
    let expected = kinds(events);
    let happened = stage
        .until(&expected, async || Ok(stage.events.of(booking)))
        .await?;
    check(checks, "the events on Kafka", &expected, &happened);
    Ok(())
}

//! A scene while it is played: what is done and what is found, each with its moment.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use boxoffice_saga::identity::ShowId;
use serde::Serialize;
use serde_json::Value;

use super::customer::Customer;
use super::stage::Stage;

/// Something that was done, or looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// Milliseconds since the scene began.
    pub at_ms: u128,
    /// What was done or looked at.
    pub what: String,
    /// What came of the look.
    #[serde(flatten)]
    pub check: Option<Check>,
}

/// What was expected and what happened.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was expected.
    pub expected: String,
    /// What happened.
    pub happened: String,
    /// Whether the two are the same.
    pub ok: bool,
}

/// A scene that is being played.
pub struct Act {
    /// Where.
    pub stage: Arc<Stage>,
    started: Instant,
    moments: Vec<Moment>,
}

impl Act {
    pub(super) fn new(stage: Arc<Stage>) -> Self {
        Self {
            stage,
            started: Instant::now(),
            moments: Vec::new(),
        }
    }

    pub(super) fn over(self) -> (u128, Vec<Moment>) {
        (self.started.elapsed().as_millis(), self.moments)
    }

    /// Says what has been done.
    pub fn tell(&mut self, what: impl Into<String>) {
        self.note(what.into(), None);
    }

    /// Holds what happened against what was expected: both in words, as a reader sees them.
    pub fn check(
        &mut self,
        what: impl Into<String>,
        expected: impl Display,
        happened: impl Display,
    ) {
        let (expected, happened) = (expected.to_string(), happened.to_string());
        let ok = expected == happened;
        self.note(
            what.into(),
            Some(Check {
                expected,
                happened,
                ok,
            }),
        );
    }

    fn note(&mut self, what: String, check: Option<Check>) {
        self.moments.push(Moment {
            at_ms: self.started.elapsed().as_millis(),
            what,
            check,
        });
    }

    /// Holds a booking's ledger (accounts and their balances), the gateway's books (captured, refunded, how many
    /// refunds) and its events against what was expected. All in minor units.
    pub async fn books_and_events(
        &mut self,
        whose: &str,
        booking: &str,
        ledger: &[(&str, i64)],
        books: (i64, i64, usize),
        events: &[&str],
    ) -> anyhow::Result<()> {
        let stage = self.stage.clone();
        let mut accounts: Vec<_> = ledger
            .iter()
            .map(|(name, minor)| ((*name).to_owned(), *minor))
            .collect();
        accounts.sort();
        let happened = stage
            .until(&accounts, async || stage.ledger(booking).await)
            .await?;
        self.check(
            format!("{whose} ledger"),
            in_words(&accounts),
            in_words(&happened),
        );
        let happened = stage
            .until(&books, async || stage.books(booking).await)
            .await?;
        self.check(
            format!("{whose} money, by the gateway's books"),
            books_in_words(books),
            books_in_words(happened),
        );
        let expected: Vec<String> = events.iter().map(|kind| (*kind).to_owned()).collect();
        let happened = stage
            .until(&expected, async || Ok(stage.events.of(booking)))
            .await?;
        self.check(
            format!("{whose} events on Kafka"),
            expected.join(", "),
            happened.join(", "),
        );
        Ok(())
    }

    /// Waits until a status document says what is expected.
    pub async fn status(
        &mut self,
        what: &str,
        customer: &Customer,
        booking: &str,
        expected: &str,
    ) -> anyhow::Result<()> {
        let stage = self.stage.clone();
        let expected = expected.to_owned();
        let now = async || Ok(said(&customer.status(booking).await?));
        let happened = stage.until(&expected, now).await?;
        self.check(what, expected, happened);
        Ok(())
    }

    /// Waits for so many tickets in the customer's mailbox.
    pub async fn tickets(
        &mut self,
        whose: &str,
        booking: &str,
        expected: usize,
    ) -> anyhow::Result<()> {
        let stage = self.stage.clone();
        let mailed = async || stage.tickets_mailed(booking).await;
        let happened = stage.until(&expected, mailed).await?;
        self.check(format!("tickets in {whose} mailbox"), expected, happened);
        Ok(())
    }

    /// Evaluates every promise over a show that the scene has made.
    pub async fn promises(&mut self, show: ShowId) -> anyhow::Result<()> {
        let broken = self.stage.broken_promises(show).await?;
        self.check("broken promises", none_or(&[]), none_or(&broken));
        Ok(())
    }
}

/// Captured, refunded and how many refunds, in words.
fn books_in_words((captured, refunded, refunds): (i64, i64, usize)) -> String {
    match refunds {
        0 => format!("captured {captured}, nothing refunded"),
        1 => format!("captured {captured}, refunded {refunded} in one refund"),
        _ => format!("captured {captured}, refunded {refunded} in {refunds} refunds"),
    }
}

/// What a status document says, in the words of its fields.
pub fn said(status: &Value) -> String {
    let word = |field: &str, yes, no| if status[field] == true { yes } else { no };
    let mut words = vec![
        status["status"].as_str().unwrap_or("no status").to_owned(),
        word("settled", "settled", "not settled").to_owned(),
        word("pay_again", "may pay", "must not pay").to_owned(),
    ];
    let refund = &status["refund"];
    if let Some(state) = refund["state"].as_str() {
        let amount = &refund["amount"];
        let currency = amount["currency"].as_str().unwrap_or_default();
        words.push(format!("refund of {} {currency} {state}", amount["minor"]));
    }
    words.join(", ")
}

fn in_words(accounts: &[(String, i64)]) -> String {
    let accounts: Vec<String> = accounts
        .iter()
        .map(|(name, minor)| format!("{name} {minor}"))
        .collect();
    none_or(&accounts)
}

fn none_or(found: &[String]) -> String {
    if found.is_empty() {
        "none".to_owned()
    } else {
        found.join(", ")
    }
}

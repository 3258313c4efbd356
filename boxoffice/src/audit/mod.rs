//! `boxoffice audit`: every promise, over the whole database.

use std::collections::BTreeMap;
use std::ops::Range;

use boxoffice_coordinator::{CONSUMER, WEBHOOKS};
use boxoffice_producers::Connection;
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::promises::{Promise, Violation};
use boxoffice_turn::postgres::PgStore;
use serde::Serialize;

use crate::extent;
use crate::failure::Failure;

/// What the audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Audit {
    /// Shows looked at.
    pub shows: usize,
    /// Bookings looked at.
    pub bookings: usize,
    /// Where the money is: minor units by currency and account.
    pub money: BTreeMap<String, BTreeMap<&'static str, i64>>,
    /// Webhooks that were accepted and are not decided yet.
    pub undecided_webhooks: i64,
    /// Broken promises. None is the only good answer.
    pub violations: Vec<Violation>,
}

/// Looks at every show, one snapshot each, and at the webhooks' topic.
///
/// # Errors
/// When the database or Kafka cannot be read.
pub async fn audit(store: &PgStore, kafka: &Connection) -> Result<Audit, Failure> {
    let unread = |error: &(dyn std::error::Error + 'static)| {
        Failure::because("the database cannot be read", error)
    };
    let mut audit = Audit::default();
    let shows = sqlx::query_scalar!("select show_id from shows order by show_id")
        .fetch_all(store.pool())
        .await
        .map_err(|error| unread(&error))?;
    for number in shows {
        let show = ShowId::try_from(number).map_err(|error| unread(&error))?;
        let books = store.books(show).await.map_err(|error| unread(&error))?;
        audit.shows += 1;
        audit.bookings += books.bookings.len();
        for entry in &books.ledger {
            let accounts = audit
                .money
                .entry(entry.amount.currency.to_string())
                .or_default();
            *accounts.entry(entry.from.name()).or_default() -= entry.amount.minor;
            *accounts.entry(entry.to.name()).or_default() += entry.amount.minor;
        }
        audit.violations.extend(books.violations());
    }
    webhooks(store, kafka, &mut audit).await?;
    Ok(audit)
}

/// INGRESS-1: every accepted webhook is decided, or stands before the coordinator's position.
async fn webhooks(store: &PgStore, kafka: &Connection, audit: &mut Audit) -> Result<(), Failure> {
    let extents = extent::of(WEBHOOKS, kafka).await?;
    if extents.is_empty() {
        let what = format!("there is no topic {WEBHOOKS}: what was accepted is gone");
        audit.violations.push(Violation {
            promise: Promise::Ingress1,
            what,
        });
    }
    for (
        partition,
        Range {
            start: low,
            end: high,
        },
    ) in extents
    {
        let position = store
            .read_position(CONSUMER.name, WEBHOOKS, partition)
            .await
            .map_err(|error| Failure::because("the database cannot be read", &error))?
            .and_then(|owned| owned.next_offset)
            .unwrap_or(0);
        audit.undecided_webhooks += (high - position.max(low)).max(0);
        if position > high {
            audit.violations.push(Violation {
                promise: Promise::Ingress1,
                what: format!("partition {partition} of {WEBHOOKS} ends at {high}, and {position} records of it were decided: the topic has lost records"),
            });
        }
        if position < low {
            audit.violations.push(Violation {
                promise: Promise::Ingress1,
                what: format!("partition {partition} of {WEBHOOKS} begins at {low}, and only those before {position} were decided: records were dropped undecided"),
            });
        }
    }
    Ok(())
}

impl Audit {
    /// For a person at a terminal.
    pub fn in_words(&self) -> String {
        let mut text = format!("{} shows, {} bookings\n", self.shows, self.bookings);
        for (currency, accounts) in &self.money {
            let accounts: Vec<String> = accounts
                .iter()
                .map(|(account, minor)| format!("{} {minor}", account.to_lowercase()))
                .collect();
            text.push_str(&format!(
                "{currency}, minor units: {}\n",
                accounts.join(", ")
            ));
        }
        if self.undecided_webhooks > 0 {
            text.push_str(&format!(
                "{} accepted webhooks wait for the coordinator\n",
                self.undecided_webhooks
            ));
        }
        if self.violations.is_empty() {
            text.push_str("every promise holds\n");
        }
        for violation in &self.violations {
            text.push_str(&format!(
                "VIOLATION {}: {}\n",
                violation.promise, violation.what
            ));
        }
        text
    }
}

//! `boxoffice audit`: every promise, over the whole database. Read only.
//!
//! * Show by show, each in one snapshot, by the predicates of the saga: the rows, the ledger and the journal. So
//!   memory is bounded by the largest show; the journal is heard entry by entry and not kept.
//! * `tables`: what belongs to nothing, and what must be unique over all shows.
//! * `events`: the outbox and the relay. `ingress`: the webhooks' topic and what was set aside.
//! * [`gateway`]: our books against the gateways'.
//! * [`running`]: the same predicates all the time, over what changes.

mod command;
mod events;
pub mod finding;
pub mod gateway;
mod ingress;
pub mod running;
mod tables;
mod words;

use std::collections::BTreeMap;

use boxoffice_producers::Connection;
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::ledger::Account;
use boxoffice_saga::promises::Promise;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::{PgStore, Whose};
use serde::Serialize;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::failure::Failure;
pub use command::{AuditArguments, run};
use finding::{Finding, Rule};

/// What the audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Audit {
    /// Shows looked at.
    pub shows: usize,
    /// Bookings looked at.
    pub bookings: usize,
    /// Their payments.
    pub payments: usize,
    /// Their refunds.
    pub refunds: usize,
    /// The money, by currency.
    pub money: BTreeMap<String, Sums>,
    /// Webhooks that were accepted and that the coordinator has not read yet.
    pub undecided_webhooks: i64,
    /// Webhooks that were set aside until their booking or payment is known.
    pub parked_webhooks: i64,
    /// Records that wait for the relay.
    pub unpublished: i64,
    /// Since when the oldest of them.
    #[serde(with = "time::serde::rfc3339::option")]
    pub unpublished_since: Option<OffsetDateTime>,
    /// The gateways' books against ours, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<gateway::Comparison>,
    /// What is broken. Nothing is the only good answer.
    pub violations: Vec<Finding>,
}

/// Where the money of one currency is, in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// What the payments' rows captured.
    pub captured: i64,
    /// The ledger's balance of each account but the gateway's, by its name. They sum to what was captured.
    pub accounts: BTreeMap<&'static str, i64>,
}

/// Evaluates everything. `step` hears how many of how many shows are done.
///
/// # Errors
/// When the database or Kafka cannot be read.
pub async fn audit(
    store: &PgStore,
    kafka: &Connection,
    step: impl Fn(usize, usize),
) -> Result<Audit, Failure> {
    let mut audit = Audit::default();
    shows(store, &mut audit, step)
        .await
        .map_err(|error| unread(&error))?;
    let (sums, unbalanced) = sums(store.pool()).await.map_err(|error| unread(&error))?;
    audit.money = sums;
    audit.violations.extend(unbalanced);
    let odd = tables::look(store.pool()).await;
    audit
        .violations
        .extend(odd.map_err(|error| unread(&error))?);
    let (waiting, found) = events::look(store).await.map_err(|error| unread(&error))?;
    audit.unpublished = waiting.records;
    audit.unpublished_since = waiting.oldest;
    audit.violations.extend(found);
    let (undecided, found) = ingress::look(store, kafka).await?;
    audit.undecided_webhooks = undecided.in_kafka;
    audit.parked_webhooks = undecided.parked;
    audit.violations.extend(found);
    Ok(audit)
}

fn unread(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::because("the database cannot be read", error)
}

async fn shows(
    store: &PgStore,
    audit: &mut Audit,
    step: impl Fn(usize, usize),
) -> Result<(), TurnError> {
    let numbers = sqlx::query_scalar!("select show_id from shows order by show_id")
        .fetch_all(store.pool())
        .await?;
    for (nth, number) in numbers.iter().enumerate() {
        let show = ShowId::try_from(*number)
            .map_err(|error| TurnError::Corrupt(format!("show {number}: {error}")))?;
        audit.shows += 1;
        let record = match store.record(Whose::Show(show)).await {
            Ok(record) => record,
            // One row that makes no sense must not hide the others.
            Err(TurnError::Corrupt(why)) => {
                let what = format!("show {show} cannot be read: {why}");
                audit.violations.push(Finding::new(Rule::Rows, None, what));
                continue;
            }
            Err(error) => return Err(error),
        };
        audit.bookings += record.books.bookings.len();
        audit.payments += record.books.payments.len();
        audit.refunds += record.books.refunds.len();
        let violations = record.violations().into_iter();
        audit.violations.extend(violations.map(Finding::from));
        step(nth + 1, numbers.len());
    }
    Ok(())
}

/// The sums, rows and ledger in one snapshot; MONEY-1 in total.
async fn sums(pool: &PgPool) -> Result<(BTreeMap<String, Sums>, Vec<Finding>), sqlx::Error> {
    let rows = sqlx::query!(
        r#"select currency as "currency!", account as "account!", sum(minor)::bigint as "minor!"
           from (select captured_currency as currency, 'captured' as account, captured_minor as minor
                 from payments where captured_minor is not null
                 union all select currency, to_account, amount_minor from ledger
                 union all select currency, from_account, -amount_minor from ledger) as moved
           group by 1, 2"#
    )
    .fetch_all(pool)
    .await?;
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    let mut taken_in: BTreeMap<String, i64> = BTreeMap::new();
    let mut found = Vec::new();
    for row in rows {
        let of = sums.entry(row.currency.clone()).or_default();
        match (row.account.as_str(), Account::from_name(&row.account)) {
            ("captured", _) => of.captured = row.minor,
            (_, Some(Account::Gateway)) => {
                taken_in.insert(row.currency, -row.minor);
            }
            (_, Some(account)) => {
                of.accounts.insert(account.name(), row.minor);
            }
            (other, None) => found.push(Finding::new(
                Rule::Promise(Promise::Money1),
                None,
                format!(
                    "{} {} are in the account {other:?}, which this build does not know",
                    row.minor, row.currency
                ),
            )),
        }
    }
    for (currency, of) in &sums {
        let booked = taken_in.get(currency).copied().unwrap_or(0);
        if booked != of.captured {
            let what = format!(
                "in all, {} {currency} were captured and the ledger took in {booked}",
                of.captured
            );
            found.push(Finding::new(Rule::Promise(Promise::Money1), None, what));
        }
    }
    Ok((sums, found))
}

impl Audit {
    /// Whether everything holds, and the gateways say the same, where they were asked.
    pub fn holds(&self) -> bool {
        let balances = self
            .gateways
            .as_ref()
            .is_none_or(gateway::Comparison::balances);
        self.violations.is_empty() && balances
    }
}

//! The figures that the check feeds. A figure that was set and is not there any more is set to zero.

use std::collections::BTreeSet;

use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::promises::Promise;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;

use super::metric;
use crate::audit::finding::Rule;

/// A gauge's name and its labels.
type Key = (&'static str, Vec<(&'static str, String)>);

/// What was set.
#[derive(Debug, Default)]
pub struct Gauges {
    set: BTreeSet<Key>,
}

impl Gauges {
    /// Sets every figure anew.
    pub async fn set(&mut self, store: &PgStore) -> Result<(), TurnError> {
        let figures = figures(store).await?;
        let present: BTreeSet<Key> = figures.iter().map(|(key, _)| key.clone()).collect();
        for key in self.set.difference(&present) {
            put(key, 0.0);
        }
        for (key, value) in &figures {
            put(key, *value);
        }
        self.set = present;
        Ok(())
    }

    /// Another process has them now.
    pub fn clear(&mut self) {
        for key in std::mem::take(&mut self.set) {
            put(&key, 0.0);
        }
    }
}

fn put((name, labels): &Key, value: f64) {
    let labels: Vec<metrics::Label> = labels
        .iter()
        .map(|(label, value)| metrics::Label::new(*label, value.clone()))
        .collect();
    metrics::gauge!(*name, labels).set(value);
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a double, and 2^53 minor units are more than there is"
)]
const fn double(number: i64) -> f64 {
    number as f64
}

async fn figures(store: &PgStore) -> Result<Vec<(Key, f64)>, TurnError> {
    let mut figures: Vec<(Key, f64)> = Vec::new();
    let broken = sqlx::query!(
        r#"select split_part(reason, ':', 1) as "promise!", count(*) as "count!" from attention
           where kind = $1 and closed_at is null group by 1"#,
        AttentionKind::PromiseBroken.name()
    )
    .fetch_all(store.pool())
    .await?;
    let rules = Promise::ALL
        .map(Rule::Promise)
        .into_iter()
        .chain([Rule::Rows]);
    for rule in rules {
        let count = broken
            .iter()
            .find(|row| row.promise == rule.name())
            .map_or(0, |row| row.count);
        let labels = vec![("promise", rule.name().to_owned())];
        figures.push(((metric::VIOLATIONS, labels), double(count)));
    }
    let undecided = sqlx::query!(
        r#"select expected_currency as "currency!", sum(expected_minor)::bigint as "minor!",
                  extract(epoch from clock_timestamp() - min(opened_at))::float8 as "oldest!"
           from payments where standing in ('OPEN', 'AUTHORISED', 'GIVING_UP') group by 1"#
    )
    .fetch_all(store.pool())
    .await?;
    for row in undecided {
        let labels = vec![("currency", row.currency)];
        figures.push(((metric::UNDECIDED_MINOR, labels.clone()), double(row.minor)));
        figures.push(((metric::UNDECIDED_OLDEST, labels), row.oldest));
    }
    let refunds = sqlx::query!(
        r#"select standing as "standing!", count(*) as "count!",
                  extract(epoch from clock_timestamp() - min(requested_at))::float8 as "oldest!"
           from refunds where standing in ('REQUESTED', 'UNDER_WAY', 'PENDING') group by 1"#
    )
    .fetch_all(store.pool())
    .await?;
    for row in refunds {
        let labels = vec![("standing", row.standing)];
        figures.push(((metric::REFUNDS_OPEN, labels.clone()), double(row.count)));
        figures.push(((metric::REFUNDS_OLDEST, labels), row.oldest));
    }
    let sums = sqlx::query!("select currency, account, balance_minor from running_sums")
        .fetch_all(store.pool())
        .await?;
    for row in sums {
        let labels = vec![("currency", row.currency), ("account", row.account)];
        figures.push(((metric::MONEY, labels), double(row.balance_minor)));
    }
    let lag = sqlx::query_scalar!(
        r#"select (select case when is_called then last_value else 0 end from journal_entry_seq)
                  - journal_entry as "lag!" from running_check"#
    )
    .fetch_one(store.pool())
    .await?;
    figures.push(((metric::LAG, Vec::new()), double(lag)));
    Ok(figures)
}

//! INGRESS-1: every accepted webhook is decided, or stands where it will be.

use std::ops::Range;

use boxoffice_coordinator::{CONSUMER, WEBHOOKS};
use boxoffice_producers::Connection;
use boxoffice_saga::promises::Promise;
use boxoffice_turn::postgres::PgStore;

use super::finding::{Finding, Rule};
use crate::extent;
use crate::failure::Failure;

const INGRESS_1: Rule = Rule::Promise(Promise::Ingress1);

/// Webhooks that were accepted and are not decided yet, by where they wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Undecided {
    /// Before the coordinator's position.
    pub in_kafka: i64,
    /// Set aside until their booking or payment is known.
    pub parked: i64,
}

/// Looks at the topic, the coordinator's positions, and what was set aside.
///
/// # Errors
/// When the database or Kafka cannot be read.
pub async fn look(
    store: &PgStore,
    kafka: &Connection,
) -> Result<(Undecided, Vec<Finding>), Failure> {
    let mut undecided = Undecided::default();
    let mut found = Vec::new();
    // The positions first: what is decided meanwhile was in the topic by then.
    let positions = sqlx::query!(
        "select partition, next_offset from consumer_positions where consumer = $1 and topic = $2",
        CONSUMER.name,
        WEBHOOKS
    )
    .fetch_all(store.pool())
    .await
    .map_err(|error| Failure::because("the database cannot be read", &error))?;
    let extents = extent::of(WEBHOOKS, kafka).await?;
    let mut complain = |what: String| found.push(Finding::new(INGRESS_1, None, what));
    if extents.is_empty() {
        complain(format!(
            "there is no topic {WEBHOOKS}: what was accepted is gone"
        ));
    }
    for row in &positions {
        let (partition, position) = (row.partition, row.next_offset.unwrap_or(0));
        if position > 0 && !extents.is_empty() && !extents.contains_key(&partition) {
            complain(format!(
                "{position} records of partition {partition} of {WEBHOOKS} were decided, and the topic has no such \
                 partition"
            ));
        }
    }
    for (partition, Range { start, end }) in extents {
        let position = positions
            .iter()
            .find(|row| row.partition == partition)
            .and_then(|row| row.next_offset)
            .unwrap_or(0);
        undecided.in_kafka += (end - position.max(start)).max(0);
        if position > end {
            complain(format!(
                "partition {partition} of {WEBHOOKS} ends at {end}, and {position} records of it were decided: the \
                 topic has lost records"
            ));
        }
        if position < start {
            complain(format!(
                "partition {partition} of {WEBHOOKS} begins at {start}, and only those before {position} were \
                 decided: records were dropped undecided"
            ));
        }
    }
    let aside = set_aside(store, &mut undecided).await;
    found.extend(aside.map_err(|error| Failure::because("the database cannot be read", &error))?);
    Ok((undecided, found))
}

/// A record that was set aside has a task that looks after it; one that was buried, a person who was told.
async fn set_aside(
    store: &PgStore,
    undecided: &mut Undecided,
) -> Result<Vec<Finding>, sqlx::Error> {
    let parked = sqlx::query!(
        r#"select p.record_id, p.gateway, p.event_id,
                  exists (select from tasks t where t.kind = 'trace' and t.subject = p.record_id) as "traced!"
           from parked_records p"#
    )
    .fetch_all(store.pool())
    .await?;
    undecided.parked = i64::try_from(parked.len()).unwrap_or(i64::MAX);
    let mut found: Vec<Finding> = parked
        .iter()
        .filter(|row| !row.traced)
        .map(|row| {
            let what = format!(
                "record {} ({} {}) is parked and no task looks after it",
                row.record_id, row.gateway, row.event_id
            );
            Finding::new(INGRESS_1, None, what)
        })
        .collect();
    let buried = sqlx::query!(
        r#"select d.letter_id, d.partition, d."offset" from dead_letters d
           where d.consumer = $1 and d.redriven_at is null
             and not exists (select from attention a where a.subject = d.letter_id)
           limit 200"#,
        CONSUMER.name
    )
    .fetch_all(store.pool())
    .await?;
    found.extend(buried.iter().map(|row| {
        let what = format!(
            "dead letter {} (partition {}, offset {}) was never on the operators' list",
            row.letter_id, row.partition, row.offset
        );
        Finding::new(INGRESS_1, None, what)
    }));
    Ok(found)
}

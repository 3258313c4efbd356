//! Reads a story's lines from the tables that keep them.

use std::collections::BTreeMap;

use boxoffice_saga::identity::RefundId;
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::task::TaskKind;
use boxoffice_turn::TurnError;
use boxoffice_turn::outgoing::BOOKING_EVENTS;
use boxoffice_turn::postgres::read::Case;
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::line::{Line, Source, What};
use super::{Balance, MOST_LINES, words};
use crate::operators::read_money;

/// The lines, and what they come to.
pub(super) struct Told {
    pub(super) lines: Vec<Line>,
    pub(super) money: Vec<Balance>,
    pub(super) shortened: bool,
}

const MOST: i64 = MOST_LINES as i64;

/// Reads everything that is known of a booking.
pub(super) async fn read(db: &mut PgConnection, case: &Case) -> Result<Told, TurnError> {
    let booking = case.booking.id.uuid();
    let mut told = Told {
        lines: Vec::new(),
        money: Vec::new(),
        shortened: false,
    };
    decisions(db, booking, &mut told).await?;
    money(db, case, &mut told).await?;
    calls(db, case, &mut told).await?;
    messages(db, booking, &mut told).await?;
    acts(db, case, &mut told).await?;
    attention(db, booking, &mut told).await?;
    // Stable: what one table says at one moment stays in its order.
    told.lines.sort_by_key(|line| (line.at, line.what.rank()));
    Ok(told)
}

impl Told {
    fn add(&mut self, at: OffsetDateTime, said: String, what: What) {
        self.lines.push(Line { at, said, what });
    }

    /// Notes whether a table had more than was read of it.
    fn count(&mut self, rows: usize) {
        self.shortened |= rows >= MOST_LINES;
    }
}

/// What the journal says that a turn published.
#[derive(Deserialize)]
struct Published {
    sequence: i64,
    r#type: String,
    position: i64,
}

async fn decisions(db: &mut PgConnection, booking: Uuid, told: &mut Told) -> Result<(), TurnError> {
    let rows = sqlx::query!(
        r#"select entry, at, input, outcome, xact::text as transaction, source_topic, source_partition,
                  source_offset, event_id, event_kind, received_at, published
           from journal where booking_id = $1 order by entry desc limit $2"#,
        booking,
        MOST,
    )
    .fetch_all(&mut *db)
    .await?;
    told.count(rows.len());
    let mut events = Vec::new();
    let mut read = Vec::new();
    for row in rows.into_iter().rev() {
        let source = match (row.source_topic, row.source_partition, row.source_offset) {
            (Some(topic), Some(partition), Some(offset)) => Some(Source {
                topic,
                partition,
                offset,
                event_id: row.event_id,
                event_kind: row.event_kind,
                received_at: row.received_at,
            }),
            _ => None,
        };
        read.extend(
            source
                .clone()
                .filter(|source| source.topic == BOOKING_EVENTS),
        );
        let published: Vec<Published> = row
            .published
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        for event in published {
            events.push((row.at, row.transaction.clone(), event));
        }
        // An earlier build may have written what this one does not know; it is then told as it stands.
        let input = serde_json::from_str::<Input>(&row.input)
            .map_or_else(|_| row.input.clone(), |input| words::input(&input));
        let outcome = serde_json::from_str::<Outcome>(&row.outcome)
            .map_or_else(|_| row.outcome.clone(), |outcome| words::outcome(&outcome));
        told.add(
            row.at,
            format!("{input} → {outcome}"),
            What::Decision {
                entry: row.entry,
                input: json(row.input),
                outcome: json(row.outcome),
                transaction: row.transaction,
                source,
            },
        );
    }
    let published = published(db, &events).await?;
    for ((at, _, event), published) in events.into_iter().zip(published) {
        let whether = if published {
            "published"
        } else {
            "not published yet"
        };
        let record = read.iter().find(|source| {
            source.received_at == Some(at) && source.event_kind.as_deref() == Some(&event.r#type)
        });
        told.add(
            at,
            format!("event {} {}: {whether}", event.sequence, event.r#type),
            What::Event {
                sequence: event.sequence,
                r#type: event.r#type,
                position: event.position,
                published,
                record: record.cloned(),
            },
        );
    }
    Ok(())
}

fn json(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Whether the relay's cursor has passed each event: all that its first snapshot saw, and of the window in hand
/// what stands up to its last position.
async fn published(
    db: &mut PgConnection,
    events: &[(OffsetDateTime, Option<String>, Published)],
) -> Result<Vec<bool>, TurnError> {
    let transactions: Vec<Option<String>> = events.iter().map(|(_, id, _)| id.clone()).collect();
    let positions: Vec<i64> = events.iter().map(|(_, _, event)| event.position).collect();
    let rows = sqlx::query_scalar!(
        r#"select coalesce(pg_visible_in_snapshot(e.xact::xid8, c.s1)
                           or (pg_visible_in_snapshot(e.xact::xid8, c.s2) and e.position <= c.last_position),
                           false) as "published!"
           from unnest($1::text[], $2::bigint[]) with ordinality as e (xact, position, nth)
           left join relay_cursor c on true
           order by e.nth"#,
        &transactions as &[Option<String>],
        &positions,
    )
    .fetch_all(db)
    .await?;
    Ok(rows)
}

async fn money(db: &mut PgConnection, case: &Case, told: &mut Told) -> Result<(), TurnError> {
    let payments: Vec<Uuid> = case.payments.iter().map(|row| row.id.uuid()).collect();
    let rows = sqlx::query!(
        "select payment_id, from_account, to_account, amount_minor, currency, at
         from ledger where payment_id = any($1) order by entry desc limit $2",
        &payments,
        MOST,
    )
    .fetch_all(db)
    .await?;
    told.count(rows.len());
    let mut balances: BTreeMap<(String, String), i64> = BTreeMap::new();
    for row in rows.into_iter().rev() {
        for (account, minor) in [
            (&row.from_account, -row.amount_minor),
            (&row.to_account, row.amount_minor),
        ] {
            let key = (account.clone(), row.currency.clone());
            *balances.entry(key).or_default() += minor;
        }
        let amount = read_money(row.amount_minor, &row.currency)?;
        told.add(
            row.at,
            format!(
                "{} of payment {}: {} -> {}",
                words::amount(amount),
                row.payment_id,
                row.from_account,
                row.to_account
            ),
            What::Money {
                payment_id: row.payment_id.into(),
                from: row.from_account,
                to: row.to_account,
                amount,
            },
        );
    }
    for ((account, currency), minor) in balances {
        if minor != 0 {
            let amount = read_money(minor, &currency)?;
            told.money.push(Balance { account, amount });
        }
    }
    Ok(())
}

async fn calls(db: &mut PgConnection, case: &Case, told: &mut Told) -> Result<(), TurnError> {
    // Messages have a log of their own, and a record is traced before its booking is known.
    let kinds: Vec<String> = TaskKind::ALL
        .into_iter()
        .filter(|kind| kind.calls() && !kind.once() && *kind != TaskKind::Trace)
        .map(|kind| kind.name().to_owned())
        .collect();
    let payments = case.payments.iter().map(|row| row.id.uuid());
    let refunds = case.refunds.iter().map(|row| row.id.uuid());
    let subjects: Vec<Uuid> = payments.chain(refunds).collect();
    let rows = sqlx::query!(
        r#"select a.kind as "kind!", a.subject as "subject!", a.generation as "generation!",
                  a.attempt as "attempt!", a.started_at as "started_at!", a.deadline as "deadline!",
                  a.answered_at, a.answer, clock_timestamp() > a.deadline as "over!"
           from unnest($1::text[]) k (kind)
           cross join unnest($2::uuid[]) s (subject)
           cross join lateral (select * from attempts a where a.kind = k.kind and a.subject = s.subject) a
           order by a.started_at desc limit $3"#,
        &kinds,
        &subjects,
        MOST,
    )
    .fetch_all(db)
    .await?;
    told.count(rows.len());
    for row in rows.into_iter().rev() {
        let kind = TaskKind::from_name(&row.kind);
        let key = kind.and_then(|kind| key(kind, row.subject, row.generation));
        let took_ms = row.answered_at.map(|at| {
            i64::try_from((at - row.started_at).whole_milliseconds()).unwrap_or(i64::MAX)
        });
        let ended = match (&row.answer, took_ms) {
            (Some(answer), Some(ms)) => format!("\"{answer}\" after {ms} ms"),
            _ if row.over => "its answer was lost".to_owned(),
            _ => "under way".to_owned(),
        };
        let to_do = kind.map_or("of a kind unknown to this build", words::task);
        let under = key
            .as_ref()
            .map_or_else(String::new, |key| format!(", key {key}"));
        told.add(
            row.started_at,
            format!(
                "call {to_do}: {}, generation {}{under}, try {}: {ended}",
                row.subject, row.generation, row.attempt
            ),
            What::Call {
                task: row.kind,
                subject: row.subject,
                generation: row.generation,
                attempt: row.attempt,
                key,
                deadline: row.deadline,
                answered_at: row.answered_at,
                took_ms,
                answer: row.answer,
            },
        );
    }
    Ok(())
}

/// The idempotency key that a call of this kind sends.
fn key(kind: TaskKind, subject: Uuid, generation: i32) -> Option<String> {
    match kind {
        TaskKind::Refund | TaskKind::MassRefund => {
            Some(RefundId::from(subject).gateway_key(generation.cast_unsigned()))
        }
        TaskKind::HoldTimer
        | TaskKind::Verify
        | TaskKind::Void
        | TaskKind::Capture
        | TaskKind::Trace
        | TaskKind::CancelShow
        | TaskKind::CancelBooking
        | TaskKind::Mail
        | TaskKind::Sms
        | TaskKind::Push => None,
    }
}

async fn messages(db: &mut PgConnection, booking: Uuid, told: &mut Told) -> Result<(), TurnError> {
    let rows = sqlx::query!(
        "select channel, template, language, outcome, reason, attempt, at
         from deliveries where booking_id = $1 order by entry desc limit $2",
        booking,
        MOST,
    )
    .fetch_all(db)
    .await?;
    told.count(rows.len());
    for row in rows.into_iter().rev() {
        let why = row
            .reason
            .as_ref()
            .map_or_else(String::new, |why| format!(": {why}"));
        told.add(
            row.at,
            format!(
                "{} {}, try {}: {}{why}",
                row.channel, row.template, row.attempt, row.outcome
            ),
            What::Message {
                channel: row.channel,
                template: row.template,
                language: row.language,
                outcome: row.outcome,
                reason: row.reason,
                attempt: row.attempt,
            },
        );
    }
    Ok(())
}

/// Acts on the booking, its payments and refunds; and on its whole show, where they touched its bookings.
async fn acts(db: &mut PgConnection, case: &Case, told: &mut Told) -> Result<(), TurnError> {
    let mut subjects = vec![case.booking.id.to_string()];
    subjects.extend(case.payments.iter().map(|row| row.id.to_string()));
    subjects.extend(case.refunds.iter().map(|row| row.id.to_string()));
    let rows = sqlx::query!(
        "select at, who, door, what, subject, why from operator_acts
         where subject = any(array_cat($1, array(select a.subject::text from attention a where a.booking_id = $5)))
            or (subject = $2 and at >= $3 and (what = 'show.cancel' or what like '%refund%'))
         order by act desc limit $4",
        &subjects,
        case.booking.show().to_string(),
        case.booking.held_at,
        MOST,
        case.booking.id.uuid(),
    )
    .fetch_all(db)
    .await?;
    told.count(rows.len());
    for row in rows.into_iter().rev() {
        let why = row
            .why
            .as_ref()
            .map_or_else(String::new, |why| format!(", because: {why}"));
        told.add(
            row.at,
            format!("operator {} did {}{why}", row.who, row.what),
            What::Act {
                who: row.who,
                door: row.door,
                act: row.what,
                subject: row.subject,
                why: row.why,
            },
        );
    }
    Ok(())
}

async fn attention(db: &mut PgConnection, booking: Uuid, told: &mut Told) -> Result<(), TurnError> {
    let rows = sqlx::query!(
        "select kind, subject, reason, opened_at, closed_at from attention
         where booking_id = $1 order by opened_at desc limit $2",
        booking,
        MOST,
    )
    .fetch_all(db)
    .await?;
    told.count(rows.len());
    for row in rows.into_iter().rev() {
        let (kind, subject) = (row.kind, row.subject);
        told.add(
            row.opened_at,
            format!("a person is called, {kind}: {}", row.reason),
            What::Attention {
                kind: kind.clone(),
                subject,
            },
        );
        if let Some(closed_at) = row.closed_at {
            told.add(
                closed_at,
                format!("off the operators' list: {kind}"),
                What::Settled { kind, subject },
            );
        }
    }
    Ok(())
}

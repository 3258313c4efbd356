//! Leases of the store in memory: what one statement does on PostgreSQL.

use std::time::Duration;

use boxoffice_saga::task::TaskKind;
use boxoffice_turn::memory::{AttemptRow, Tables};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::lease::{EarlierAttempt, Leased};

/// Leases up to `limit` due tasks of `kinds` under `token`, the earliest first, and writes their attempts down.
pub fn take(
    tables: &mut Tables,
    kinds: &[TaskKind],
    limit: usize,
    lease: Duration,
    call: Duration,
    token: Uuid,
) -> Vec<Leased> {
    let now = tables.now.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut due: Vec<_> = tables
        .tasks
        .values()
        .filter(|row| {
            kinds.contains(&row.task.key.kind)
                && row.task.due_at <= now
                && row.lease.is_none_or(|(_, until)| until < now)
        })
        .map(|row| (row.task.due_at, row.task.key.clone()))
        .collect();
    due.sort();
    due.truncate(limit);
    let mut leased = Vec::with_capacity(due.len());
    for (_, key) in due {
        let Some(row) = tables.tasks.get_mut(&key) else {
            continue;
        };
        row.attempts += 1;
        row.lease = Some((token, now + lease));
        let attempt = row.attempts;
        let earlier = tables
            .attempts
            .iter()
            .filter(|((other, nth), _)| {
                other.kind == key.kind
                    && other.subject == key.subject
                    && (other.generation, *nth) < (key.generation, attempt)
            })
            .map(|((other, _), row)| EarlierAttempt {
                generation: other.generation,
                started_at: row.started_at,
                deadline: row.deadline,
                answer: row.answer.clone(),
            });
        let earlier = if attempt > 1 && key.kind.calls() {
            earlier.collect()
        } else {
            Vec::new()
        };
        if key.kind.calls() {
            let written = AttemptRow {
                started_at: now,
                deadline: now + call,
                answer: None,
            };
            tables
                .attempts
                .entry((key.clone(), attempt))
                .or_insert(written);
        }
        leased.push(Leased {
            booking: row.task.booking,
            attempt,
            lease: token,
            deadline: now + call,
            now,
            detail: row.task.detail.clone(),
            earlier,
            key,
        });
    }
    leased
}

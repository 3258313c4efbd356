//! Leases: taken in one statement that locks tasks only.

use std::time::Duration;

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::task::{TaskKey, TaskKind};
use boxoffice_turn::TurnError;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

/// A task in hand.
#[derive(Clone, Debug)]
pub struct Leased {
    /// Which.
    pub key: TaskKey,
    /// The booking that its turn locks.
    pub booking: Option<BookingId>,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Proves that the task is still ours when the answer comes.
    pub lease: Uuid,
    /// The call must be over by then, by the database's clock.
    pub deadline: OffsetDateTime,
    /// The database's clock when it was leased.
    pub now: OffsetDateTime,
    /// What the saga added beside the key, as JSON.
    pub detail: Option<String>,
    /// Earlier tries of the same task, oldest first.
    pub earlier: Vec<EarlierAttempt>,
}

impl Leased {
    /// Earlier tries whose outcome is not known for certain: the answer was lost, or was no answer.
    pub fn has_doubtful_attempts(&self) -> bool {
        self.earlier.iter().any(EarlierAttempt::is_doubtful)
    }

    /// Whether the deadline of every earlier try has passed: nothing of them can still be on its way out.
    pub fn earlier_deadlines_passed(&self) -> bool {
        self.earlier
            .iter()
            .all(|attempt| attempt.deadline < self.now)
    }
}

/// An earlier try.
#[derive(Clone, Debug)]
pub struct EarlierAttempt {
    /// The generation of the task that it was made for.
    pub generation: u32,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// When its call had to be over.
    pub deadline: OffsetDateTime,
    /// What came of it; `None`: the answer was lost with the process that waited for it.
    pub answer: Option<String>,
}

impl EarlierAttempt {
    /// Whether its outcome is not known for certain: the answer was lost, or was no answer.
    pub fn is_doubtful(&self) -> bool {
        self.answer
            .as_deref()
            .is_none_or(|answer| answer.starts_with("unknown"))
    }
}

/// What a look at the table comes to.
#[derive(Debug, Default)]
pub struct Look {
    /// Due, and ours now.
    pub leased: Vec<Leased>,
    /// In how many seconds the next one is due; `None`: none is waiting.
    pub next: Option<f64>,
}

/// Leases up to `limit` due tasks of `kinds` and writes their attempts down. Passes by the tasks of the gateway
/// accounts `held`, and those that an operator has paused.
pub async fn take(
    pool: &PgPool,
    kinds: &[TaskKind],
    held: &[String],
    limit: i64,
    lease: Duration,
    call: Duration,
) -> Result<Look, TurnError> {
    let names: Vec<String> = kinds.iter().map(|kind| kind.name().to_owned()).collect();
    let calls: Vec<String> = kinds
        .iter()
        .filter(|kind| kind.calls())
        .map(|kind| kind.name().to_owned())
        .collect();
    let token = Uuid::new_v4();
    let rows = sqlx::query!(
        r#"with clock as materialized (
             select clock_timestamp() as now
           ),
           lanes as materialized (
             select kind, gateway, mass_show from open_lanes($1, $7)
           ),
           due as (
             select due.* from lanes as lane
             cross join lateral (
               select t.kind, t.subject, t.generation, t.due_at from tasks t
               where t.kind = lane.kind and t.gateway = lane.gateway and t.mass_show = lane.mass_show
                 and t.due_at <= (select now from clock)
                 and (t.lease_until is null or t.lease_until < (select now from clock))
               order by t.due_at
               limit $2
               for update skip locked
             ) as due
             order by due.due_at
             limit $2
           ),
           next as (
             select min(soon.due_at) as due_at from lanes as lane
             cross join lateral (
               select t.due_at from tasks t
               where t.kind = lane.kind and t.gateway = lane.gateway and t.mass_show = lane.mass_show
                 and t.due_at > (select now from clock)
               order by t.due_at
               limit 1
             ) as soon
           ),
           leased as (
             update tasks t
             set lease_until = clock.now + make_interval(secs => $3), lease_token = $4,
                 attempts = t.attempts + 1
             from due, clock
             where t.subject = due.subject and t.generation = due.generation and t.kind || '' = due.kind
             returning t.kind, t.subject, t.generation, t.booking_id, t.attempts, t.detail
           ),
           written as (
             insert into attempts (kind, subject, generation, attempt, booking_id, started_at, deadline)
             select kind, subject, generation, attempts, booking_id, clock.now,
                    clock.now + make_interval(secs => $5)
             from leased, clock where kind = any($6)
             on conflict do nothing
           )
           select clock.now as "now!", clock.now + make_interval(secs => $5) as "deadline!",
                  extract(epoch from next.due_at - clock.now)::float8 as next,
                  kind as "kind?", subject as "subject?", generation as "generation?", booking_id,
                  attempts as "attempts?", detail
           from clock cross join next left join leased on true"#,
        &names,
        limit,
        lease.as_secs_f64(),
        token,
        call.as_secs_f64(),
        &calls,
        held,
    )
    .fetch_all(pool)
    .await?;
    let next = rows.first().and_then(|row| row.next);
    let mut leased = Vec::with_capacity(rows.len());
    for row in rows {
        let (Some(kind), Some(subject), Some(generation), Some(attempt)) =
            (row.kind, row.subject, row.generation, row.attempts)
        else {
            // The one row that tells when the next is due.
            continue;
        };
        let kind = TaskKind::from_name(&kind)
            .ok_or_else(|| TurnError::Corrupt(format!("task kind {kind:?}")))?;
        let booking = row
            .booking_id
            .map(BookingId::try_from)
            .transpose()
            .map_err(|error| TurnError::Corrupt(error.to_string()))?;
        leased.push(Leased {
            key: TaskKey {
                kind,
                subject,
                generation: generation.cast_unsigned(),
            },
            booking,
            attempt: attempt.cast_unsigned(),
            lease: token,
            deadline: row.deadline,
            now: row.now,
            detail: row.detail,
            earlier: Vec::new(),
        });
    }
    earlier_attempts(pool, &mut leased).await?;
    Ok(Look { leased, next })
}

/// Reads what became of earlier tries, for those tasks that may have had any: this one or an earlier generation.
async fn earlier_attempts(pool: &PgPool, tasks: &mut [Leased]) -> Result<(), TurnError> {
    let again: Vec<&Leased> = tasks
        .iter()
        .filter(|task| (task.attempt > 1 || task.key.generation > 1) && task.key.kind.calls())
        .collect();
    if again.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> = again
        .iter()
        .map(|task| task.key.kind.name().to_owned())
        .collect();
    let subjects: Vec<Uuid> = again.iter().map(|task| task.key.subject).collect();
    let rows = sqlx::query!(
        r#"select a.kind, a.subject, a.generation, a.attempt, a.started_at, a.deadline, a.answer
           from attempts a
           where (a.kind, a.subject) in (select * from unnest($1::text[], $2::uuid[]))
           order by a.generation, a.attempt"#,
        &kinds,
        &subjects,
    )
    .fetch_all(pool)
    .await?;
    for row in rows {
        let (generation, attempt) = (row.generation.cast_unsigned(), row.attempt.cast_unsigned());
        let task = tasks.iter_mut().find(|task| {
            task.key.kind.name() == row.kind
                && task.key.subject == row.subject
                && (generation, attempt) < (task.key.generation, task.attempt)
        });
        if let Some(task) = task {
            task.earlier.push(EarlierAttempt {
                generation,
                started_at: row.started_at,
                deadline: row.deadline,
                answer: row.answer,
            });
        }
    }
    Ok(())
}

/// Gives tasks back whose calls were never made, each due again after its time: they count as no try.
pub async fn give_back(pool: &PgPool, tasks: &[(&Leased, Duration)]) -> Result<(), TurnError> {
    let mut tasks = tasks.to_vec();
    tasks.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
    let keys = || tasks.iter().map(|(task, _)| task);
    let kinds: Vec<String> = keys().map(|task| task.key.kind.name().to_owned()).collect();
    let subjects: Vec<Uuid> = keys().map(|task| task.key.subject).collect();
    let generations: Vec<i32> = keys()
        .map(|task| task.key.generation.cast_signed())
        .collect();
    let attempts: Vec<i32> = keys().map(|task| task.attempt.cast_signed()).collect();
    let leases: Vec<Uuid> = keys().map(|task| task.lease).collect();
    let after: Vec<f64> = tasks.iter().map(|(_, after)| after.as_secs_f64()).collect();
    sqlx::query!(
        "with given as (
           select * from unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::uuid[], $6::float8[])
             as g (kind, subject, generation, attempt, lease, after)
         ),
         ours as (
           select task.kind, task.subject, task.generation, g.after
           from given g
           cross join lateral (
             select t.kind, t.subject, t.generation from tasks t
             where t.subject = g.subject and t.generation = g.generation and t.kind || '' = g.kind
               and t.lease_token = g.lease
             for update
           ) as task
         ),
         back as (
           update tasks t
           set due_at = clock_timestamp() + make_interval(secs => ours.after),
               lease_until = null, lease_token = null, attempts = t.attempts - 1
           from ours
           where t.subject = ours.subject and t.generation = ours.generation and t.kind || '' = ours.kind
         )
         delete from attempts a using given g
         where a.kind = g.kind and a.subject = g.subject and a.generation = g.generation
           and a.attempt = g.attempt",
        &kinds,
        &subjects,
        &generations,
        &attempts,
        &leases,
        &after,
    )
    .execute(pool)
    .await?;
    Ok(())
}

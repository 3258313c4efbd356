//! Parked records: what names a booking or a payment that nobody knows (yet). A `trace` task looks for it.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use boxoffice_saga::world::World;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, TurnError};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::act::Act;
use super::error::OperatorError;
use super::page::{Limit, Page};
use super::retry::{Became, make_due};

/// A record that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ParkedRecord)]
pub struct ParkedRecord {
    /// Its id.
    pub record_id: Uuid,
    /// Gateway and account.
    pub account: String,
    /// The gateway's id of the event.
    pub event_id: String,
    /// The gateway's name for the kind of event.
    pub event_kind: String,
    /// The booking that it names and that nobody knows.
    #[schema(required)]
    pub booking_id: Option<BookingId>,
    /// The gateway's payment id that it names and that nobody knows.
    #[schema(required)]
    pub gateway_payment_id: Option<String>,
    /// Why it was set aside.
    pub reason: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When it is looked for next; null: nobody looks for it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub due_at: Option<OffsetDateTime>,
    /// How often it was looked for.
    pub tries: i32,
    /// What the latest look found.
    #[schema(required)]
    pub last_answer: Option<String>,
}

/// A place among them: after this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    record: Uuid,
}

/// Reads a page of parked records, oldest first.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn list(
    store: &PgStore,
    after: Option<&Place>,
    limit: Limit,
) -> Result<Page<ParkedRecord, Place>, TurnError> {
    let (since, record) = after.map_or((OffsetDateTime::UNIX_EPOCH, Uuid::nil()), |after| {
        (after.since, after.record)
    });
    let rows = sqlx::query!(
        r#"select p.record_id, p.gateway, p.account, p.event_id, p.kind, p.booking_id, p.gateway_payment_id,
                  p.reason, p.parked_at, t.due_at as "due_at?", t.attempts as "tries?", latest.answer as "answer?"
           from parked_records p
           left join tasks t on t.kind = 'trace' and t.subject = p.record_id and t.generation = 1
           left join lateral (
               select a.answer from attempts a
               where a.kind = 'trace' and a.subject = p.record_id and a.generation = 1
               order by a.attempt desc limit 1
           ) latest on true
           where (p.parked_at, p.record_id) > ($1, $2)
           order by p.parked_at, p.record_id limit $3"#,
        since,
        record,
        limit.and_one(),
    )
    .fetch_all(store.pool())
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(ParkedRecord {
            record_id: row.record_id,
            account: format!("{}/{}", row.gateway, row.account),
            event_id: row.event_id,
            event_kind: row.kind,
            booking_id: row
                .booking_id
                .map(BookingId::try_from)
                .transpose()
                .map_err(|error| TurnError::Corrupt(error.to_string()))?,
            gateway_payment_id: row.gateway_payment_id,
            reason: row.reason,
            since: row.parked_at,
            due_at: row.due_at,
            tries: row.tries.unwrap_or(0),
            last_answer: row.answer,
        });
    }
    Ok(Page::of(found, limit, |last| Place {
        since: last.since,
        record: last.record_id,
    }))
}

/// Has a parked record looked for now.
#[derive(Clone, Copy, Debug)]
pub struct RetryParked(pub Uuid);

/// A parked record is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RetriedRecord)]
pub struct RetriedParked {
    /// The record.
    pub record_id: Uuid,
    /// What became of the task that looks for it.
    pub became: Became,
}

impl Act for RetryParked {
    type Done = RetriedParked;
    type Error = OperatorError;

    fn what(&self) -> &'static str {
        "parked_record.retry"
    }

    fn subject(&self, _: &RetriedParked) -> String {
        self.0.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        world: &mut World,
        _: &mut Appends,
    ) -> Result<RetriedParked, OperatorError> {
        let parked = sqlx::query_scalar!(
            r#"select exists (select from parked_records where record_id = $1) as "parked!""#,
            self.0
        )
        .fetch_one(&mut *db)
        .await?;
        if !parked {
            return Err(OperatorError::NotParked(self.0));
        }
        let task = sqlx::query!(
            r#"select coalesce(lease_until > clock_timestamp(), false) as "in_hand!",
                      due_at <= clock_timestamp() as "due!"
               from tasks where kind = 'trace' and subject = $1 and generation = 1 for update"#,
            self.0
        )
        .fetch_optional(&mut *db)
        .await?;
        let became = match task {
            Some(task) if task.in_hand => Became::InHand,
            Some(task) if task.due => Became::DueBefore,
            Some(_) => {
                make_due(db, TaskKind::Trace.name(), self.0, 1).await?;
                Became::Due
            }
            // Its task was lost: a record must not lie here with nobody looking.
            None => {
                world.add_task(Task {
                    key: TaskKey {
                        kind: TaskKind::Trace,
                        subject: self.0,
                        generation: 1,
                    },
                    booking: None,
                    due_at: world.now,
                    detail: None,
                });
                Became::Due
            }
        };
        Ok(RetriedParked {
            record_id: self.0,
            became,
        })
    }
}

//! Open tasks: what is to be done, when, and how often it was tried.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::task::TaskKind;
use boxoffice_turn::TurnError;
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::story::words;

/// A task that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct OpenTask {
    /// Its kind.
    pub kind: String,
    /// What it is about: a payment, a refund, a booking, a message.
    pub subject: Uuid,
    /// Which go at it, from 1.
    pub generation: i32,
    /// Not before.
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
    /// A worker has it in hand, until then at most.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub in_hand_until: Option<OffsetDateTime>,
    /// How often it was tried.
    pub tries: i32,
    /// What its latest try was answered, in short; null: it was not tried, or the answer was lost, or it calls
    /// nobody.
    #[schema(required)]
    pub last_answer: Option<String>,
    /// What it is to do, for people.
    pub said: String,
    #[serde(skip)]
    pub(crate) booking: Option<Uuid>,
}

/// The open tasks of these bookings, in the order in which they are due.
pub(super) async fn of_bookings(
    db: &mut PgConnection,
    bookings: &[BookingId],
) -> Result<Vec<OpenTask>, TurnError> {
    let ids: Vec<Uuid> = bookings.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"select t.kind, t.subject, t.generation, t.booking_id, t.due_at, t.attempts as tries,
                  case when t.lease_until > clock_timestamp() then t.lease_until end as in_hand_until,
                  latest.answer as "last_answer?"
           from tasks t
           left join lateral (
               select a.answer from attempts a
               where a.kind = t.kind and a.subject = t.subject and a.generation = t.generation
               order by a.attempt desc limit 1
           ) latest on true
           where t.booking_id = any($1)
           order by t.due_at, t.kind, t.subject"#,
        &ids,
    )
    .fetch_all(db)
    .await?;
    let tasks = rows.into_iter().map(|row| OpenTask {
        said: TaskKind::from_name(&row.kind).map_or_else(
            || "unknown to this build".to_owned(),
            |kind| words::task(kind).to_owned(),
        ),
        kind: row.kind,
        subject: row.subject,
        generation: row.generation,
        due_at: row.due_at,
        in_hand_until: row.in_hand_until,
        tries: row.tries,
        last_answer: row.last_answer,
        booking: row.booking_id,
    });
    Ok(tasks.collect())
}

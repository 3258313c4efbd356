//! Making what waits due now.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_turn::{Appends, TurnError};
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::act::Act;
use super::error::OperatorError;

/// Makes a booking's open calls due now: whoever works on them tries again at once. What is in a worker's hands
/// stays there, and timers keep their time.
#[derive(Clone, Copy, Debug)]
pub struct RetryBooking(pub BookingId);

/// A booking's calls were made due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Retried {
    /// The booking.
    pub booking_id: BookingId,
    /// Its open tasks, and what became of each.
    pub tasks: Vec<RetriedTask>,
    /// How many items of the operators' list the booking has: a retry alone does not settle what waits for a person.
    pub with_person: i64,
}

/// A task, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RetriedTask {
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject: Uuid,
    /// Which go at it.
    pub generation: i32,
    /// How often it was tried before.
    pub tries: i32,
    /// When it was due.
    #[serde(with = "time::serde::rfc3339")]
    pub was_due_at: OffsetDateTime,
    /// What became of it.
    pub became: Became,
}

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It is due now.
    Due,
    /// It was due already; if it stays so, no worker of its kind is running.
    DueBefore,
    /// A worker has it in hand.
    InHand,
    /// It is a timer, and keeps its time.
    Timer,
}

/// Whether a task may be done before its time: a call may, a clock may not.
const fn may_be_hurried(kind: TaskKind) -> bool {
    match kind {
        TaskKind::Verify
        | TaskKind::Void
        | TaskKind::Capture
        | TaskKind::Trace
        | TaskKind::Refund
        | TaskKind::MassRefund
        | TaskKind::CancelBooking
        | TaskKind::Mail
        | TaskKind::Sms
        | TaskKind::Push => true,
        // Before its time it would warn of an end that is not near; the pages of a show pace each other.
        TaskKind::HoldTimer | TaskKind::CancelShow => false,
    }
}

impl Act for RetryBooking {
    type Done = Retried;
    type Error = OperatorError;

    fn what(&self) -> &'static str {
        "booking.retry"
    }

    fn subject(&self, _: &Retried) -> String {
        self.0.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<Retried, OperatorError> {
        let known = sqlx::query_scalar!(
            r#"select exists (select from bookings where booking_id = $1) as "known!""#,
            self.0.uuid()
        )
        .fetch_one(&mut *db)
        .await?;
        if !known {
            return Err(OperatorError::UnknownBooking(self.0));
        }
        let rows = sqlx::query!(
            r#"select kind, subject, generation, attempts as tries, due_at,
                      coalesce(lease_until > clock_timestamp(), false) as "in_hand!",
                      due_at <= clock_timestamp() as "due!"
               from tasks where booking_id = $1 order by kind, subject, generation for update"#,
            self.0.uuid()
        )
        .fetch_all(&mut *db)
        .await?;
        let mut tasks = Vec::with_capacity(rows.len());
        for row in rows {
            let hurried = TaskKind::from_name(&row.kind).is_some_and(may_be_hurried);
            let became = match (row.in_hand, row.due, hurried) {
                (true, ..) => Became::InHand,
                (_, true, _) => Became::DueBefore,
                (_, _, true) => Became::Due,
                (_, _, false) => Became::Timer,
            };
            if became == Became::Due {
                make_due(db, &row.kind, row.subject, row.generation).await?;
            }
            tasks.push(RetriedTask {
                kind: row.kind,
                subject: row.subject,
                generation: row.generation,
                tries: row.tries,
                was_due_at: row.due_at,
                became,
            });
        }
        let with_person = sqlx::query_scalar!(
            r#"select count(*) as "count!" from attention where booking_id = $1 and closed_at is null"#,
            self.0.uuid()
        )
        .fetch_one(db)
        .await?;
        Ok(Retried {
            booking_id: self.0,
            tasks,
            with_person,
        })
    }
}

/// Sets a locked task that nobody has in hand to now.
pub(super) async fn make_due(
    db: &mut PgConnection,
    kind: &str,
    subject: Uuid,
    generation: i32,
) -> Result<(), TurnError> {
    sqlx::query!(
        "update tasks set due_at = clock_timestamp()
         where kind = $1 and subject = $2 and generation = $3",
        kind,
        subject,
        generation,
    )
    .execute(db)
    .await?;
    Ok(())
}

//! The cursor: one row per database, held by a lease with an epoch.

use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::run::RelayError;
use crate::window::{Marked, Snapshot};

/// How long a lease lasts without being renewed. Every persisted step renews it.
pub const LEASE: Duration = Duration::from_secs(10);

/// The cursor, as this process holds it.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// Everything that this snapshot saw is published.
    pub s1: Marked,
    /// The end of the window in hand, if there is one, and the last position drawn before it was taken.
    pub s2: Option<(Snapshot, i64)>,
    /// The last published position of the window in hand; 0 at its beginning.
    pub last_position: i64,
    epoch: i64,
    /// By our own monotonic clock, taken before the query that renewed the lease was sent: a process that was
    /// stopped finds out before it publishes anything more.
    good_until: Instant,
}

impl Cursor {
    /// Takes the cursor over if nobody holds it. `None`: somebody does.
    pub async fn take(pool: &PgPool) -> Result<Option<Self>, RelayError> {
        let good_until = Instant::now() + LEASE;
        let (system, timeline) = identity(pool).await?;
        sqlx::query!(
            "insert into relay_cursor (s1, s1_drawn, s1_floors, system_identifier, timeline)
             values ('1:1:'::pg_snapshot, 0, '{}', $1, $2) on conflict do nothing",
            system,
            timeline,
        )
        .execute(pool)
        .await?;
        let row = sqlx::query!(
            r#"update relay_cursor
               set epoch = epoch + 1, lease_until = clock_timestamp() + make_interval(secs => $1),
                   updated_at = clock_timestamp()
               where lease_until is null or lease_until < clock_timestamp()
               returning s1::text as "s1!", s1_drawn, s1_floors, s2::text as "s2", s2_drawn, last_position, epoch,
                         system_identifier, timeline"#,
            LEASE.as_secs_f64(),
        )
        .fetch_optional(pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if row.system_identifier != system {
            return Err(RelayError::OtherDatabase { known: row.system_identifier, found: system });
        }
        if row.timeline != timeline {
            // A failover or a restore: ids and cursor go on, but what the lost tail published may never have
            // been committed here.
            tracing::error!(
                known = row.timeline, found = timeline,
                "the database is on another timeline: events may have been published whose transactions are lost"
            );
            sqlx::query!("update relay_cursor set timeline = $1", timeline).execute(pool).await?;
        }
        let read = |text: &str| text.parse().map_err(|_| RelayError::Cursor(text.to_owned()));
        let s2 = match (row.s2.as_deref(), row.s2_drawn) {
            (Some(s2), Some(drawn)) => Some((read(s2)?, drawn)),
            _ => None,
        };
        Ok(Some(Self {
            s1: Marked { snapshot: read(&row.s1)?, drawn: row.s1_drawn, floors: row.s1_floors },
            s2,
            last_position: row.last_position,
            epoch: row.epoch,
            good_until,
        }))
    }

    /// Whether we may still publish: a margin before the lease ends, by our own clock.
    pub fn holds(&self) -> bool {
        Instant::now() + LEASE / 4 < self.good_until
    }

    /// Writes the cursor down and renews the lease.
    ///
    /// # Errors
    /// [`RelayError::Lost`] if somebody else has it by now.
    pub async fn persist(&mut self, pool: &PgPool) -> Result<(), RelayError> {
        let good_until = Instant::now() + LEASE;
        let done = sqlx::query!(
            "update relay_cursor
             set s1 = $2::text::pg_snapshot, s1_drawn = $3, s1_floors = $4, s2 = $5::text::pg_snapshot,
                 s2_drawn = $6, last_position = $7,
                 lease_until = clock_timestamp() + make_interval(secs => $8), updated_at = clock_timestamp()
             where epoch = $1",
            self.epoch,
            self.s1.snapshot.to_string(),
            self.s1.drawn,
            &self.s1.floors,
            self.s2.as_ref().map(|(snapshot, _)| snapshot.to_string()),
            self.s2.as_ref().map(|(_, drawn)| *drawn),
            self.last_position,
            LEASE.as_secs_f64(),
        )
        .execute(pool)
        .await?;
        if done.rows_affected() == 0 {
            return Err(RelayError::Lost);
        }
        self.good_until = good_until;
        Ok(())
    }

    /// Gives the cursor up, so that the next relay need not wait for the lease to end.
    pub async fn release(&self, pool: &PgPool) -> Result<(), RelayError> {
        sqlx::query!("update relay_cursor set lease_until = null where epoch = $1", self.epoch).execute(pool).await?;
        Ok(())
    }
}

/// Which database this is, and on which timeline.
pub async fn identity(pool: &PgPool) -> Result<(i64, i32), RelayError> {
    let row = sqlx::query!(
        r#"select s.system_identifier as "system!", c.timeline_id as "timeline!",
                  pg_is_in_recovery() as "standby!"
           from pg_control_system() s, pg_control_checkpoint() c"#
    )
    .fetch_one(pool)
    .await?;
    if row.standby { Err(RelayError::Standby) } else { Ok((row.system, row.timeline)) }
}

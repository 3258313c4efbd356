//! The cursor: one row per database, held by a lease with an epoch.
//!
//! Every change is compared with the epoch and renews the lease. Each is a transaction of our own with an id,
//! which is what the lower bounds of [`crate::window`] rest on; none writes to the outbox.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use crate::progress::Progress;
use crate::stop::{RelayError, Stop};
use crate::window::{Frontier, Snapshot, Window};

/// The cursor, as this process holds it.
pub(crate) struct Cursor {
    pub db: PgConnection,
    pub epoch: i64,
    lease: Duration,
    /// Measured by our own monotonic clock from before the renewal was sent: a process that was stopped learns
    /// here that it may publish nothing more.
    deadline: Instant,
    progress: Progress,
}

/// What came of asking for the cursor.
pub(crate) enum Claim {
    Ours(Box<Cursor>),
    Taken(PgConnection),
}

/// A database that does not answer is as good as gone.
pub(crate) async fn answered<T>(
    within: Duration,
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Stop> {
    Ok(tokio::time::timeout(within, query)
        .await
        .map_err(|_| Stop::Silent)??)
}

/// A new sequence says 1 before it has drawn anything.
async fn last_drawn(db: &mut PgConnection, lease: Duration) -> Result<i64, Stop> {
    let drawn = sqlx::query_scalar!(
        r#"select case when is_called then last_value else 0 end as "drawn!" from outbox_position"#
    );
    answered(lease, drawn.fetch_one(db)).await
}

/// The server's identity and its timeline: that of the log it writes now, for `pg_control_checkpoint()` tells
/// of a failover only after the next checkpoint.
pub(crate) async fn identity(db: &mut PgConnection) -> Result<Option<(i64, i32)>, sqlx::Error> {
    let standby = sqlx::query_scalar!(r#"select pg_is_in_recovery() as "standby!""#)
        .fetch_one(&mut *db)
        .await?;
    if standby {
        return Ok(None);
    }
    let found = sqlx::query!(
        r#"select system_identifier as "system!",
                  ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int as "timeline!"
           from pg_control_system()"#
    );
    let found = found.fetch_one(db).await?;
    Ok(Some((found.system, found.timeline)))
}

impl Cursor {
    /// Takes the cursor if nobody holds it.
    pub async fn claim(mut db: PgConnection, lease: Duration) -> Result<Claim, Stop> {
        let (system, timeline) = answered(lease, identity(&mut db))
            .await?
            .ok_or(Stop::Standby)?;
        let make = sqlx::query!(
            "insert into relay_cursor (s1, s1_drawn, s1_floors, system_identifier, timeline)
             select '1:1:', 0, '{}', $1, $2 where not exists (select from relay_cursor)
             on conflict do nothing",
            system,
            timeline,
        );
        answered(lease, make.execute(&mut db)).await?;
        let known = sqlx::query!("select system_identifier, timeline from relay_cursor");
        let known = answered(lease, known.fetch_one(&mut db)).await?;
        if known.system_identifier != system {
            return Err(RelayError::OtherSystem {
                known: known.system_identifier,
                found: system,
            }
            .into());
        }
        // Read before the commit that witnesses it.
        let drawn = last_drawn(&mut db, lease).await?;
        let deadline = Instant::now() + lease;
        let take = sqlx::query!(
            r#"update relay_cursor
               set epoch = epoch + 1, lease_until = clock_timestamp() + make_interval(secs => $1), timeline = $2,
                   updated_at = clock_timestamp()
               where system_identifier = $3 and (lease_until is null or lease_until < clock_timestamp())
               returning epoch, s1::text as "s1!", s1_drawn, s1_floors, s2::text, s2_drawn, last_position"#,
            lease.as_secs_f64(),
            timeline,
            system,
        );
        let Some(row) = answered(lease, take.fetch_optional(&mut db)).await? else {
            return Ok(Claim::Taken(db));
        };
        if known.timeline != timeline {
            metrics::counter!(crate::metric::TIMELINES).increment(1);
            tracing::error!(
                known = known.timeline,
                found = timeline,
                "the database is on another timeline (failover, or restored to a point in time): the relay goes on, \
                 but events may have been published whose transactions are lost"
            );
        }
        let from = Frontier {
            snapshot: row.s1.parse()?,
            drawn: row.s1_drawn,
            floors: row.s1_floors,
        };
        let window = match (row.s2, row.s2_drawn) {
            (Some(s2), Some(drawn)) => Some(Window::new(&from, s2.parse()?, drawn)),
            _ => None,
        };
        Ok(Claim::Ours(Box::new(Self {
            db,
            epoch: row.epoch,
            lease,
            deadline,
            progress: Progress::claimed(from, window, row.last_position, drawn),
        })))
    }

    /// Whether the lease may still be ours for the time that a page takes to be enqueued.
    pub fn is_held(&self) -> bool {
        Instant::now() + self.lease / 10 < self.deadline
    }

    /// Whether it is time to renew the lease.
    pub fn is_due(&self) -> bool {
        Instant::now() + self.lease * 2 / 3 > self.deadline
    }

    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// The window in hand, and where in it to go on.
    pub fn window(&self) -> Option<(&Window, i64)> {
        self.progress.window()
    }

    /// At or below this position everything is published.
    pub fn floor(&self) -> i64 {
        self.progress.floor()
    }

    /// Positions drawn since this one.
    pub const fn drawn_since(&self, position: i64) -> i64 {
        self.progress.drawn_since(position)
    }

    /// Looks whether there may be anything to publish. A read of one row, no table.
    pub async fn look(&mut self) -> Result<bool, Stop> {
        let look = sqlx::query!(
            r#"select case when is_called then last_value else 0 end as "drawn!",
                      pg_current_snapshot()::text as "snapshot!"
               from outbox_position"#
        );
        let row = answered(self.lease, look.fetch_one(&mut self.db)).await?;
        let now: Snapshot = row.snapshot.parse()?;
        Ok(self.progress.looked(row.drawn, &now))
    }

    /// Takes S2 and writes it down. What is read afterwards sees at least as much.
    pub async fn open(&mut self) -> Result<(), Stop> {
        let drawn = self.progress.drawn();
        let deadline = Instant::now() + self.lease;
        let open = sqlx::query_scalar!(
            r#"update relay_cursor
               set s2 = pg_current_snapshot(), s2_drawn = $2, last_position = 0,
                   lease_until = clock_timestamp() + make_interval(secs => $3), updated_at = clock_timestamp()
               where epoch = $1
               returning s2::text as "s2!""#,
            self.epoch,
            drawn,
            self.lease.as_secs_f64(),
        );
        let s2 = answered(self.lease, open.fetch_optional(&mut self.db)).await?;
        let s2 = s2.ok_or(Stop::LeaseLost)?.parse()?;
        self.deadline = deadline;
        self.progress.opened(s2, drawn);
        Ok(())
    }

    /// Of the window in hand, everything up to this position is published.
    pub async fn advance(&mut self, position: i64) -> Result<(), Stop> {
        let deadline = Instant::now() + self.lease;
        let advance = sqlx::query!(
            "update relay_cursor
             set last_position = $2, lease_until = clock_timestamp() + make_interval(secs => $3),
                 updated_at = clock_timestamp()
             where epoch = $1",
            self.epoch,
            position,
            self.lease.as_secs_f64(),
        );
        let done = answered(self.lease, advance.execute(&mut self.db)).await?;
        self.ours(deadline, done.rows_affected() == 1)?;
        self.progress.advanced(position);
        Ok(())
    }

    /// The window in hand is published: S2 takes S1's place.
    pub async fn finish(&mut self) -> Result<(), Stop> {
        let Some(from) = self.progress.finishes_at() else {
            return Ok(());
        };
        let deadline = Instant::now() + self.lease;
        let finish = sqlx::query!(
            "update relay_cursor
             set s1 = $2::text::pg_snapshot, s1_drawn = $3, s1_floors = $4, s2 = null, s2_drawn = null,
                 last_position = 0, lease_until = clock_timestamp() + make_interval(secs => $5),
                 updated_at = clock_timestamp()
             where epoch = $1",
            self.epoch,
            from.snapshot.to_string(),
            from.drawn,
            &from.floors,
            self.lease.as_secs_f64(),
        );
        let done = answered(self.lease, finish.execute(&mut self.db)).await?;
        self.ours(deadline, done.rows_affected() == 1)?;
        self.progress.finished();
        Ok(())
    }

    /// Keeps the cursor for another lease.
    pub async fn renew(&mut self) -> Result<(), Stop> {
        let seen = last_drawn(&mut self.db, self.lease).await?;
        self.progress.saw(seen);
        let deadline = Instant::now() + self.lease;
        let renew = sqlx::query!(
            "update relay_cursor
             set lease_until = clock_timestamp() + make_interval(secs => $2), updated_at = clock_timestamp()
             where epoch = $1",
            self.epoch,
            self.lease.as_secs_f64(),
        );
        let done = answered(self.lease, renew.execute(&mut self.db)).await?;
        self.ours(deadline, done.rows_affected() == 1)?;
        self.progress.committed();
        Ok(())
    }

    /// Gives the cursor up, so that nobody has to wait for the lease to end. What cannot be said is left.
    pub async fn release(mut self) {
        let release = sqlx::query!(
            "update relay_cursor set lease_until = null where epoch = $1",
            self.epoch
        );
        let within = Duration::from_secs(1);
        if let Err(error) = answered(within, release.execute(&mut self.db)).await {
            tracing::debug!(%error, "the relay's lease is left to end by itself");
        }
    }

    fn ours(&mut self, deadline: Instant, ours: bool) -> Result<(), Stop> {
        if !ours {
            return Err(Stop::LeaseLost);
        }
        self.deadline = deadline;
        Ok(())
    }
}

/// Whether the cursor could be had.
pub(crate) async fn is_free(db: &mut PgConnection, within: Duration) -> Result<bool, Stop> {
    let free = sqlx::query_scalar!(
        r#"select coalesce(bool_or(lease_until is null or lease_until < clock_timestamp()), true) as "free!"
           from relay_cursor"#
    );
    answered(within, free.fetch_one(db)).await
}

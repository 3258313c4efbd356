//! How far the check has come: one row, held by a lease.

use std::time::Duration;

use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use time::OffsetDateTime;
use uuid::Uuid;

/// Where the holder of the lease goes on.
#[derive(Clone, Debug)]
pub struct Place {
    now: OffsetDateTime,
    /// Evaluated up to this entry of the journal.
    pub journal: i64,
    /// Everything up to this entry that will ever be visible is.
    pub safe_journal: i64,
    /// Summed up to this entry of the ledger.
    pub ledger: i64,
    /// As for the journal.
    pub safe_ledger: i64,
    /// The last booking of the round.
    pub round: Option<Uuid>,
    events_at: Option<OffsetDateTime>,
}

impl Place {
    /// Whether the retained events are to be looked through again.
    pub fn events_due(&self, every: Duration) -> bool {
        self.events_at.is_none_or(|at| self.now - at >= every)
    }
}

/// Takes or keeps the lease. `None`: it is another's.
pub async fn hold(
    store: &PgStore,
    lease: Uuid,
    how_long: Duration,
) -> Result<Option<Place>, TurnError> {
    // A mark is safe once all transactions up to the one that made it have ended.
    let row = sqlx::query!(
        r#"update running_check
           set lease_token = $1, lease_until = clock_timestamp() + make_interval(secs => $2),
               updated_at = clock_timestamp()
           where lease_token = $1 or lease_until is null or lease_until < clock_timestamp()
           returning clock_timestamp() as "now!", journal_entry, ledger_entry, round_after, events_at,
                     marked_journal, marked_ledger,
                     coalesce(pg_snapshot_xmin(pg_current_snapshot()) > marked_xact, false) as "safe!""#,
        lease,
        how_long.as_secs_f64(),
    )
    .fetch_optional(store.pool())
    .await?;
    Ok(row.map(|row| {
        let upto = |marked: i64, done: i64| if row.safe { marked.max(done) } else { done };
        Place {
            now: row.now,
            journal: row.journal_entry,
            safe_journal: upto(row.marked_journal, row.journal_entry),
            ledger: row.ledger_entry,
            safe_ledger: upto(row.marked_ledger, row.ledger_entry),
            round: row.round_after,
            events_at: row.events_at,
        }
    }))
}

/// Gives the lease up.
pub async fn leave(store: &PgStore, lease: Uuid) -> Result<(), TurnError> {
    sqlx::query!(
        "update running_check set lease_token = null, lease_until = null where lease_token = $1",
        lease
    )
    .execute(store.pool())
    .await?;
    Ok(())
}

/// Makes a new mark, unless the last one is still to become safe: first what is drawn, and then, in another
/// transaction, an id.
pub async fn mark(store: &PgStore, lease: Uuid) -> Result<(), TurnError> {
    let drawn = sqlx::query!(
        r#"select (select case when is_called then last_value else 0 end from journal_entry_seq) as "journal!",
                  (select case when is_called then last_value else 0 end from ledger_entry_seq) as "ledger!""#
    )
    .fetch_one(store.pool())
    .await?;
    sqlx::query!(
        "update running_check
         set marked_journal = $2, marked_ledger = $3, marked_xact = pg_current_xact_id()
         where lease_token = $1
           and (marked_xact is null or pg_snapshot_xmin(pg_current_snapshot()) > marked_xact)",
        lease,
        drawn.journal,
        drawn.ledger,
    )
    .execute(store.pool())
    .await?;
    Ok(())
}

/// The page is evaluated.
pub async fn advance(
    store: &PgStore,
    lease: Uuid,
    journal: i64,
    round: Option<Uuid>,
) -> Result<(), TurnError> {
    sqlx::query!(
        "update running_check set journal_entry = $2, round_after = $3 where lease_token = $1",
        lease,
        journal,
        round,
    )
    .execute(store.pool())
    .await?;
    Ok(())
}

/// The retained events are looked through.
pub async fn events_seen(store: &PgStore, lease: Uuid) -> Result<(), TurnError> {
    sqlx::query!(
        "update running_check set events_at = clock_timestamp() where lease_token = $1",
        lease
    )
    .execute(store.pool())
    .await?;
    Ok(())
}

/// Adds the next page of the ledger to the sums, and moves the place in the same statement.
pub async fn follow_ledger(
    store: &PgStore,
    lease: Uuid,
    place: &Place,
    page: i64,
) -> Result<(), TurnError> {
    let upto = place.ledger.saturating_add(page).min(place.safe_ledger);
    if upto <= place.ledger {
        return Ok(());
    }
    sqlx::query!(
        "with moved as (
             update running_check set ledger_entry = $3
             where lease_token = $1 and ledger_entry = $2 returning ledger_entry
         ), page as (
             select currency, from_account, to_account, amount_minor from ledger where entry > $2 and entry <= $3
         )
         insert into running_sums (currency, account, balance_minor)
         select currency, account, sum(minor)
         from (select currency, to_account as account, amount_minor as minor from page
               union all select currency, from_account, -amount_minor from page) as both_sides
         where exists (select from moved)
         group by currency, account
         on conflict (currency, account) do update
         set balance_minor = running_sums.balance_minor + excluded.balance_minor",
        lease,
        place.ledger,
        upto,
    )
    .execute(store.pool())
    .await?;
    Ok(())
}

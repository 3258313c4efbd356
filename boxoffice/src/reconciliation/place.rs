//! How far each account is reconciled: a row, held by a lease.

use std::time::Duration;

use boxoffice_gateways::Window;
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Tally;

/// Where the holder of the lease goes on.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub now: OffsetDateTime,
    pub until: OffsetDateTime,
    /// How often the next window was walked in vain.
    pub tries: i32,
}

/// Takes or keeps the lease. `None`: it is another's. An account that is new begins `first` before now.
pub async fn hold(
    store: &PgStore,
    account: &GatewayAccount,
    lease: Uuid,
    how_long: Duration,
    first: Duration,
) -> Result<Option<Place>, TurnError> {
    let row = sqlx::query!(
        r#"insert into reconciliation as held (gateway, account, reconciled_until, lease_token, lease_until)
           values ($1, $2, clock_timestamp() - make_interval(secs => $5), $3,
                   clock_timestamp() + make_interval(secs => $4))
           on conflict (gateway, account) do update
           set lease_token = $3, lease_until = excluded.lease_until, updated_at = clock_timestamp()
           where held.lease_token = $3 or held.lease_until is null or held.lease_until < clock_timestamp()
           returning clock_timestamp() as "now!", reconciled_until, tries"#,
        account.gateway,
        account.account,
        lease,
        how_long.as_secs_f64(),
        first.as_secs_f64(),
    )
    .fetch_optional(store.pool())
    .await?;
    Ok(row.map(|row| Place {
        now: row.now,
        until: row.reconciled_until,
        tries: row.tries,
    }))
}

/// Gives the lease up.
pub async fn leave(
    store: &PgStore,
    account: &GatewayAccount,
    lease: Uuid,
) -> Result<(), TurnError> {
    sqlx::query!(
        "update reconciliation set lease_token = null, lease_until = null
         where gateway = $1 and account = $2 and lease_token = $3",
        account.gateway,
        account.account,
        lease,
    )
    .execute(store.pool())
    .await?;
    Ok(())
}

/// The next window was walked, and not everything was answered.
pub async fn tried(
    store: &PgStore,
    account: &GatewayAccount,
    lease: Uuid,
) -> Result<(), TurnError> {
    sqlx::query!(
        "update reconciliation set tries = tries + 1 where gateway = $1 and account = $2 and lease_token = $3",
        account.gateway,
        account.account,
        lease,
    )
    .execute(store.pool())
    .await?;
    Ok(())
}

/// A window is reconciled: the cursor moves, if the lease is still ours, and the report is kept for 30 days.
pub async fn reconciled(
    store: &PgStore,
    account: &GatewayAccount,
    lease: Uuid,
    window: &Window,
    tally: &Tally,
) -> Result<(), TurnError> {
    let moved = sqlx::query!(
        "update reconciliation set reconciled_until = $4, tries = 0, updated_at = clock_timestamp()
         where gateway = $1 and account = $2 and lease_token = $3",
        account.gateway,
        account.account,
        lease,
        window.until,
    )
    .execute(store.pool())
    .await?;
    if moved.rows_affected() == 1 {
        report(store, account, window, tally, false).await?;
    }
    Ok(())
}

/// Keeps what came of a window.
pub async fn report(
    store: &PgStore,
    account: &GatewayAccount,
    window: &Window,
    tally: &Tally,
    by_hand: bool,
) -> Result<(), TurnError> {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    sqlx::query!(
        "with old as (
             delete from reconciliation_windows
             where gateway = $1 and account = $2 and until < clock_timestamp() - interval '30 days'
               and finished_at < clock_timestamp() - interval '30 days'
         )
         insert into reconciliation_windows (gateway, account, since, until, by_hand, listed, matched, repaired,
             needs_person, not_ours, unanswered)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        account.gateway,
        account.account,
        window.since,
        window.until,
        by_hand,
        tally.listed,
        count(tally.matched),
        count(tally.repaired),
        count(tally.needs_person),
        count(tally.not_ours),
        count(tally.unanswered),
    )
    .execute(store.pool())
    .await?;
    Ok(())
}

/// What the worker has done of late.
#[derive(Clone, Debug, Serialize)]
pub struct Lately {
    /// Everything that happened at the gateway before is reconciled. None: the worker has not begun.
    #[serde(with = "time::serde::rfc3339::option")]
    pub reconciled_until: Option<OffsetDateTime>,
    /// How long ago that is, in seconds.
    pub behind_seconds: Option<f64>,
    /// Windows of the last 24 hours, with their sums.
    pub windows: i64,
    /// Payments of which both books say the same.
    pub matched: i64,
    /// Facts that were told through the door.
    pub repaired: i64,
    /// Payments that need a person.
    pub needs_person: i64,
}

/// Reads the last day's reports.
pub async fn lately(store: &PgStore, account: &GatewayAccount) -> Result<Lately, TurnError> {
    let place = sqlx::query!(
        r#"select reconciled_until,
                  extract(epoch from clock_timestamp() - reconciled_until)::float8 as "behind!"
           from reconciliation where gateway = $1 and account = $2"#,
        account.gateway,
        account.account,
    )
    .fetch_optional(store.pool())
    .await?;
    let sums = sqlx::query!(
        r#"select count(*) as "windows!", coalesce(sum(matched), 0)::bigint as "matched!",
                  coalesce(sum(repaired), 0)::bigint as "repaired!",
                  coalesce(sum(needs_person), 0)::bigint as "needs_person!"
           from reconciliation_windows
           where gateway = $1 and account = $2 and not by_hand
             and finished_at > clock_timestamp() - interval '1 day'"#,
        account.gateway,
        account.account,
    )
    .fetch_one(store.pool())
    .await?;
    Ok(Lately {
        reconciled_until: place.as_ref().map(|row| row.reconciled_until),
        behind_seconds: place.map(|row| row.behind),
        windows: sums.windows,
        matched: sums.matched,
        repaired: sums.repaired,
        needs_person: sums.needs_person,
    })
}

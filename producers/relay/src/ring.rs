//! The outbox's ring of tables: the one that is needed next is emptied once it is wholly published.

use sqlx::{AssertSqlSafe, PgPool};

use crate::run::{RelayError, drawn};

/// Each table holds 2^20 positions, and there are eight; see the migration.
const TABLE_BITS: u32 = 20;
const TABLES: i64 = 8;

/// Empties the table that writers will come to next but one, if everything in it is published, and all of it
/// an hour old. Otherwise it is left for the next time; writers only add to it then.
pub async fn maintain(pool: &PgPool, published_up_to: i64) -> Result<(), RelayError> {
    let last = drawn(pool).await?;
    let ahead = (last >> TABLE_BITS) + 2;
    let table = format!("outbox_{}", ahead & (TABLES - 1));
    // All names and numbers are ours.
    let left = format!(
        "select max(position) as newest,
                count(*) filter (where at > clock_timestamp() - interval '1 hour') as young from {table}"
    );
    let (newest, young): (Option<i64>, i64) = sqlx::query_as(AssertSqlSafe(left)).fetch_one(pool).await?;
    if newest.is_none_or(|newest| newest > published_up_to) || young > 0 {
        return Ok(());
    }
    #[expect(clippy::disallowed_methods, reason = "the lock's time-out holds for this truncation only")]
    let mut transaction = pool.begin().await?;
    sqlx::query("set local lock_timeout = '300ms'").execute(&mut *transaction).await?;
    sqlx::query(AssertSqlSafe(format!("truncate {table}"))).execute(&mut *transaction).await?;
    transaction.commit().await?;
    tracing::info!(table, "an outbox table is emptied: published and old");
    Ok(())
}

//! Emptying the tables of the outbox behind the cursor.
//!
//! The tables form a ring. One is emptied when everything in it is published and it is old, or when writers
//! will come to it soon. TRUNCATE locks that table only, and only who drew a position there long ago and has
//! not inserted it yet could be waiting for it; such a row comes after, and is published like any other. If a
//! table is not emptied in time, writers add to it: nothing is ever refused, it only grows.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection};

use crate::cursor::{Cursor, answered};
use crate::metric;
use crate::stop::Stop;

/// As the migration makes them: eight tables of 2^20 positions.
const TABLES: i64 = 8;
const POSITION_BITS: u32 = 20;
/// Tables that writers will come to next are emptied whatever their age.
const KEPT_READY: i64 = 2;
/// "lock not available".
const LOCK_TIMEOUT: &str = "55P03";

/// Empties what can be emptied. A table whose lock is not to be had at once is left for the next time.
pub(crate) async fn recycle(cursor: &mut Cursor, retention: Duration) -> Result<(), Stop> {
    let floor = cursor.floor();
    let lease = cursor.lease();
    // The newest row of each table; an empty one has none.
    let tables = sqlx::query!(
        r#"select slot as "slot!", newest.position as "position!",
                  extract(epoch from clock_timestamp() - newest.at)::float8 as "age!",
                  (select last_value from outbox_position) as "drawn!"
           from generate_series(0::bigint, 7) slot
           cross join lateral (
               select position, at from outbox where ((position >> 20) & 7) = slot order by position desc limit 1
           ) newest"#
    );
    for table in answered(lease, tables.fetch_all(&mut cursor.db)).await? {
        let ahead = (table.slot - (table.drawn >> POSITION_BITS)).rem_euclid(TABLES);
        let due = (1..=KEPT_READY).contains(&ahead) || table.age > retention.as_secs_f64();
        if due && table.position <= floor {
            match answered(lease, empty(cursor, table.slot, floor)).await {
                Ok(true) => {
                    metrics::counter!(metric::RECYCLED).increment(1);
                    tracing::info!(
                        table = table.slot,
                        up_to = table.position,
                        "a table of the outbox was emptied"
                    );
                }
                Ok(false) => {}
                Err(Stop::Database(sqlx::Error::Database(error)))
                    if error.code().as_deref() == Some(LOCK_TIMEOUT) =>
                {
                    tracing::debug!(
                        table = table.slot,
                        "a table of the outbox is in use, and left for later"
                    );
                }
                Err(stop) => return Err(stop),
            }
        }
    }
    Ok(())
}

/// Looks again under the lock: a straggler may have come, and the cursor may be another's and set back.
async fn empty(cursor: &mut Cursor, slot: i64, floor: i64) -> Result<bool, sqlx::Error> {
    let mut transaction = cursor.db.begin().await?;
    // The number is ours, from 0 to 7.
    let lock = format!(
        "set local lock_timeout = '50ms'; lock table only outbox_{slot} in access exclusive mode"
    );
    sqlx::raw_sql(AssertSqlSafe(lock))
        .execute(&mut *transaction)
        .await?;
    let free = sqlx::query_scalar!(
        r#"select exists (select from relay_cursor where epoch = $1)
              and not exists (select from outbox where ((position >> 20) & 7) = $2 and position > $3) as "free!""#,
        cursor.epoch,
        slot,
        floor,
    )
    .fetch_one(&mut *transaction)
    .await?;
    if free {
        sqlx::raw_sql(AssertSqlSafe(format!("truncate only outbox_{slot}")))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(free)
}

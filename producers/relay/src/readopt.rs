//! Taking over an outbox from another database system.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::cursor::identity;
use crate::stop::RelayError;

/// Makes this database's outbox ours after it came here from another system (dump and restore, or a major
/// upgrade), where transaction ids meant something else. All retained rows are published again. Writers must
/// be stopped; one that is not makes it fail within 5 s. Returns how many rows there are.
///
/// # Errors
/// [`RelayError::Readopt`]; nothing is changed then.
pub async fn readopt(database: PgConnectOptions) -> Result<u64, RelayError> {
    adopt(&database).await.map_err(RelayError::Readopt)
}

async fn adopt(database: &PgConnectOptions) -> Result<u64, sqlx::Error> {
    let mut db = database.connect().await?;
    let Some((system, timeline)) = identity(&mut db).await? else {
        return Err(sqlx::Error::Protocol(
            "the database is a standby".to_owned(),
        ));
    };
    let mut transaction = db.begin().await?;
    sqlx::raw_sql(
        "set local lock_timeout = '5s'; lock table outbox, relay_cursor in access exclusive mode",
    )
    .execute(&mut *transaction)
    .await?;
    let rows = sqlx::query!("update outbox set xact = pg_current_xact_id()")
        .execute(&mut *transaction)
        .await?;
    // A position must never be drawn twice.
    sqlx::query!(
        "select setval('outbox_position', p.position)
         from (select max(position) as position from outbox) p, outbox_position o where p.position >= o.last_value"
    )
    .fetch_optional(&mut *transaction)
    .await?;
    // A snapshot that has seen nothing; whoever still holds the cursor loses it.
    sqlx::query!(
        "insert into relay_cursor (s1, s1_drawn, s1_floors, system_identifier, timeline)
         values ('1:1:', 0, '{}', $1, $2)
         on conflict (only_one) do update
         set s1 = excluded.s1, s1_drawn = 0, s1_floors = '{}', s2 = null, s2_drawn = null, last_position = 0,
             epoch = relay_cursor.epoch + 1, lease_until = null, system_identifier = excluded.system_identifier,
             timeline = excluded.timeline, updated_at = clock_timestamp()",
        system,
        timeline,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    tracing::warn!(
        rows = rows.rows_affected(),
        "the outbox is re-adopted: all retained rows are published again"
    );
    Ok(rows.rows_affected())
}

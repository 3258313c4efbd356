//! Retention: forgets what only kept repetitions cheap.
//!
//! The inbox and the idempotency keys are filters. What keeps money right for ever are the rows of payments and refunds,
//! unique by what the gateway calls them: an event that comes again after the inbox has forgotten it is decided again, and
//! finds that nothing is left to do. Safe to run in many instances at once.

use std::time::Duration;

use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use tokio_util::sync::CancellationToken;

use crate::metric;

/// What is kept for how long.
#[derive(Clone, Copy, Debug)]
pub struct RetentionOptions {
    /// The pause between two looks.
    pub every: Duration,
    /// How long the inbox knows an event. Longer than any gateway goes on sending one.
    pub inbox: Duration,
    /// How long an `Idempotency-Key` gives the same answer.
    pub keys: Duration,
}

/// At most so many rows by one statement, so that nobody waits for its locks.
const PAGE: i64 = 1_000;
/// Between two statements: whoever has years to forget must not be in the way of those who book.
const BREATH: Duration = Duration::from_millis(100);

/// Forgets until `shutdown`. What fails is logged and tried again at the next look.
pub async fn run(store: PgStore, options: RetentionOptions, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(options.every) => {}
        }
        loop {
            match forget(&store, &options).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "what is too old could not be removed; it is tried again");
                    break;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(BREATH) => {}
            }
        }
    }
}

/// Removes a page of what is too old. `true`: there may be more.
///
/// # Errors
/// [`TurnError`]; trying again is safe.
pub async fn forget(store: &PgStore, options: &RetentionOptions) -> Result<bool, TurnError> {
    let events = sqlx::query!(
        "delete from inbox i
         using (select source, event_id from inbox
                where received_at < clock_timestamp() - make_interval(secs => $1)
                order by received_at limit $2 for update skip locked) as old
         where i.source = old.source and i.event_id = old.event_id",
        options.inbox.as_secs_f64(),
        PAGE,
    )
    .execute(store.pool())
    .await?
    .rows_affected();
    let keys = sqlx::query!(
        "delete from idempotency_keys k
         using (select user_id, route, key from idempotency_keys
                where created_at < clock_timestamp() - make_interval(secs => $1)
                order by created_at limit $2 for update skip locked) as old
         where k.user_id = old.user_id and k.route = old.route and k.key = old.key",
        options.keys.as_secs_f64(),
        PAGE,
    )
    .execute(store.pool())
    .await?
    .rows_affected();
    metrics::counter!(metric::FORGOTTEN, "table" => "inbox").increment(events);
    metrics::counter!(metric::FORGOTTEN, "table" => "idempotency_keys").increment(keys);
    Ok(events.max(keys) >= PAGE.unsigned_abs())
}

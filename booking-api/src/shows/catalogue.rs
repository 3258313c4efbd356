//! Shows and their terms, kept for a second: one reader per show, the rest wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use boxoffice_saga::booking::Terms;
use boxoffice_saga::identity::ShowId;
use futures::FutureExt;
use serde::Serialize;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::row::ShowRow;
use crate::gather::{Found, Gather, ReadFailed};

/// How long a show is believed to be as it was read.
const FRESH: Duration = Duration::from_secs(1);
/// Beyond so many remembered shows, those that are no longer fresh are forgotten.
const MOST: usize = 10_000;

/// Whether a show can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ShowStatus {
    /// Not yet; the public does not see it.
    Draft,
    /// Yes.
    OnSale,
    /// No more; its seats are blocked.
    Cancelled,
}

/// A show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// Its number.
    pub id: ShowId,
    /// The owner's name for it.
    pub external_ref: Option<String>,
    /// What people read.
    pub title: String,
    /// When it begins.
    pub starts_at: OffsetDateTime,
    /// Whether it can be bought.
    pub status: ShowStatus,
    /// When it was cancelled.
    pub cancelled_at: Option<OffsetDateTime>,
    /// When its seats were removed, because it was over.
    pub removed_at: Option<OffsetDateTime>,
    /// Under which rules.
    pub terms: Arc<Terms>,
}

/// When it was asked for, and what it was then.
type Remembered = (Instant, Option<Arc<Show>>);

/// All shows, read when they are asked for.
pub struct Catalogue {
    reads: Gather<ShowId, Arc<Show>>,
    fresh: Mutex<HashMap<ShowId, Remembered>>,
}

impl Catalogue {
    /// The shows of this database.
    pub fn new(db: PgPool) -> Self {
        let reads = Gather::new(500, 2, move |ids| read(db.clone(), ids).boxed());
        Self {
            reads,
            fresh: Mutex::default(),
        }
    }

    /// A show as it was at most a second ago; `None` if there is none, or it has never been on sale.
    ///
    /// # Errors
    /// [`ReadFailed`].
    pub(crate) async fn for_sale(&self, id: ShowId) -> Result<Option<Arc<Show>>, ReadFailed> {
        let show = match self.remembered(id) {
            Some(show) => show,
            None => {
                // The age counts from before the read.
                let asked = Instant::now();
                let show = self.reads.read(id).await?;
                self.remember(id, asked, show.clone());
                show
            }
        };
        Ok(show.filter(|show| show.status != ShowStatus::Draft))
    }

    fn remembered(&self, id: ShowId) -> Option<Option<Arc<Show>>> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh
            .get(&id)
            .filter(|(asked, _)| asked.elapsed() < FRESH)
            .map(|(_, show)| show.clone())
    }

    fn remember(&self, id: ShowId, asked: Instant, show: Option<Arc<Show>>) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh.len() >= MOST {
            fresh.retain(|_, (asked, _)| asked.elapsed() < FRESH);
        }
        fresh.insert(id, (asked, show));
    }
}

async fn read(db: PgPool, ids: Vec<ShowId>) -> Found<ShowId, Arc<Show>> {
    let ids: Vec<i64> = ids.into_iter().map(ShowId::as_i64).collect();
    let rows = sqlx::query_as!(
        ShowRow,
        "select show_id, external_ref, title, starts_at, status, currency, hold_ms, grace_ms, extension_ms,
                extension_limit_ms, warning_ms, seat_limit, cancel_until_ms, cancel_fee_bp, cancelled_at,
                removed_at
         from shows where show_id = any($1)",
        &ids,
    )
    .fetch_all(&db)
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let show = Show::try_from(row)?;
        found.insert(show.id, Arc::new(show));
    }
    Ok(found)
}

//! The running check: the promises, evaluated all the time.
//!
//! What is evaluated, a page at a time:
//!
//! * **What has changed.** Every change of the saga has a journal entry, so the journal is followed. Entries are drawn
//!   before their transactions commit, so "everything above the last one" would pass by what commits late. Hence a
//!   **mark**: the last drawn entries are read, and after that a transaction of our own takes an id. Who has a
//!   higher id drew it after the reading, and a turn has its id before it draws an entry (it locks rows first), so it
//!   draws above the mark. Once every transaction up to ours has ended, whatever stands at or below the mark and
//!   will ever be visible is. No clock is compared, and nobody's time-out is relied upon.
//! * **What waits for too long** changes nothing by waiting: open payments and refunds past their bounds.
//! * **The round**: every booking comes by in its turn, so that what was changed by hand is found as well.
//!
//! The ledger is followed under the same mark, for its sums. The order of the retained events is looked through
//! as a whole, less often.
//!
//! Cost is bounded: one page, then a pause of [`PAUSES`] times as long, or the interval when there is nothing new. One
//! process at a time, by a lease; one that was stopped and wakes does no harm, for evaluating is reading and a
//! finding is named once.

mod gauges;
pub mod metric;
mod place;
mod report;

use std::time::{Duration, Instant};

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::promises::Promise;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::{PgStore, Whose};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::events;
use super::finding::{Finding, Rule};
use gauges::Gauges;

/// A page is followed by a pause of so many times the time that it took: a fifth of one session, at most.
const PAUSES: u32 = 4;
/// But never so long that the lease would end.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Journal entries on a page.
const PAGE: i64 = 500;
/// Bookings that come by in their round, with each page.
const ROUND: i64 = 100;

/// How it runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Between two looks when nothing is new.
    pub interval: Duration,
    /// Between two looks through the retained events.
    pub events: Duration,
}

/// Runs until `stop`. Where the database does not answer it is asked again after the interval.
pub async fn run(store: PgStore, reading: PgStore, options: Options, stop: CancellationToken) {
    let mut check = Check {
        store,
        reading,
        options,
        lease: Uuid::new_v4(),
        gauges: Gauges::default(),
    };
    loop {
        let started = Instant::now();
        let pause = match check.page().await {
            Ok(true) => (started.elapsed() * PAUSES).min(LONGEST_PAUSE),
            Ok(false) => options.interval,
            Err(error) => {
                tracing::warn!(%error, "the promises cannot be evaluated now");
                options.interval
            }
        };
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            break;
        }
    }
    if let Err(error) = place::leave(&check.store, check.lease).await {
        tracing::debug!(%error, "the running check's lease is left to end by itself");
    }
}

struct Check {
    store: PgStore,
    reading: PgStore,
    options: Options,
    lease: Uuid,
    gauges: Gauges,
}

impl Check {
    /// One page. Whether there is more to do at once.
    async fn page(&mut self) -> Result<bool, TurnError> {
        // Long enough for a page and its pause, and for a database that is slow.
        let lease = self.options.interval * 4 + Duration::from_secs(30);
        let Some(place) = place::hold(&self.store, self.lease, lease).await? else {
            self.gauges.clear();
            return Ok(false);
        };
        let upto = place.journal.saturating_add(PAGE).min(place.safe_journal);
        let mut bookings = self.changed(place.journal, upto).await?;
        bookings.extend(self.waiting().await?);
        let round = self.round(place.round).await?;
        let round_after = round.last().map(|id| id.uuid());
        bookings.extend(round);
        bookings.sort_unstable();
        bookings.dedup();
        self.evaluate(&bookings).await?;
        place::follow_ledger(&self.store, self.lease, &place, PAGE).await?;
        if place.events_due(self.options.events) {
            let found = events::in_order(&self.reading).await?;
            report::whole(&self.store, Promise::Event1, &found).await?;
            place::events_seen(&self.store, self.lease).await?;
        }
        place::advance(&self.store, self.lease, upto, round_after).await?;
        let behind = upto < place.safe_journal || place.ledger + PAGE < place.safe_ledger;
        if !behind {
            place::mark(&self.store, self.lease).await?;
        }
        self.gauges.set(&self.store).await?;
        Ok(behind)
    }

    async fn changed(&self, after: i64, upto: i64) -> Result<Vec<BookingId>, TurnError> {
        if upto <= after {
            return Ok(Vec::new());
        }
        let ids = sqlx::query_scalar!(
            "select distinct booking_id from journal where entry > $1 and entry <= $2",
            after,
            upto
        )
        .fetch_all(self.reading.pool())
        .await?;
        bookings(ids)
    }

    /// The bookings of what has been open for longer than it may be, the oldest first.
    async fn waiting(&self) -> Result<Vec<BookingId>, TurnError> {
        let bound = boxoffice_saga::promises::LONGEST_UNDECIDED.as_seconds_f64();
        let ids = sqlx::query_scalar!(
            r#"select booking_id as "booking!" from (
                   (select booking_id from payments
                    where standing in ('OPEN', 'AUTHORISED', 'GIVING_UP')
                      and opened_at < clock_timestamp() - make_interval(secs => $1)
                    order by opened_at limit $2)
                   union all
                   (select booking_id from refunds
                    where standing in ('REQUESTED', 'UNDER_WAY', 'PENDING')
                      and requested_at < clock_timestamp() - make_interval(secs => $1)
                    order by requested_at limit $2)) as waiting"#,
            bound,
            ROUND
        )
        .fetch_all(self.reading.pool())
        .await?;
        bookings(ids)
    }

    /// The next bookings of the round; behind the last, the first again.
    async fn round(&self, after: Option<Uuid>) -> Result<Vec<BookingId>, TurnError> {
        let ids = sqlx::query_scalar!(
            "select booking_id from bookings where booking_id > $1 order by booking_id limit $2",
            after.unwrap_or(Uuid::nil()),
            ROUND
        )
        .fetch_all(self.reading.pool())
        .await?;
        bookings(ids)
    }

    async fn evaluate(&self, ids: &[BookingId]) -> Result<(), TurnError> {
        if ids.is_empty() {
            return Ok(());
        }
        let found = match self.findings(ids).await {
            // One row that makes no sense must not hide the others.
            Err(TurnError::Corrupt(_)) => self.one_by_one(ids).await?,
            found => found?,
        };
        metrics::counter!(metric::BOOKINGS).increment(u64::try_from(ids.len()).unwrap_or(0));
        report::over(&self.store, ids, &found).await
    }
}

impl Check {
    async fn findings(&self, ids: &[BookingId]) -> Result<Vec<Finding>, TurnError> {
        let record = self.reading.record(Whose::Bookings(ids)).await?;
        Ok(record.violations().into_iter().map(Finding::from).collect())
    }

    async fn one_by_one(&self, ids: &[BookingId]) -> Result<Vec<Finding>, TurnError> {
        let mut found = Vec::new();
        for id in ids {
            match self.findings(&[*id]).await {
                Ok(these) => found.extend(these),
                Err(TurnError::Corrupt(why)) => {
                    let what = format!("booking {id} cannot be read: {why}");
                    found.push(Finding::new(Rule::Rows, Some(*id), what));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

fn bookings(ids: Vec<Uuid>) -> Result<Vec<BookingId>, TurnError> {
    ids.into_iter()
        .map(|id| {
            BookingId::try_from(id)
                .map_err(|error| TurnError::Corrupt(format!("booking {id}: {error}")))
        })
        .collect()
}

/// How a finding begins on the operators' list, so that it can be told again by which promise it is.
fn heading(rule: Rule) -> String {
    format!("{}: ", rule.name())
}

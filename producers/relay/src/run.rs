//! Running the relay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use boxoffice_failpoints::{Failpoint, hit};
use boxoffice_producers::Producer;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cursor::{Claim, Cursor, answered, is_free};
use crate::metric;
use crate::options::RelayOptions;
use crate::page::Page;
use crate::progress::{Next, after_page};
use crate::publish::publish;
use crate::recycle::recycle;
use crate::stop::{RelayError, Stop};

/// Publishes the outbox until `shutdown`. `wake` is to be notified after commits of this process; what others
/// commit is found by looking. Of several relays for one database one publishes and the others wait for it.
///
/// Outages are waited for, and what Kafka refuses is tried again for ever.
///
/// # Errors
/// [`RelayError`]: what only a person can decide.
pub async fn run(
    options: RelayOptions,
    wake: Arc<Notify>,
    shutdown: CancellationToken,
) -> Result<(), RelayError> {
    let mut pauses = fresh_pauses();
    let mut singly = 0;
    loop {
        let mut progress = Progress { any: false, singly };
        let stop = match hold(&options, &wake, &shutdown, &mut progress).await {
            Ok(never) => match never {},
            Err(stop) => stop,
        };
        metrics::gauge!(metric::HOLDS_CURSOR).set(0.0);
        let reason = stop.name();
        let refused = matches!(&stop, Stop::Send { error, .. } if error.is_permanent());
        match stop {
            Stop::Shutdown => return Ok(()),
            Stop::Final(error) => return Err(error),
            stop if stop.needs_a_person() => {
                tracing::error!(error = %stop, reason, "the relay stands at this row and tries again; it passes none");
            }
            stop => {
                tracing::warn!(error = %stop, reason, "the relay starts again at its last position")
            }
        }
        metrics::counter!(metric::STOPS, "reason" => reason).increment(1);
        singly = if refused {
            options.page
        } else {
            progress.singly
        };
        if progress.any {
            pauses = fresh_pauses();
        }
        let pause = pauses.next().unwrap_or(Duration::from_secs(10));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

fn fresh_pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(10))
        .with_jitter()
        .without_max_times()
        .build()
}

enum Never {}

/// How a hold goes.
struct Progress {
    /// Whether anything was published, or found to be nothing.
    any: bool,
    /// So many records are still to be published one by one. A broker refuses whole batches, so after a refusal
    /// this finds the record that it is about, and gets everything before it out.
    singly: u16,
}

/// Waits for the cursor, and publishes for as long as it holds it and all goes well.
async fn hold(
    options: &RelayOptions,
    wake: &Notify,
    shutdown: &CancellationToken,
    progress: &mut Progress,
) -> Result<Never, Stop> {
    let db = answered(options.lease, options.session().connect()).await?;
    let mut cursor = claim(db, options, shutdown).await?;
    metrics::gauge!(metric::HOLDS_CURSOR).set(1.0);
    tracing::info!(epoch = cursor.epoch, "this relay publishes the outbox");
    let producer = Producer::new(&options.producer()).map_err(RelayError::Producer)?;
    let ended = windows(&mut cursor, &producer, options, wake, shutdown, progress).await;
    // Dropping it waits for its thread; and no two producers of ours are to be at work at a time.
    producer.purge();
    let _ = tokio::task::spawn_blocking(move || drop(producer)).await;
    cursor.release().await;
    ended
}

async fn claim(
    mut db: PgConnection,
    options: &RelayOptions,
    shutdown: &CancellationToken,
) -> Result<Box<Cursor>, Stop> {
    loop {
        match Cursor::claim(db, options.lease).await? {
            Claim::Ours(cursor) => return Ok(cursor),
            Claim::Taken(back) => db = back,
        }
        tracing::debug!("another relay publishes the outbox; waiting for it");
        while !is_free(&mut db, options.lease).await? {
            sleep(options.lease / 10, shutdown).await?;
        }
    }
}

async fn windows(
    cursor: &mut Cursor,
    producer: &Producer,
    options: &RelayOptions,
    wake: &Notify,
    shutdown: &CancellationToken,
    progress: &mut Progress,
) -> Result<Never, Stop> {
    let mut pause = options.shortest_pause;
    let mut opened: Option<Instant> = None;
    let mut recycled = Instant::now();
    loop {
        if shutdown.is_cancelled() {
            return Err(Stop::Shutdown);
        }
        if cursor.window().is_none() {
            if recycled.elapsed() >= options.recycle_every {
                recycle(cursor, options.retention).await?;
                recycled = Instant::now();
            }
            if !cursor.look().await? {
                metric::show_backlog(0, 0.0);
                if cursor.is_due() {
                    cursor.renew().await?;
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(options.longest_pause),
                    () = wake.notified() => pause = options.shortest_pause,
                    () = shutdown.cancelled() => return Err(Stop::Shutdown),
                }
                continue;
            }
            pause = options.shortest_pause;
            if let Some(gather) =
                opened.and_then(|opened| options.gather.checked_sub(opened.elapsed()))
            {
                sleep(gather, shutdown).await?;
            }
            hit(Failpoint::RelayBeforeWindow);
            cursor.open().await?;
            opened = Some(Instant::now());
            hit(Failpoint::RelayAfterWindow);
        }
        let limit = if progress.singly > 0 { 1 } else { options.page };
        one_page(cursor, producer, limit, options.drain, shutdown).await?;
        progress.singly = progress.singly.saturating_sub(1);
        progress.any = true;
    }
}

/// Publishes the next page of the window in hand and writes down that it did.
async fn one_page(
    cursor: &mut Cursor,
    producer: &Producer,
    limit: u16,
    drain: Duration,
    shutdown: &CancellationToken,
) -> Result<(), Stop> {
    let page = Page::read(cursor, limit).await?;
    if let (Some(first), Some(last)) = (page.rows.first(), page.rows.last()) {
        metric::show_backlog(cursor.drawn_since(first.position - 1), first.age_seconds);
        publish(cursor, producer, &page, drain, shutdown).await?;
        if let Next::Advance(position) = after_page(Some(last.position), page.has_more) {
            cursor.advance(position).await?;
            hit(Failpoint::RelayAfterCursor);
            return Ok(());
        }
    }
    cursor.finish().await?;
    metrics::counter!(metric::WINDOWS).increment(1);
    if !page.rows.is_empty() {
        hit(Failpoint::RelayAfterCursor);
    }
    Ok(())
}

async fn sleep(time: Duration, shutdown: &CancellationToken) -> Result<(), Stop> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        () = shutdown.cancelled() => Err(Stop::Shutdown),
    }
}

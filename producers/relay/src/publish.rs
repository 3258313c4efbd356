//! Publishing a page.

use std::time::Duration;

use boxoffice_failpoints::{Failpoint, hit};
use boxoffice_producers::{Delivery, OutgoingRecord, Producer, SendError};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::cursor::Cursor;
use crate::metric;
use crate::page::{Page, Row};
use crate::stop::Stop;

/// Enqueues the page's rows in order and waits for all acknowledgements, for as long as that takes; the lease
/// is kept meanwhile. If it ends early, the producer is purged, and the cursor stands behind the last row
/// before which everything was acknowledged.
pub(crate) async fn publish(
    cursor: &mut Cursor,
    producer: &Producer,
    page: &Page,
    drain: Duration,
    shutdown: &CancellationToken,
) -> Result<(), Stop> {
    hit(Failpoint::RelayBeforePublish);
    // Not even the first may go out when the cursor is somebody else's.
    if !cursor.is_held() {
        return Err(Stop::LeaseLost);
    }
    let mut acknowledged = 0;
    let (deliveries, refused) = enqueue(producer, &page.rows);
    let mut ended = await_all(cursor, page, deliveries, drain, shutdown, &mut acknowledged).await;
    if let (Ok(()), Some(stop)) = (&ended, refused) {
        ended = Err(stop);
    }
    metrics::counter!(metric::PUBLISHED).increment(u64::try_from(acknowledged).unwrap_or(0));
    let Err(stop) = ended else {
        hit(Failpoint::RelayAfterPublish);
        return Ok(());
    };
    // Nothing may arrive behind what the next start publishes.
    producer.purge();
    let last = acknowledged
        .checked_sub(1)
        .and_then(|nth| page.rows.get(nth));
    if let Some(row) = last
        && !matches!(stop, Stop::LeaseLost | Stop::Database(_) | Stop::Silent)
    {
        // Best effort: without it these are published again.
        let _ = cursor.advance(row.position).await;
    }
    Err(stop)
}

/// Up to the first row that is refused at once: nothing may follow it.
fn enqueue<'a>(producer: &Producer, rows: &'a [Row]) -> (Vec<(&'a Row, Delivery)>, Option<Stop>) {
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in rows {
        let headers = match row.headers() {
            Ok(headers) => headers,
            Err(stop) => return (deliveries, Some(stop)),
        };
        let record = OutgoingRecord {
            topic: &row.topic,
            key: row.key.as_bytes(),
            headers: &headers,
            payload: &row.payload,
        };
        match producer.send(record) {
            Ok(delivery) => deliveries.push((row, delivery)),
            Err(error) => return (deliveries, Some(failed(row, error))),
        }
    }
    (deliveries, None)
}

async fn await_all(
    cursor: &mut Cursor,
    page: &Page,
    deliveries: Vec<(&Row, Delivery)>,
    drain: Duration,
    shutdown: &CancellationToken,
    acknowledged: &mut usize,
) -> Result<(), Stop> {
    let started = Instant::now();
    let every = cursor.lease() / 4;
    let mut renewal = interval_at(started + every, every);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut give_up: Option<Instant> = None;
    for (row, mut delivery) in deliveries {
        loop {
            tokio::select! {
                biased;
                answer = &mut delivery => {
                    answer.map_err(|error| failed(row, error))?;
                    *acknowledged += 1;
                    break;
                }
                _ = renewal.tick() => {
                    cursor.renew().await?;
                    if let Some(first) = page.rows.first() {
                        let age = first.age_seconds + started.elapsed().as_secs_f64();
                        metric::show_backlog(cursor.drawn_since(first.position - 1), age);
                    }
                }
                () = shutdown.cancelled(), if give_up.is_none() => give_up = Some(Instant::now() + drain),
                () = sleep_until(give_up.unwrap_or(started)), if give_up.is_some() => return Err(Stop::Shutdown),
            }
        }
    }
    Ok(())
}

fn failed(row: &Row, error: SendError) -> Stop {
    Stop::Send {
        position: row.position,
        topic: row.topic.clone(),
        error,
    }
}

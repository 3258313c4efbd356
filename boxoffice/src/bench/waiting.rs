//! Clients who wait for their bookings to change: what each costs the instance that they wait at, and how fast they are woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::time::timeout;

use super::connection::Connection;
use super::crowd::Crowd;
use super::load::{Client, Held, empty, fresh_id, us};
use super::meter::resident_kib;
use super::report::{Figure, Level, Spread, Unit};
use super::rig::Rig;

/// How a client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It asks, and is answered when something has changed; or after a while, and asks again.
    LongPolls,
    /// It is sent every change.
    EventStreams,
}

impl How {
    const fn in_words(self) -> &'static str {
        match self {
            Self::LongPolls => "long polls",
            Self::EventStreams => "event streams",
        }
    }
}

/// So many clients come at a time: the backlog of a listener is finite.
const PORTION: usize = 256;
/// Connections through which bookings are changed.
const CHANGING: usize = 32;
/// How long being woken may take before this is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks whether everybody waits.
const STEP: Duration = Duration::from_millis(5);
/// What an instance needs to read what was sent last: nothing shows that it has.
const READ: Duration = Duration::from_secs(1);

/// One client for each of these bookings, all of them waiting at a fresh instance; then `rate` of them are changed a second,
/// through another.
///
/// # Errors
/// When a client is refused, or not woken within a minute after the last change.
pub async fn measure(rig: &Rig, held: Vec<Held>, how: How, rate: u32) -> anyhow::Result<Level> {
    // A process gives memory back when it ends, and not before.
    let (part, door) = rig.another_api().await?;
    let idle = resident_kib(part.pid())?;
    let mut clients = Crowd::new();
    let asked = Arc::new(AtomicUsize::new(0));
    for (nth, held) in held.iter().enumerate() {
        let (door, path, mine) = (door.clone(), held.status.clone(), asked.clone());
        clients.join(async move {
            let seen = match how {
                How::LongPolls => poll(&door, &path, &mine).await?,
                How::EventStreams => stream(&door, &path, &mine).await?,
            };
            Ok((nth, seen))
        });
        while asked.load(Ordering::Relaxed) + PORTION <= nth {
            clients.until(Instant::now() + STEP).await?;
        }
    }
    while asked.load(Ordering::Relaxed) < held.len() {
        clients.until(Instant::now() + STEP).await?;
    }
    clients.until(Instant::now() + READ).await?;
    let waiting = resident_kib(part.pid())?;

    let count = held.len();
    let mut changed = change(rig, held, rate).await?;
    let seen = timeout(PATIENCE, clients.all())
        .await
        .context("not everybody was woken within a minute")??;
    changed.sort_unstable();
    let mut woken = empty()?;
    for (nth, seen) in seen {
        let (_, changed) = changed.get(nth).context("a booking that was changed")?;
        woken.saturating_record(us(seen.saturating_duration_since(*changed)));
    }
    let more = waiting.saturating_sub(idle) * 1_024;
    Ok(Level {
        load: format!("{count} in {}, {rate} changes a second", how.in_words()),
        units: count,
        times_ms: vec![("changed → woken".to_owned(), Spread::of(&woken))],
        figures: vec![Figure::new(
            "memory of a waiting client",
            more as f64 / count.max(1) as f64,
            Unit::Bytes,
        )],
        resident_kib: Some(waiting),
        ..Level::default()
    })
}

/// Gives the bookings up, so many a second. Returns of each when its owner was told: it was committed by then.
async fn change(rig: &Rig, held: Vec<Held>, rate: u32) -> anyhow::Result<Vec<(usize, Instant)>> {
    let start = Instant::now();
    let (held, next) = (Arc::new(held), Arc::new(AtomicUsize::new(0)));
    let mut owners = Crowd::new();
    for nth in 0..CHANGING {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let (held, next) = (held.clone(), next.clone());
        owners.join(async move {
            let mut changed = Vec::new();
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let Some(held) = held.get(nth) else {
                    return Ok(changed);
                };
                let due = start + Duration::from_secs_f64(nth as f64 / f64::from(rate));
                tokio::time::sleep_until(due.into()).await;
                client.release(held).await?;
                changed.push((nth, Instant::now()));
            }
        });
    }
    Ok(owners.all().await?.into_iter().flatten().collect())
}

/// A client that asks, and asks again while nothing has changed. Returns when it was told of the change.
async fn poll(door: &str, path: &str, asked: &AtomicUsize) -> anyhow::Result<Instant> {
    let mut connection = Connection::open(door).await?;
    let answer = connection.ask("GET", path, "", b"").await?.expect(200)?;
    let mut tag = answer.tag.context("a status without a tag")?.to_owned();
    let path = format!("{path}&wait=25");
    let mut first = true;
    loop {
        let known = format!("if-none-match: {tag}\r\n");
        connection.send("GET", &path, &known, b"").await?;
        if std::mem::take(&mut first) {
            asked.fetch_add(1, Ordering::Relaxed);
        }
        let answer = connection.receive().await?;
        match (answer.status, answer.tag) {
            (304, Some(now)) => now.clone_into(&mut tag),
            _ => {
                answer.expect(200)?;
                return Ok(Instant::now());
            }
        }
    }
}

/// A client that is sent how its booking stands, and then the change.
async fn stream(door: &str, path: &str, asked: &AtomicUsize) -> anyhow::Result<Instant> {
    let mut connection = Connection::open(door).await?;
    let path = path.replacen('?', "/events?", 1);
    connection.send("GET", &path, "", b"").await?;
    connection.event("status").await?;
    asked.fetch_add(1, Ordering::Relaxed);
    connection.event("status").await?;
    Ok(Instant::now())
}

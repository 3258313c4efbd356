//! `flow`: hold two seats over HTTP, post the signed webhook, see `CONFIRMED` over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;

use super::crowd::Crowd;
use super::floor::Stands;
use super::load::{self, Client, Halls, Times, fresh_id};
use super::report::{Level, Report};
use super::rig::{Rig, Wanted, says};
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Flow {
    /// So many customers at a time, one after the other; a closed loop.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 256])]
    at_once: Vec<usize>,
    /// So many bookings a second instead, whatever becomes of them; an open loop.
    #[arg(long)]
    rate: Option<u32>,
    /// Measured for so many seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Before the first measurement everything runs for so many seconds unmeasured, and before the others for a fifth of
    /// that.
    #[arg(long, default_value_t = 40)]
    warm_up: u64,
    /// So many shows of 10,000 seats are on sale at a time.
    #[arg(long, default_value_t = load::SHOWS)]
    shows: usize,
    /// Shows which statements took most of PostgreSQL's time.
    #[arg(long)]
    statements: bool,
    /// So often, one after the other, each with the machine's own floor before it.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// The most bookings a second that seats are made ready for.
const MOST_PER_SECOND: usize = 9_000;
/// Connections of an open loop: as many bookings may be under way before the next one waits, and that counts.
const CONNECTIONS: usize = 512;

#[derive(Clone, Copy)]
enum Load {
    /// So many customers, one booking after the other.
    AtOnce(usize),
    /// So many bookings a second.
    Rate(u32),
}

impl Load {
    const fn most_per_second(self) -> usize {
        match self {
            Self::AtOnce(_) => MOST_PER_SECOND,
            Self::Rate(rate) => rate as usize,
        }
    }
}

/// Measures.
///
/// # Errors
/// When the system cannot be started, something on a booking's way is refused, or a promise is broken.
pub async fn run(flow: &Flow) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !flow.json,
        // An open loop goes through the end of a segment.
        properties: &[("log.segment.bytes", "67108864")],
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(flow, rig).await).await
}

async fn measure(flow: &Flow, rig: &Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("flow", Stands::Everything);
    let halls = Arc::new(Halls::of_holds(load::HOLD_MS, flow.shows)?);
    let mut warm_up = Duration::from_secs(flow.warm_up);
    let loads: Vec<Load> = match flow.rate {
        Some(rate) => vec![Load::Rate(rate)],
        None => flow.at_once.iter().copied().map(Load::AtOnce).collect(),
    };
    for load in std::iter::repeat_n(&loads, flow.rounds).flatten() {
        let seconds = Duration::from_secs(flow.seconds);
        let most = load.most_per_second() * (warm_up + seconds).as_secs() as usize;
        halls.make(&rig.stage, most).await?;
        let floor = rig.floor().await?;
        says(!flow.json, &floor.in_words());
        let mut level = match *load {
            Load::AtOnce(count) => {
                closed(rig, &halls, count, warm_up, seconds, flow.statements).await?
            }
            Load::Rate(rate) => open(rig, &halls, rate, warm_up, seconds).await?,
        };
        level.floor = floor;
        says(!flow.json, &level.in_words(report.stands));
        report.levels.push(level);
        warm_up = Duration::from_secs(flow.warm_up / 5);
    }
    report.audit = rig.audit().await?;
    Ok(report)
}

/// So many customers, each with the next booking as soon as the last one is confirmed.
///
/// # Errors
/// When something on a booking's way is refused.
pub async fn closed(
    rig: &Rig,
    halls: &Arc<Halls>,
    at_once: usize,
    warm_up: Duration,
    seconds: Duration,
    statements: bool,
) -> anyhow::Result<Level> {
    let mut crowd = Crowd::new();
    for nth in 0..at_once {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let (halls, gate) = (halls.clone(), crowd.gate());
        crowd.join(async move {
            let mut times = Times::new()?;
            while gate.is_open() {
                let counted = gate.counts();
                let took = client.book(&halls).await?;
                if counted && gate.is_open() {
                    took.record(&mut times, Duration::ZERO);
                }
            }
            Ok(times)
        });
    }
    let measured = crowd.measured(rig, None, warm_up, seconds).await?;
    let (before, after) = (&measured.before, &measured.after);
    let times = Times::of_all(&measured.said)?;
    let bookings = times.confirmed.len() as usize;
    if statements {
        eprint!("{}", before.heaviest(after));
    }
    Ok(Level::of(
        &format!("{at_once} at a time"),
        bookings,
        measured.took,
        &times,
        before.until(after, bookings),
        rig,
    ))
}

/// So many bookings a second, whatever becomes of them. Each counts from when it was to be begun, so that whoever had to
/// wait for a connection is not left out. Half-way a checkpoint is made.
async fn open(
    rig: &Rig,
    halls: &Arc<Halls>,
    rate: u32,
    warm_up: Duration,
    seconds: Duration,
) -> anyhow::Result<Level> {
    let start = Instant::now() + Duration::from_millis(500);
    let (counted, until) = (start + warm_up, start + warm_up + seconds);
    let next = Arc::new(AtomicU64::new(0));
    let mut crowd = Crowd::new();
    for nth in 0..CONNECTIONS {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let (halls, next) = (halls.clone(), next.clone());
        crowd.join(async move {
            let mut times = Times::new()?;
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let due = start + Duration::from_secs_f64(nth as f64 / f64::from(rate));
                if due >= until {
                    return Ok(times);
                }
                tokio::time::sleep_until(due.into()).await;
                let late = due.elapsed();
                let took = client.book(&halls).await?;
                if due >= counted {
                    took.record(&mut times, late);
                }
            }
        });
    }
    crowd.until(counted).await?;
    let before = rig.reading(&[]).await?;
    crowd.until(counted + seconds / 2).await?;
    sqlx::query("checkpoint")
        .execute(&rig.stage.database)
        .await?;
    let times = Times::of_all(&crowd.all().await?)?;
    let after = rig.reading(&[]).await?;
    let bookings = times.confirmed.len() as usize;
    let cost = before.until(&after, bookings);
    Ok(Level::of(
        &format!("{rate} a second"),
        bookings,
        seconds,
        &times,
        cost,
        rig,
    ))
}

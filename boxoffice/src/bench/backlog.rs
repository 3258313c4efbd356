//! `backlog`: the coordinator is stopped for a minute while payments go on coming, and then started. How fast does it
//! catch up?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use boxoffice_producers::topics::PAYMENTS_WEBHOOKS;
use clap::Args;
use hdrhistogram::Histogram;

use super::crowd::Crowd;
use super::floor::Stands;
use super::load::{Client, Halls, PRICE, empty, fresh_id, together, us};
use super::report::{Figure, Level, Report, Spread, Unit};
use super::rig::{BUT_COORDINATOR, Rig, Wanted, says};
use crate::extent;
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Backlog {
    /// So many payments a second arrive, before, during and after.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// The coordinator is away for so many seconds.
    #[arg(long, default_value_t = 60)]
    away: u64,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// How long catching up may take before this is given up.
const PATIENCE: Duration = Duration::from_secs(600);
/// What is under way at any moment is no backlog: so many milliseconds' worth.
const UNDER_WAY_MS: u32 = 500;
/// The pause between two looks at how much waits.
const STEP: Duration = Duration::from_millis(100);

/// Measures.
///
/// # Errors
/// When the system cannot be started, something is refused, or a promise is broken.
pub async fn run(backlog: &Backlog) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !backlog.json,
        roles: &BUT_COORDINATOR,
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(backlog, rig).await).await
}

async fn measure(backlog: &Backlog, rig: &Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("backlog", Stands::Everything);
    let floor = rig.floor().await?;
    says(!backlog.json, &floor.in_words());
    let halls = Arc::new(Halls::new()?);
    halls
        .make(
            &rig.stage,
            backlog.rate as usize * (backlog.away as usize * 4 + 60),
        )
        .await?;
    let mut crowd = customers(backlog, rig, &halls).await?;
    crowd
        .until(Instant::now() + Duration::from_secs(backlog.away))
        .await?;
    let waiting = behind(rig).await?;
    let before = rig.reading(&[]).await?;
    let since = Instant::now();
    let coordinator = rig.beside("coordinator", &[])?;
    let under_way = i64::from(backlog.rate * UNDER_WAY_MS / 1_000);
    let mut most = waiting;
    while {
        let behind = behind(rig).await?;
        most = most.max(behind);
        behind > under_way
    } {
        ensure!(
            since.elapsed() < PATIENCE,
            "it did not catch up within ten minutes"
        );
        crowd.until(Instant::now() + STEP).await?;
    }
    let took = since.elapsed();
    let after = rig.reading(&[&coordinator]).await?;
    let times = together(&crowd.end().await?)?;
    // What has come meanwhile was decided too.
    let decided = waiting as f64 + f64::from(backlog.rate) * took.as_secs_f64();
    let per_second = decided / took.as_secs_f64();
    let level = Level {
        load: format!("{} a second, away for {} s", backlog.rate, backlog.away),
        floor,
        units: decided as usize,
        per_second,
        times_ms: vec![("webhook acknowledged".to_owned(), Spread::of(&times))],
        figures: vec![
            Figure::time("caught up after", took),
            Figure::new(
                "decided, against the rate at which they came",
                per_second / f64::from(backlog.rate),
                Unit::Times,
            ),
            Figure::new("payments in all", times.len() as f64, Unit::Count),
            Figure::new("waited at most", most as f64, Unit::Count),
        ],
        cost: Some(before.until(&after, decided as usize)),
        ..Level::default()
    };
    says(!backlog.json, &level.in_words(report.stands));
    report.levels.push(level);
    report.audit = rig.audit().await?;
    Ok(report)
}

/// Holds and payments, whatever becomes of them.
async fn customers(
    backlog: &Backlog,
    rig: &Rig,
    halls: &Arc<Halls>,
) -> anyhow::Result<Crowd<Histogram<u64>>> {
    let start = Instant::now() + Duration::from_millis(500);
    let rate = f64::from(backlog.rate);
    let next = Arc::new(AtomicU64::new(0));
    let mut crowd = Crowd::new();
    for nth in 0..256 {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let (halls, next, gate) = (halls.clone(), next.clone(), crowd.gate());
        crowd.join(async move {
            let mut times = empty()?;
            while gate.is_open() {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let due = start + Duration::from_secs_f64(nth as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                let (show, seats) = halls.next().await?;
                let held = client.hold(show, &seats).await?;
                let since = Instant::now();
                client.webhook(&held, 2 * PRICE).await?;
                times.saturating_record(us(since.elapsed()));
            }
            Ok(times)
        });
    }
    Ok(crowd)
}

/// How many webhooks the coordinator has not come to.
async fn behind(rig: &Rig) -> anyhow::Result<i64> {
    let read: i64 = sqlx::query_scalar(
        "select coalesce(sum(next_offset), 0)::bigint from consumer_positions
         where consumer = 'coordinator' and topic = $1",
    )
    .bind(PAYMENTS_WEBHOOKS)
    .fetch_one(&rig.stage.database)
    .await?;
    let extent = extent::of(PAYMENTS_WEBHOOKS, &rig.ground.config.kafka.connection()).await;
    let extent = extent.map_err(|failure| anyhow::anyhow!(failure.in_one_line()))?;
    Ok(extent.values().map(|range| range.end).sum::<i64>() - read)
}

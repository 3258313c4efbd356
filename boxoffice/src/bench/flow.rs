//! `flow`: hold two seats over HTTP, post the signed webhook, see `CONFIRMED` over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinSet;

use super::load::{Client, Halls, Times};
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
    /// Shows which statements took most of PostgreSQL's time.
    #[arg(long)]
    statements: bool,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// The most bookings a second that seats are made ready for.
const MOST_PER_SECOND: usize = 9_000;

/// Measures.
///
/// # Errors
/// When the system cannot be started, something on a booking's way is refused, or a promise is broken.
pub async fn run(flow: &Flow) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !flow.json,
        ..Wanted::default()
    };
    let rig = Rig::start(&wanted).await?;
    let measured = measure(flow, &rig).await;
    let report = match measured {
        Ok(report) => Ok(report),
        Err(error) => Err(Failure::because("nothing was measured", error.as_ref())),
    };
    rig.stop().await?;
    report
}

async fn measure(flow: &Flow, rig: &Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("flow");
    let halls = Arc::new(Halls::new()?);
    let mut warm_up = Duration::from_secs(flow.warm_up);
    for at_once in &flow.at_once {
        let seconds = Duration::from_secs(flow.seconds);
        let most = (warm_up + seconds).as_secs() as usize * MOST_PER_SECOND;
        let since = Instant::now();
        halls.make(&rig.stage, most).await?;
        says(
            !flow.json,
            &format!(
                "seats are there after {:.1} s",
                since.elapsed().as_secs_f32()
            ),
        );
        let level = closed(rig, &halls, *at_once, warm_up, seconds, flow.statements).await?;
        says(!flow.json, &level.in_words());
        report.levels.push(level);
        warm_up = Duration::from_secs(flow.warm_up / 5);
    }
    report.audit = rig.audit().await?;
    Ok(report)
}

/// So many customers, each with the next booking as soon as the last one is confirmed.
async fn closed(
    rig: &Rig,
    halls: &Arc<Halls>,
    at_once: usize,
    warm_up: Duration,
    seconds: Duration,
    statements: bool,
) -> anyhow::Result<Level> {
    let (measuring, over) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut customers = JoinSet::new();
    for nth in 0..at_once {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let (halls, measuring, over) = (halls.clone(), measuring.clone(), over.clone());
        customers.spawn(async move {
            let mut times = Times::new()?;
            while !over.load(Ordering::Relaxed) {
                let counted = measuring.load(Ordering::Relaxed);
                let took = client.book(&halls).await?;
                if counted && !over.load(Ordering::Relaxed) {
                    took.record(&mut times, Duration::ZERO);
                }
            }
            anyhow::Ok(times)
        });
    }
    let failed = async {
        // Nobody ends before the time, unless something went wrong.
        while let Some(ended) = customers.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = failed => { ended?; anyhow::bail!("the customers went away") }
        () = tokio::time::sleep(warm_up) => {}
    }
    let before = rig.reading().await?;
    let since = Instant::now();
    measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(seconds).await;
    over.store(true, Ordering::Relaxed);
    let took = since.elapsed();
    let after = rig.reading().await?;
    let mut times = Times::new()?;
    while let Some(ended) = customers.join_next().await {
        times.add(&ended??)?;
    }
    let bookings = times.confirmed.len() as usize;
    if statements {
        for (share, ms, calls, text) in before.heaviest(&after, 25) {
            let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let text: String = text.chars().take(150).collect();
            eprintln!("{:5.1} % {ms:8.3} ms × {calls:7}  {text}", share * 100.0);
        }
    }
    Ok(Level::of(
        &format!("{at_once} at a time"),
        bookings,
        took,
        &times,
        before.until(&after, bookings),
        rig,
    ))
}

/// Unlike any other client's, of this run or an earlier one on the same servers.
fn fresh_id(nth: usize) -> u64 {
    u64::from(rand::random::<u16>()) * 1_000 + nth as u64 % 1_000
}

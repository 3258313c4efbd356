//! `ingest`: signed webhooks only. They name no booking of ours, and the coordinator stands still meanwhile; then it is
//! started, and takes note of all of them before the promises are evaluated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;

use super::bare;
use super::connection::Connection;
use super::crowd::Crowd;
use super::floor::Stands;
use super::load::{empty, fresh_id, host, together, us};
use super::meter::Cost;
use super::report::{Level, Report, Spread};
use super::rig::{Rig, Wanted, says};
use crate::demo::{Stage, clock};
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Ingest {
    /// Connections, each with one webhook after the other. With fewer they wait for round trips, and the machine for them.
    #[arg(long, default_value_t = 96)]
    at_once: usize,
    /// Measured for so many seconds, and before that for a quarter of them unmeasured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// So often, in alternation with a bare producer behind the same HTTP library.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Measures.
///
/// # Errors
/// When the system cannot be started, a webhook is refused, or a promise is broken.
pub async fn run(ingest: &Ingest) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !ingest.json,
        roles: &["ingress"],
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(ingest, rig).await).await
}

async fn measure(ingest: &Ingest, rig: &mut Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("ingest", Stands::HttpAndKafka);
    let ours = host(&rig.stage.target.ingress).to_owned();
    for _ in 0..ingest.rounds {
        let floor = rig.floor().await?;
        says(!ingest.json, &floor.in_words());
        let bare = {
            let (part, listen) = bare::start(rig).await?;
            let level = closed(ingest, rig, &listen, "bare producer", Some(part.pid())).await?;
            drop(part);
            level
        };
        let full = closed(ingest, rig, &ours, "as fast as can be", None).await?;
        let third = paced(ingest, rig, &ours, full.per_second / 3.0).await?;
        for mut level in [bare, full, third] {
            level.floor = floor;
            says(!ingest.json, &level.in_words(report.stands));
            report.levels.push(level);
        }
    }
    rig.all = None;
    rig.start_all()?;
    rig.ready().await?;
    report.audit = rig.audit().await?;
    Ok(report)
}

async fn closed(
    ingest: &Ingest,
    rig: &Rig,
    door: &str,
    load: &str,
    other: Option<u32>,
) -> anyhow::Result<Level> {
    let mut crowd = Crowd::new();
    for nth in 0..ingest.at_once {
        let mut sender = Sender::connect(&rig.stage, door, fresh_id(nth)).await?;
        let gate = crowd.gate();
        crowd.join(async move {
            let mut times = empty()?;
            while gate.is_open() {
                let since = Instant::now();
                sender.send().await?;
                if gate.counts() {
                    times.saturating_record(us(since.elapsed()));
                }
            }
            Ok(times)
        });
    }
    let seconds = Duration::from_secs(ingest.seconds);
    let measured = crowd.measured(rig, other, seconds / 4, seconds).await?;
    let times = together(&measured.said)?;
    let cost = measured.before.until(&measured.after, times.len() as usize);
    Ok(level(load, measured.took, &times, cost))
}

/// As many a second as asked for, whatever becomes of them: each counts from when it was to be sent.
async fn paced(ingest: &Ingest, rig: &Rig, door: &str, rate: f64) -> anyhow::Result<Level> {
    let start = Instant::now() + Duration::from_millis(200);
    let until = start + Duration::from_secs(ingest.seconds);
    let next = Arc::new(AtomicU64::new(0));
    let mut crowd = Crowd::new();
    for nth in 0..4 * ingest.at_once {
        let mut sender = Sender::connect(&rig.stage, door, fresh_id(nth)).await?;
        let next = next.clone();
        crowd.join(async move {
            let mut times = empty()?;
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let due = start + Duration::from_secs_f64(nth as f64 / rate);
                if due >= until {
                    return Ok(times);
                }
                tokio::time::sleep_until(due.into()).await;
                sender.send().await?;
                times.saturating_record(us(due.elapsed()));
            }
        });
    }
    let before = rig.reading(&[]).await?;
    let times = together(&crowd.all().await?)?;
    let took = start.elapsed();
    let after = rig.reading(&[]).await?;
    let cost = before.until(&after, times.len() as usize);
    Ok(level("a third of that", took, &times, cost))
}

fn level(load: &str, took: Duration, times: &Histogram<u64>, cost: Cost) -> Level {
    Level {
        load: load.to_owned(),
        units: times.len() as usize,
        per_second: times.len() as f64 / took.as_secs_f64(),
        times_ms: vec![("acknowledged".to_owned(), Spread::of(times))],
        cost: Some(cost),
        ..Level::default()
    }
}

/// A gateway's connection.
struct Sender {
    stage: Arc<Stage>,
    connection: Connection,
    id: u64,
    nth: u64,
}

impl Sender {
    async fn connect(stage: &Arc<Stage>, door: &str, id: u64) -> anyhow::Result<Self> {
        Ok(Self {
            stage: stage.clone(),
            connection: Connection::open(door).await?,
            id,
            nth: 0,
        })
    }

    /// One webhook that nobody has seen, about a payment that is not ours.
    async fn send(&mut self) -> anyhow::Result<()> {
        self.nth += 1;
        let body = super::load::paid("", &format!("{:08}{:010}", self.id, self.nth), 45_000);
        let now = clock().unix_timestamp();
        let headers = format!(
            "stripe-signature: {}\r\ncontent-type: application/json\r\n",
            self.stage.sign(now, body.as_bytes())
        );
        self.connection
            .ask("POST", "/webhooks/stripe", &headers, body.as_bytes())
            .await?
            .expect(200)?;
        Ok(())
    }
}

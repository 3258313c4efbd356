//! Waiting clients on one instance of the booking API, a process of its own: every client in a long poll for a
//! booking of its own, then every booking changed through another instance, so that each is woken by way of
//! PostgreSQL, the relay, Kafka and the follower.

use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use clap::Args;
use futures::StreamExt;
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::connection::Connection;
use super::meter::resident_kib;
use crate::demo::{Customer, Stage};
use crate::dev;
use crate::failure::Failure;
use crate::terminal;

/// How many clients wait, and how they are woken.
#[derive(Debug, Args)]
pub struct Waiting {
    /// So many clients wait at once.
    #[arg(long, default_value_t = 10_000)]
    waiting: usize,
    /// So many bookings change a second.
    #[arg(long, default_value_t = 400)]
    changes_per_second: u32,
    /// One JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    /// Clients that waited.
    waiting: usize,
    /// Resident memory of the instance before the first client, in KiB.
    idle_kib: u64,
    /// Resident memory with all of them waiting, in KiB.
    waiting_kib: u64,
    /// The difference per client, in bytes.
    bytes_per_client: u64,
    /// Bookings changed a second, as asked for.
    changes_per_second: u32,
    /// From the answer to whoever changed the booking (it is committed then) to the answer of whoever waited,
    /// in milliseconds.
    woken_ms: Spread,
}

/// Of a distribution.
#[derive(Debug, Serialize)]
struct Spread {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

/// Holds in flight while the bookings are made.
const AT_ONCE: usize = 64;

/// Measures.
///
/// # Errors
/// When the system cannot be started, or a client is not answered.
pub async fn run(waiting: &Waiting) -> Result<ExitCode, Failure> {
    let system = dev::temporary(!waiting.json).await?;
    let config = system.place().dir().join("boxoffice.toml");
    let measured = async {
        let stage = Stage::enter(system.target().clone()).await?;
        measure(waiting, stage, &config).await
    }
    .await;
    system.stop().await?;
    let report =
        measured.map_err(|error| Failure::because("nothing was measured", error.as_ref()))?;
    if waiting.json {
        terminal::line(serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        terminal::line(format!(
            "{} clients waiting: {} bytes each ({} KiB idle, {} KiB with all of them)\n\
             woken after {:.1} ms (p50), {:.1} ms (p90), {:.1} ms (p99), {:.1} ms (longest), at {} changes/s",
            report.waiting,
            report.bytes_per_client,
            report.idle_kib,
            report.waiting_kib,
            report.woken_ms.p50,
            report.woken_ms.p90,
            report.woken_ms.p99,
            report.woken_ms.max,
            report.changes_per_second,
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The measured instance. It ends with the measurement.
struct Instance {
    child: Child,
    host: String,
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Instance {
    async fn start(config: &std::path::Path, stage: &Stage) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let host = listener.local_addr()?.to_string();
        drop(listener);
        let child = Command::new(std::env::current_exe()?)
            .args(["api", "--config"])
            .arg(config)
            .env("BOXOFFICE_API__LISTEN", &host)
            .env("BOXOFFICE_API__ADDRESS_PER_SECOND", "0")
            .env("BOXOFFICE_API__REQUESTS_UNDER_WAY", "20000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut instance = Self { child, host };
        let ready = format!("http://{}/readyz", instance.host);
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = stage.http.get(&ready).send().await;
            if let Ok(answer) = answer
                && answer.text().await?.contains("\"ready\":true")
            {
                return Ok(instance);
            }
            if instance.child.try_wait()?.is_some() || Instant::now() > until {
                bail!("the measured instance did not become ready");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A booking to wait for.
struct Booked {
    owner: Customer,
    id: String,
    /// Its status, with the token that opens it.
    path: String,
}

async fn measure(
    waiting: &Waiting,
    stage: Arc<Stage>,
    config: &std::path::Path,
) -> anyhow::Result<Report> {
    let instance = Instance::start(config, &stage).await?;
    let booked = book(waiting.waiting, &stage).await?;
    let idle_kib = resident_kib(instance.child.id())?;

    let asked = Arc::new(Semaphore::new(0));
    let mut clients = Vec::with_capacity(booked.len());
    // In portions, for the backlog of a listener is finite.
    for portion in booked.chunks(256) {
        for booked in portion {
            let (host, path) = (instance.host.clone(), booked.path.clone());
            let asked = asked.clone();
            clients.push(tokio::spawn(
                async move { wait(&host, &path, &asked).await },
            ));
        }
        let all = u32::try_from(portion.len())?;
        asked.acquire_many(all).await?.forget();
    }
    // The last question was sent; that it was read shows in nothing but time.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let waiting_kib = resident_kib(instance.child.id())?;

    let mut ticks = tokio::time::interval(Duration::from_secs(1) / waiting.changes_per_second);
    let mut changes = Vec::with_capacity(booked.len());
    for booked in booked {
        ticks.tick().await;
        let stage = stage.clone();
        changes.push(tokio::spawn(async move {
            release(&stage, &booked).await?;
            anyhow::Ok(Instant::now())
        }));
    }
    let mut woken = Histogram::<u64>::new(3)?;
    for (client, change) in clients.into_iter().zip(changes) {
        let (seen, changed) = (client.await??, change.await??);
        let after = seen.saturating_duration_since(changed);
        woken.record(u64::try_from(after.as_micros())?)?;
    }
    let ms = |quantile: f64| woken.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Report {
        waiting: waiting.waiting,
        idle_kib,
        waiting_kib,
        bytes_per_client: waiting_kib.saturating_sub(idle_kib) * 1_024
            / waiting.waiting.max(1) as u64,
        changes_per_second: waiting.changes_per_second,
        woken_ms: Spread {
            p50: ms(0.5),
            p90: ms(0.9),
            p99: ms(0.99),
            max: woken.max() as f64 / 1_000.0,
        },
    })
}

/// Makes a booking for each client, in shows of 10,000 seats.
async fn book(count: usize, stage: &Arc<Stage>) -> anyhow::Result<Vec<Booked>> {
    let mut shows = Vec::new();
    for nth in 0..count.div_ceil(10_000) {
        let starts_at = stage.now().await? + time::Duration::days(7);
        let title = format!("Waiting {nth}");
        let show = NewShow::hall(&title, starts_at, "INR".parse()?, 100, 100, 45_000);
        let names: Vec<String> = show.seats.iter().map(|seat| seat.seat.clone()).collect();
        let id = create_show(&stage.database, &show).await?;
        put_on_sale(&stage.database, id).await?;
        shows.push((id, names));
    }
    let holds = (0..count).map(|nth| {
        let (show, names) = &shows[nth / 10_000];
        let (show, seat) = (*show, names[nth % 10_000].clone());
        async move {
            let owner = stage.customer("waiting").await?;
            let answer = owner.try_hold(show, &[&seat]).await?;
            let held: Value = answer.error_for_status()?.json().await?;
            let text = |field: &str| held[field].as_str().unwrap_or_default().to_owned();
            let address = text("status_url");
            let path = address
                .find("/v1/")
                .map(|at| address[at..].to_owned())
                .with_context(|| format!("no status address in {held}"))?;
            anyhow::Ok(Booked {
                owner,
                id: text("booking_id"),
                path,
            })
        }
    });
    let booked: Vec<_> = futures::stream::iter(holds)
        .buffered(AT_ONCE)
        .collect()
        .await;
    booked.into_iter().collect()
}

async fn release(stage: &Stage, booked: &Booked) -> anyhow::Result<()> {
    let url = format!("{}/v1/bookings/{}/release", stage.target.api, booked.id);
    let request = stage.http.post(url).bearer_auth(booked.owner.token());
    request.json(&json!({})).send().await?.error_for_status()?;
    Ok(())
}

/// A client that asks, and asks again while nothing has changed. Returns when it was told of the change.
async fn wait(host: &str, path: &str, asked: &Semaphore) -> anyhow::Result<Instant> {
    let mut connection = Connection::open(host).await?;
    let answer = connection.ask("GET", path, "", b"").await?.expect(200)?;
    let mut tag = answer.tag.context("a status without a tag")?.to_owned();
    let path = format!("{path}&wait=25");
    let mut announced = false;
    loop {
        let known = format!("if-none-match: {tag}\r\n");
        connection.send("GET", &path, &known, b"").await?;
        if !std::mem::replace(&mut announced, true) {
            asked.add_permits(1);
        }
        let answer = connection.receive().await?;
        match (answer.status, answer.tag) {
            (200, _) => return Ok(Instant::now()),
            (304, Some(now)) => now.clone_into(&mut tag),
            _ => bail!(
                "answered {}: {}",
                answer.status,
                String::from_utf8_lossy(answer.body)
            ),
        }
    }
}

//! `recovery`: a part is killed while customers book, and started again at once. How long does nothing get through?

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::crowd::{Crowd, Gate};
use super::floor::Stands;
use super::load::{Client, Halls, Held, PRICE, fresh_id};
use super::report::{Figure, Level, Report};
use super::rig::{Rig, Wanted, says};
use crate::demo::Stage;
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Recovery {
    /// What is killed, one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [Victim::All, Victim::Postgres, Victim::Kafka])]
    kill: Vec<Victim>,
    /// So many customers at a time, one after the other.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// So many seconds before each kill, and after it.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// What can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Victim {
    /// Every role.
    All,
    /// The database server.
    Postgres,
    /// The broker.
    Kafka,
}

impl std::fmt::Display for Victim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
        })
    }
}

/// A customer does not give up before this.
const PATIENCE: Duration = Duration::from_secs(120);
/// The rate is looked at in steps of this.
const STEP: Duration = Duration::from_millis(500);

/// Measures.
///
/// # Errors
/// When the system cannot be started, a payment that was acknowledged is not confirmed, or a promise is broken.
pub async fn run(recovery: &Recovery) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !recovery.json,
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(recovery, rig).await).await
}

async fn measure(recovery: &Recovery, rig: &mut Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("recovery", Stands::Everything);
    let halls = Arc::new(Halls::new()?);
    for victim in &recovery.kill {
        let seconds = Duration::from_secs(recovery.seconds);
        halls
            .make(
                &rig.stage,
                recovery.at_once * 1_000 * (2 * recovery.seconds as usize),
            )
            .await?;
        let confirmed = Arc::new(Mutex::new(Vec::new()));
        let mut crowd = Crowd::new();
        for nth in 0..recovery.at_once {
            let customer = Patient {
                stage: rig.stage.clone(),
                id: fresh_id(nth),
                client: None,
            };
            let gate = crowd.gate();
            crowd.join(books(customer, halls.clone(), confirmed.clone(), gate));
        }
        crowd.until(Instant::now() + seconds).await?;
        let killed = Instant::now();
        kill(*victim, rig).await?;
        crowd.until(killed + seconds).await?;
        crowd.end().await?;
        let confirmed =
            std::mem::take(&mut *confirmed.lock().unwrap_or_else(PoisonError::into_inner));
        let level = level(*victim, &confirmed, killed, seconds)?;
        says(!recovery.json, &level.in_words(report.stands));
        report.levels.push(level);
    }
    report.audit = rig.audit().await?;
    Ok(report)
}

async fn kill(victim: Victim, rig: &mut Rig) -> anyhow::Result<()> {
    let children = &mut rig.ground.children;
    match victim {
        Victim::All => {
            rig.all = None;
            rig.start_all()?;
        }
        Victim::Postgres => {
            let postgres = children.postgres.as_mut().context("a server of ours")?;
            postgres.kill().await?;
            postgres.restart().await?;
        }
        Victim::Kafka => {
            let kafka = children.kafka.as_mut().context("a server of ours")?;
            kafka.kill().await?;
            kafka.restart().await?;
        }
    }
    Ok(())
}

fn level(
    victim: Victim,
    confirmed: &[Instant],
    killed: Instant,
    seconds: Duration,
) -> anyhow::Result<Level> {
    let mut after: Vec<Instant> = confirmed
        .iter()
        .copied()
        .filter(|at| *at >= killed)
        .collect();
    after.sort();
    let before = confirmed.len() - after.len();
    let rate = before as f64 / seconds.as_secs_f64();
    let gap = std::iter::once(killed)
        .chain(after.iter().copied())
        .zip(&after)
        .map(|(one, next)| next.saturating_duration_since(one))
        .max()
        .context("nothing was confirmed after the kill")?;
    let steps = (0..)
        .map(|step| STEP * step)
        .take_while(|step| *step + STEP <= seconds);
    let recovered = steps
        .into_iter()
        .find(|step| {
            let from = killed + *step;
            let within = after
                .iter()
                .filter(|at| (from..from + STEP).contains(*at))
                .count();
            within as f64 >= 0.9 * rate * STEP.as_secs_f64()
        })
        .unwrap_or(seconds);
    Ok(Level {
        load: format!("{victim} killed"),
        units: confirmed.len(),
        per_second: rate,
        figures: vec![
            Figure::time("longest gap", gap),
            Figure::time("90 % of the rate after", recovered),
        ],
        ..Level::default()
    })
}

/// A customer, and a gateway, who come again until they are answered.
struct Patient {
    stage: Arc<Stage>,
    id: u64,
    client: Option<Client>,
}

async fn books(
    mut customer: Patient,
    halls: Arc<Halls>,
    confirmed: Arc<Mutex<Vec<Instant>>>,
    gate: Arc<Gate>,
) -> anyhow::Result<()> {
    while gate.is_open() {
        let held = customer.holds(&halls).await?;
        customer.pays(&held).await?;
        customer.sees(&held).await?;
        confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Instant::now());
    }
    Ok(())
}

impl Patient {
    /// Other seats each time: the answer may have been lost, and the seats be ours.
    async fn holds(&mut self, halls: &Halls) -> anyhow::Result<Held> {
        let until = Instant::now() + PATIENCE;
        loop {
            let (show, seats) = halls.next().await?;
            let mut client = self.client().await?;
            match client.hold(show, &seats).await {
                Ok(held) => {
                    self.client = Some(client);
                    return Ok(held);
                }
                Err(error) => again(until, error).await?,
            }
        }
    }

    /// Whether the first one arrived is not known: a gateway sends it again, and that is the same payment.
    async fn pays(&mut self, held: &Held) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut client = self.client().await?;
            match client.webhook(held, 2 * PRICE).await {
                Ok(()) => {
                    self.client = Some(client);
                    return Ok(());
                }
                Err(error) => again(until, error).await?,
            }
        }
    }

    async fn sees(&mut self, held: &Held) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut client = self.client().await?;
            match client.wait_for(held, "CONFIRMED").await {
                Ok(()) => {
                    self.client = Some(client);
                    return Ok(());
                }
                Err(error) => again(until, error).await?,
            }
        }
    }

    /// The connection that still works, or another as soon as there is one.
    async fn client(&mut self) -> anyhow::Result<Client> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(client) = self.client.take() {
                return Ok(client);
            }
            match Client::connect(&self.stage, self.id).await {
                Ok(client) => {
                    self.id += 1_000_000;
                    return Ok(client);
                }
                Err(error) => again(until, error).await?,
            }
        }
    }
}

async fn again(until: Instant, error: anyhow::Error) -> anyhow::Result<()> {
    if Instant::now() > until {
        bail!(error.context("it did not come back within two minutes"));
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(())
}

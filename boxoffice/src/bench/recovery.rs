//! `recovery`: a part is killed while customers book, and started again at once; or one of two coordinators, whose work the
//! other has to take over. How long does nothing get through?

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::crowd::{Crowd, Gate};
use super::floor::Stands;
use super::load::{Client, Halls, Held, PRICE, fresh_id};
use super::report::{Figure, Level, Report};
use super::rig::{BUT_COORDINATOR, Part, Rig, Wanted, says};
use crate::demo::Stage;
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Recovery {
    /// What is killed, one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = Victim::EACH)]
    kill: Vec<Victim>,
    /// So many customers at a time, one after the other.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// So many seconds before each kill, and after it.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Before that everything runs for so many seconds unmeasured.
    #[arg(long, default_value_t = 10)]
    warm_up: u64,
    /// After how long without a sign of life a coordinator's partitions go to the other one, in milliseconds, one after the
    /// other: what brokers allow by default, and what ours here allows.
    #[arg(long, value_delimiter = ',', default_values_t = [6_000, 1_500])]
    session_ms: Vec<u32>,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// What can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Victim {
    /// Every role.
    All,
    /// One of two coordinators. It is not started again.
    Coordinator,
    /// The database server.
    Postgres,
    /// The broker.
    Kafka,
}

impl Victim {
    const EACH: [Self; 4] = [Self::All, Self::Coordinator, Self::Postgres, Self::Kafka];
}

impl std::fmt::Display for Victim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Coordinator => "coordinator",
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
        })
    }
}

/// A customer does not give up before this.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most bookings a second of one customer that seats are made ready for.
const MOST_EACH: usize = 100;
/// The rate is looked at in steps of this.
const STEP: Duration = Duration::from_millis(500);

/// Measures.
///
/// # Errors
/// When the system cannot be started, a payment that was acknowledged is not confirmed, or a promise is broken.
pub async fn run(recovery: &Recovery) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !recovery.json,
        two_coordinators: true,
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(recovery, rig).await).await
}

async fn measure(recovery: &Recovery, rig: &mut Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("recovery", Stands::Everything);
    let halls = Arc::new(Halls::new()?);
    let mut cases = Vec::new();
    for victim in &recovery.kill {
        match victim {
            Victim::Coordinator => cases.extend(recovery.session_ms.iter().map(|ms| Case {
                victim: Victim::Coordinator,
                session_ms: Some(*ms),
            })),
            victim => cases.push(Case {
                victim: *victim,
                session_ms: None,
            }),
        }
    }
    let seconds = recovery.warm_up + 2 * recovery.seconds;
    for case in &cases {
        let most = recovery.at_once * MOST_EACH * seconds as usize;
        halls.make(&rig.stage, most).await?;
        let floor = rig.floor().await?;
        says(!recovery.json, &floor.in_words());
        let mut level = killed(recovery, rig, &halls, case).await?;
        level.floor = floor;
        says(!recovery.json, &level.in_words(report.stands));
        report.levels.push(level);
    }
    report.audit = rig.audit().await?;
    Ok(report)
}

/// One kill.
#[derive(Clone, Copy)]
struct Case {
    victim: Victim,
    /// The session of the two coordinators' consumers.
    session_ms: Option<u32>,
}

/// A booking that somebody has seen confirmed.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    /// So long after its payment was first told.
    after: Duration,
}

async fn killed(
    recovery: &Recovery,
    rig: &mut Rig,
    halls: &Arc<Halls>,
    case: &Case,
) -> anyhow::Result<Level> {
    let mut two = match case.session_ms {
        Some(ms) => Some(two_coordinators(rig, ms).await?),
        None => None,
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut crowd = Crowd::new();
    for nth in 0..recovery.at_once {
        let customer = Patient {
            stage: rig.stage.clone(),
            id: fresh_id(nth),
            client: None,
        };
        let (halls, seen, gate) = (halls.clone(), seen.clone(), crowd.gate());
        crowd.join(books(customer, halls, seen, gate));
    }
    let seconds = Duration::from_secs(recovery.seconds);
    let begun = Instant::now() + Duration::from_secs(recovery.warm_up);
    crowd.until(begun + seconds).await?;
    let killed = Instant::now();
    match &mut two {
        Some([one, _]) => one.kill(),
        None => kill(case.victim, rig).await?,
    }
    let server = matches!(case.victim, Victim::Postgres | Victim::Kafka);
    let back = server.then(|| killed.elapsed());
    crowd.until(killed + seconds).await?;
    crowd.end().await?;
    if two.take().is_some() {
        rig.all = None;
        rig.start_all()?;
        rig.ready().await?;
    }
    let mut seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    seen.retain(|seen| seen.at >= begun);
    let mut level = level(case, &seen, killed, seconds)?;
    // What it reads again before it answers is none of our time.
    let back = back.map(|back| Figure::time("of which the server itself was away", back));
    level.figures.extend(back);
    Ok(level)
}

/// In the place of every role in one process: all but the coordinator in one, and two coordinators beside it.
async fn two_coordinators(rig: &mut Rig, session_ms: u32) -> anyhow::Result<[Part; 2]> {
    rig.all = None;
    rig.all = Some(rig.part(&BUT_COORDINATOR, &[])?);
    let session_ms = session_ms.to_string();
    let settings = [("BOXOFFICE_KAFKA__SESSION_TIMEOUT_MS", session_ms.as_str())];
    let two = [
        rig.beside("coordinator", &settings)?,
        rig.beside("coordinator", &settings)?,
    ];
    for door in [&rig.stage.target.ingress, &rig.stage.target.api] {
        rig.answers(&format!("{door}/readyz")).await?;
    }
    Ok(two)
}

async fn kill(victim: Victim, rig: &mut Rig) -> anyhow::Result<()> {
    let children = &mut rig.ground.children;
    match victim {
        Victim::All => {
            rig.all = None;
            rig.start_all()?;
        }
        // They are not of the rig.
        Victim::Coordinator => {}
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

fn level(case: &Case, seen: &[Seen], killed: Instant, seconds: Duration) -> anyhow::Result<Level> {
    let mut after: Vec<Seen> = seen
        .iter()
        .copied()
        .filter(|seen| seen.at >= killed)
        .collect();
    after.sort_by_key(|seen| seen.at);
    let before = seen.len() - after.len();
    let rate = before as f64 / seconds.as_secs_f64();
    let gap = std::iter::once(killed)
        .chain(after.iter().map(|seen| seen.at))
        .zip(&after)
        .map(|(one, next)| next.at.saturating_duration_since(one))
        .max()
        .context("nothing was confirmed after the kill")?;
    // Where one of two is killed, the other goes on with its half: the gap is not all that somebody waited.
    let waited = after.iter().map(|seen| seen.after).max();
    let steps = (0..)
        .map(|step| STEP * step)
        .take_while(|step| *step + STEP <= seconds);
    let recovered = steps
        .into_iter()
        .find(|step| {
            let from = killed + *step;
            let within = after
                .iter()
                .filter(|seen| (from..from + STEP).contains(&seen.at))
                .count();
            within as f64 >= 0.9 * rate * STEP.as_secs_f64()
        })
        .unwrap_or(seconds);
    let session = case
        .session_ms
        .map(|ms| format!(", sessions of {ms} ms"))
        .unwrap_or_default();
    Ok(Level {
        load: format!("{} killed{session}", case.victim),
        units: seen.len(),
        per_second: rate,
        figures: vec![
            Figure::time("longest gap", gap),
            Figure::time("longest wait for CONFIRMED", waited.unwrap_or_default()),
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
    seen: Arc<Mutex<Vec<Seen>>>,
    gate: Arc<Gate>,
) -> anyhow::Result<()> {
    while gate.is_open() {
        let held = customer.holds(&halls).await?;
        let paid = Instant::now();
        customer.pays(&held).await?;
        customer.sees(&held).await?;
        let at = Instant::now();
        let confirmed = Seen {
            at,
            after: at - paid,
        };
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(confirmed);
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

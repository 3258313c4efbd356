//! `hot-show`: ten thousand people want the same two hundred seats, through three processes of the API; while an ordinary
//! show sells beside it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use clap::Args;
use hdrhistogram::Histogram;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::connection::Connection;
use super::crowd::{Crowd, Gate};
use super::floor::Stands;
use super::load::{Client, Halls, empty, fresh_id, host, together, us};
use super::report::{Level, Report, Spread};
use super::rig::{Part, Rig, Wanted, says};
use crate::demo::{Stage, clock};
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct HotShow {
    /// So many people, each with a connection.
    #[arg(long, default_value_t = 10_000)]
    people: usize,
    /// Which seats they want.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So often each, one after the other.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Before that an ordinary show sells for so many seconds, and one round is not counted.
    #[arg(long, default_value_t = 30)]
    warm_up: u64,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Rows of the hot show, and seats in each.
const ROWS: u16 = 10;
const SEATS: u16 = 20;
/// The ordinary show's customers, a second.
const ORDINARY_PER_SECOND: u64 = 100;
/// At most so many of them at a time.
const ORDINARY_AT_A_TIME: usize = 64;

/// Measures.
///
/// # Errors
/// When the system cannot be started, a seat is sold twice or left though somebody was turned away for it, or a promise
/// is broken.
pub async fn run(hot: &HotShow) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !hot.json,
        settings: &[("BOXOFFICE_API__REQUESTS_UNDER_WAY", "20000")],
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(hot, rig).await).await
}

async fn measure(hot: &HotShow, rig: &Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("hot-show", Stands::HttpAndHolds);
    report.seed = Some(hot.seed);
    says(!hot.json, &format!("seed {}", hot.seed));
    let doors = Doors::open(rig).await?;
    let halls = Arc::new(Halls::new()?);
    halls.make(&rig.stage, 1).await?;
    let mut rng = StdRng::seed_from_u64(hot.seed);
    let before = deadlocks(&rig.stage).await?;
    let mut early = ordinary_customers(rig, &halls).await?;
    early
        .until(Instant::now() + Duration::from_secs(hot.warm_up))
        .await?;
    early.end().await?;
    // The first of all is not counted: every process has plans to make and connections to open.
    for nth in 0..=hot.rounds {
        let floor = if nth > 0 {
            rig.floor().await?
        } else {
            Default::default()
        };
        for over in [Duration::ZERO, Duration::from_secs(1)] {
            let levels = rush(hot, rig, &doors, &halls, over, &mut rng).await?;
            for mut level in levels.into_iter().filter(|_| nth > 0) {
                level.floor = floor;
                says(!hot.json, &level.in_words(report.stands));
                report.levels.push(level);
            }
        }
    }
    let after = deadlocks(&rig.stage).await?;
    ensure!(after == before, "{} deadlocks", after - before);
    drop(doors);
    report.audit = rig.audit().await?;
    Ok(report)
}

async fn deadlocks(stage: &Stage) -> anyhow::Result<i64> {
    let count = sqlx::query_scalar("select sum(deadlocks)::bigint from pg_stat_database");
    Ok(count.fetch_one(&stage.database).await?)
}

/// Three processes of the API.
struct Doors {
    hosts: [String; 3],
    /// Those of the second and the third; the first has every role.
    beside: [Part; 2],
}

impl Doors {
    async fn open(rig: &Rig) -> anyhow::Result<Self> {
        let first = host(&rig.stage.target.api).to_owned();
        let (second, at_second) = rig.another_api().await?;
        let (third, at_third) = rig.another_api().await?;
        Ok(Self {
            hosts: [first, at_second, at_third],
            beside: [second, third],
        })
    }
}

/// What somebody was told. They keep their connection: what closing it costs is no part of the answer.
struct Told {
    _connection: Connection,
    seats: Vec<String>,
    status: u16,
    after: Duration,
}

/// Everybody comes within `over`.
async fn rush(
    hot: &HotShow,
    rig: &Rig,
    doors: &Doors,
    halls: &Arc<Halls>,
    over: Duration,
    rng: &mut StdRng,
) -> anyhow::Result<Vec<Level>> {
    let (show, names) = hot_show(&rig.stage).await?;
    let mut people = JoinSet::new();
    let ready = Arc::new(tokio::sync::Barrier::new(hot.people + 1));
    let start = Arc::new(std::sync::OnceLock::new());
    for nth in 0..hot.people {
        let wanted = rng.random_range(1..=6);
        let seats: Vec<String> = names.sample(rng, wanted).cloned().collect();
        let body =
            serde_json::json!({ "seats": seats, "contact": { "email": "anna@example.com" } });
        let headers = format!(
            "authorization: Bearer {}\r\n",
            rig.stage.token(&format!("hot-{show}-{nth}"), clock())?
        );
        let path = format!("/v1/shows/{show}/holds");
        let mut connection = Connection::open(&doors.hosts[nth % doors.hosts.len()]).await?;
        let (ready, start) = (ready.clone(), start.clone());
        let mine = over.mul_f64(nth as f64 / hot.people as f64);
        people.spawn(async move {
            ready.wait().await;
            let start: Instant = *start.get_or_init(Instant::now);
            let due = start + mine;
            tokio::time::sleep_until(due.into()).await;
            let body = body.to_string();
            let answer = connection
                .ask("POST", &path, &headers, body.as_bytes())
                .await?;
            let status = answer.status;
            let after = due.elapsed();
            anyhow::Ok(Told {
                _connection: connection,
                seats,
                status,
                after,
            })
        });
    }
    let mut ordinary = ordinary_customers(rig, halls).await?;
    // The ordinary show has begun to sell.
    ordinary
        .until(Instant::now() + Duration::from_millis(300))
        .await?;
    let before = rig.reading(&doors.beside.each_ref()).await?;
    ready.wait().await;
    let mut told = Vec::with_capacity(hot.people);
    while let Some(ended) = people.join_next().await {
        told.push(ended??);
    }
    let after = rig.reading(&doors.beside.each_ref()).await?;
    let ordinary = together(&ordinary.end().await?)?;
    fair(&told, &names)?;

    let (mut all, mut winners) = (empty()?, empty()?);
    for told in &told {
        all.saturating_record(us(told.after));
        if told.status == 201 {
            winners.saturating_record(us(told.after));
        }
    }
    let load = if over.is_zero() {
        "all at once"
    } else {
        "over a second"
    };
    let last = told
        .iter()
        .map(|told| told.after)
        .max()
        .context("nobody came")?;
    Ok(vec![Level {
        load: load.to_owned(),
        units: told.len(),
        per_second: told.len() as f64 / last.max(over).as_secs_f64(),
        times_ms: vec![
            ("answered".to_owned(), Spread::of(&all)),
            ("winners".to_owned(), Spread::of(&winners)),
            (
                "holds of an ordinary show beside it".to_owned(),
                Spread::of(&ordinary),
            ),
        ],
        cost: Some(before.until(&after, told.len())),
        ..Level::default()
    }])
}

async fn hot_show(stage: &Stage) -> anyhow::Result<(ShowId, Vec<String>)> {
    let starts_at = stage.now().await? + time::Duration::days(7);
    let show = NewShow::hall(
        "The hot show",
        starts_at,
        "INR".parse()?,
        ROWS,
        SEATS,
        45_000,
    );
    let id = create_show(&stage.database, &show).await?;
    put_on_sale(&stage.database, id).await?;
    Ok((id, show.seats.into_iter().map(|seat| seat.seat).collect()))
}

/// No seat went to two people, and nobody was turned away but for a seat that somebody else has.
fn fair(told: &[Told], names: &[String]) -> anyhow::Result<()> {
    let mut taken = BTreeSet::new();
    for won in told.iter().filter(|told| told.status == 201) {
        for seat in &won.seats {
            ensure!(taken.insert(seat), "seat {seat} went to two people");
        }
    }
    ensure!(taken.len() <= names.len(), "more seats than there are");
    for lost in told.iter().filter(|told| told.status != 201) {
        match lost.status {
            409 => ensure!(
                lost.seats.iter().any(|seat| taken.contains(seat)),
                "{:?} were refused, and nobody has any of them",
                lost.seats
            ),
            // Told to come again, without a look.
            503 => {}
            status => bail!("somebody was answered {status}"),
        }
    }
    Ok(())
}

/// Those of an ordinary show, from now on.
async fn ordinary_customers(
    rig: &Rig,
    halls: &Arc<Halls>,
) -> anyhow::Result<Crowd<Histogram<u64>>> {
    let mut customers = Crowd::new();
    let (began, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    for nth in 0..ORDINARY_AT_A_TIME {
        let client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let (halls, next, gate) = (halls.clone(), next.clone(), customers.gate());
        customers.join(ordinary(client, halls, began, next, gate));
    }
    Ok(customers)
}

/// One of the customers of an ordinary show, until it is over: whoever is free takes the next.
async fn ordinary(
    mut client: Client,
    halls: Arc<Halls>,
    start: Instant,
    next: Arc<AtomicU64>,
    gate: Arc<Gate>,
) -> anyhow::Result<Histogram<u64>> {
    let mut times = empty()?;
    while gate.is_open() {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        let due = start + Duration::from_millis(1_000 / ORDINARY_PER_SECOND * nth);
        tokio::time::sleep_until(due.into()).await;
        let (show, seats) = halls.next().await?;
        client.hold(show, &seats).await?;
        times.saturating_record(us(due.elapsed()));
    }
    Ok(times)
}

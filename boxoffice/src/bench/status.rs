//! `status`: clients who want to know how their bookings stand, all at one instance of the booking API, a process of its own.
//! First they poll; then ten thousand of them wait, in long polls and in event streams, and every booking is changed
//! through another instance: each client is woken by way of PostgreSQL, the relay, Kafka and the follower.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use hdrhistogram::Histogram;

use super::connection::Connection;
use super::crowd::Crowd;
use super::floor::Stands;
use super::load::{Client, Halls, Held, empty, fresh_id, together, us};
use super::report::{Figure, Level, Report, Spread, Unit};
use super::rig::{Rig, Wanted, says};
use super::waiting::{self, How};
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Watching {
    /// So many clients poll, each again as soon as it is answered; a closed loop.
    #[arg(long, default_value_t = 64)]
    polling: usize,
    /// Polls are measured for so many seconds, and before that for a quarter of them unmeasured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// So many clients wait at a time: in long polls, and after that in event streams.
    #[arg(long, default_value_t = 10_000)]
    waiting: usize,
    /// So many of the bookings that are waited for change a second.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    changes_per_second: u32,
    /// So often each, one after the other, with the machine's own floor before.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Bookings that one client polls in turn.
const BOOKINGS: usize = 16;
/// Clients who hold at a time while bookings are made.
const AT_ONCE: usize = 64;

/// Measures.
///
/// # Errors
/// When the system cannot be started, a client is not answered or not woken, or a promise is broken.
pub async fn run(watching: &Watching) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !watching.json,
        settings: &[("BOXOFFICE_API__REQUESTS_UNDER_WAY", "20000")],
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(watching, rig).await).await
}

async fn measure(watching: &Watching, rig: &Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("status", Stands::Http);
    let halls = Arc::new(Halls::new()?);
    for _ in 0..watching.rounds {
        let floor = rig.floor().await?;
        says(!watching.json, &floor.in_words());
        let mut done = |mut level: Level| {
            level.floor = floor;
            says(!watching.json, &level.in_words(Stands::Http));
            report.levels.push(level);
        };
        done(polls(watching, rig, &halls).await?);
        for how in [How::LongPolls, How::EventStreams] {
            let held = hold(rig, &halls, watching.waiting).await?;
            done(waiting::measure(rig, held, how, watching.changes_per_second).await?);
        }
    }
    report.audit = rig.audit().await?;
    Ok(report)
}

/// So many bookings, held.
async fn hold(rig: &Rig, halls: &Arc<Halls>, count: usize) -> anyhow::Result<Vec<Held>> {
    halls.make(&rig.stage, count).await?;
    let mut crowd = Crowd::new();
    for nth in 0..AT_ONCE {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let halls = halls.clone();
        crowd.join(async move {
            let mut held = Vec::new();
            for _ in (nth..count).step_by(AT_ONCE) {
                let (show, seats) = halls.next().await?;
                held.push(client.hold(show, &seats).await?);
            }
            Ok(held)
        });
    }
    Ok(crowd.all().await?.into_iter().flatten().collect())
}

/// What a client who polls has seen.
struct Polled {
    times: Histogram<u64>,
    /// Answers without a document, for the client had it.
    unchanged: u64,
}

async fn polls(watching: &Watching, rig: &Rig, halls: &Arc<Halls>) -> anyhow::Result<Level> {
    let held = hold(rig, halls, watching.polling * BOOKINGS).await?;
    let (part, door) = rig.another_api().await?;
    let mut crowd = Crowd::new();
    for mine in held.chunks(BOOKINGS) {
        let mut connection = Connection::open(&door).await?;
        // Each booking's address, and the header that says what is known of it.
        let mut mine: Vec<_> = mine
            .iter()
            .map(|held| (held.status.clone(), String::new()))
            .collect();
        let gate = crowd.gate();
        crowd.join(async move {
            let mut polled = Polled {
                times: empty()?,
                unchanged: 0,
            };
            while gate.is_open() {
                for (path, known) in &mut mine {
                    let since = Instant::now();
                    let answer = connection.ask("GET", path, known, b"").await?;
                    let unchanged = answer.status == 304;
                    if !unchanged {
                        let answer = answer.expect(200)?;
                        let tag = answer.tag.context("a status without a tag")?;
                        *known = format!("if-none-match: {tag}\r\n");
                    }
                    if gate.counts() {
                        polled.times.saturating_record(us(since.elapsed()));
                        polled.unchanged += u64::from(unchanged);
                    }
                }
            }
            Ok(polled)
        });
    }
    let seconds = Duration::from_secs(watching.seconds);
    let measured = crowd
        .measured(rig, Some(part.pid()), seconds / 4, seconds)
        .await?;
    let unchanged: u64 = measured.said.iter().map(|polled| polled.unchanged).sum();
    let times: Vec<_> = measured
        .said
        .into_iter()
        .map(|polled| polled.times)
        .collect();
    let times = together(&times)?;
    let polls = times.len() as usize;
    Ok(Level {
        load: format!("polls, {} at a time", watching.polling),
        units: polls,
        per_second: polls as f64 / measured.took.as_secs_f64(),
        times_ms: vec![("answered".to_owned(), Spread::of(&times))],
        figures: vec![Figure::new(
            "answered without a document",
            100.0 * unchanged as f64 / polls.max(1) as f64,
            Unit::Percent,
        )],
        cost: Some(measured.before.until(&measured.after, polls)),
        ..Level::default()
    })
}

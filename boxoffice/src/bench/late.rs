//! `late`: of ten customers three pay when their hold has run out and somebody else has the seats; their money goes back
//! through the simulator, which takes its time for every answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use boxoffice_saga::identity::ShowId;
use clap::Args;

use super::crowd::Crowd;
use super::floor::Stands;
use super::load::{Client, Halls, Held, PRICE, SHOWS, Times, fresh_id};
use super::report::{Level, Report, Spread};
use super::returns::{self, Payer};
use super::rig::{Rig, Wanted, says};
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Late {
    /// So many customers at a time, one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [64])]
    at_once: Vec<usize>,
    /// Measured for so many seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Before each measurement everything runs for so many seconds unmeasured.
    #[arg(long, default_value_t = 20)]
    warm_up: u64,
    /// How long the gateway takes for an answer, in milliseconds.
    #[arg(long, default_value_t = 50)]
    answer_ms: u64,
    /// Shows which statements took most of PostgreSQL's time.
    #[arg(long)]
    statements: bool,
    /// So often, one after the other.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Holds of those who come late.
const HOLD_MS: i64 = 1_000;
/// After so long their seats can be had.
const LAPSED: Duration = Duration::from_millis(1_100);
const MOST_PER_SECOND: usize = 4_000;

/// Measures.
///
/// # Errors
/// When the system cannot be started, something is refused, or a promise is broken.
pub async fn run(late: &Late) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !late.json,
        // Refunds under way: as many as come in the time that the gateway takes, and half as many again.
        settings: &[("BOXOFFICE_TASKS__IN_FLIGHT", "256")],
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(late, rig).await).await
}

async fn measure(late: &Late, rig: &Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("late", Stands::Everything);
    let halls = Arc::new(Halls::of_holds(HOLD_MS, SHOWS)?);
    for at_once in std::iter::repeat_n(&late.at_once, late.rounds).flatten() {
        let all = Duration::from_secs(late.seconds + late.warm_up);
        halls
            .make(&rig.stage, all.as_secs() as usize * MOST_PER_SECOND)
            .await?;
        let floor = rig.floor().await?;
        says(!late.json, &floor.in_words());
        returns::answers_after(rig, late.answer_ms).await?;
        let mut level = closed(late, rig, &halls, *at_once).await?;
        level.floor = floor;
        says(!late.json, &level.in_words(report.stands));
        report.levels.push(level);
    }
    returns::answers_after(rig, 0).await?;
    report.audit = rig.audit().await?;
    Ok(report)
}

/// A hold that runs out.
struct Lapsing {
    held: Held,
    show: ShowId,
    seats: [String; 2],
    lapsed: Instant,
}

async fn closed(
    late: &Late,
    rig: &Rig,
    halls: &Arc<Halls>,
    at_once: usize,
) -> anyhow::Result<Level> {
    let lapsing = Arc::new(Mutex::new(VecDeque::<Lapsing>::new()));
    let mut crowd = Crowd::new();
    for nth in 0..at_once {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let mut payer = Payer::connect(rig).await?;
        let (halls, lapsing, gate) = (halls.clone(), lapsing.clone(), crowd.gate());
        crowd.join(async move {
            let mut times = Times::new()?;
            let mut count = 0_usize;
            for turn in 0_usize.. {
                if !gate.is_open() {
                    break;
                }
                let counted = gate.counts();
                // Ten customers: three come late, and three of the other seven have their seats.
                let took = if turn % 10 < 3 {
                    let (show, seats) = halls.next().await?;
                    let held = client.hold(show, &seats).await?;
                    let lapsed = Instant::now() + LAPSED;
                    let next = Lapsing {
                        held,
                        show,
                        seats,
                        lapsed,
                    };
                    lapsing
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push_back(next);
                    continue;
                } else if let Some(lapsed) = ripe(&lapsing) {
                    let took = client.book_these(lapsed.show, &lapsed.seats).await?;
                    payer.pay(&lapsed.held, 2 * PRICE).await?;
                    count += usize::from(counted);
                    took
                } else {
                    client.book(&halls).await?
                };
                if counted && gate.is_open() {
                    took.record(&mut times, Duration::ZERO);
                    count += 1;
                }
            }
            Ok((times, count))
        });
    }
    let (warm_up, seconds) = (late.warm_up, late.seconds);
    let measured = crowd
        .measured(
            rig,
            None,
            Duration::from_secs(warm_up),
            Duration::from_secs(seconds),
        )
        .await?;
    if late.statements {
        eprint!("{}", measured.before.heaviest(&measured.after));
    }
    let (times, counts): (Vec<_>, Vec<_>) = measured.said.into_iter().unzip();
    let (times, count) = (Times::of_all(&times)?, counts.into_iter().sum());
    let cost = measured.before.until(&measured.after, count);
    let mut level = Level::of(
        &format!("{at_once} at a time"),
        count,
        measured.took,
        &times,
        cost,
        rig,
    );
    let accepted = returns::accepted(rig, measured.from, measured.until).await?;
    level.times_ms.push((
        "decision → refund accepted".to_owned(),
        Spread::of(&accepted),
    ));
    Ok(level)
}

fn ripe(lapsing: &Mutex<VecDeque<Lapsing>>) -> Option<Lapsing> {
    let mut lapsing = lapsing.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    lapsing
        .front()
        .is_some_and(|first| first.lapsed <= now)
        .then(|| lapsing.pop_front())?
}

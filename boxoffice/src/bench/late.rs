//! `late`: of ten customers three pay when their hold has run out and somebody else has the seats; their money goes back
//! through the simulator, which takes its time for every answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use boxoffice_saga::identity::ShowId;
use clap::Args;
use hdrhistogram::Histogram;
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::Row;

use super::connection::Connection;
use super::crowd::Crowd;
use super::floor::Stands;
use super::load::{Client, Halls, Held, PRICE, SHOWS, Times, empty, fresh_id, host};
use super::report::{Level, Report, Spread};
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
    let defaults = format!("{}/_sim/defaults", rig.stage.target.simulator);
    for at_once in std::iter::repeat_n(&late.at_once, late.rounds).flatten() {
        let all = Duration::from_secs(late.seconds + late.warm_up);
        halls
            .make(&rig.stage, all.as_secs() as usize * MOST_PER_SECOND)
            .await?;
        let floor = rig.floor().await?;
        says(!late.json, &floor.in_words());
        let told = rig
            .stage
            .http
            .post(&defaults)
            .json(&json!({ "hold_answer_ms": late.answer_ms }));
        told.send().await?.error_for_status()?;
        let mut level = closed(late, rig, &halls, *at_once).await?;
        level.floor = floor;
        says(!late.json, &level.in_words(report.stands));
        report.levels.push(level);
    }
    let told = rig.stage.http.post(&defaults).json(&json!({}));
    told.send().await?.error_for_status()?;
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
    let key = rig.ground.config.simulator.api_key.expose_secret();
    let headers = format!(
        "authorization: Bearer {key}\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    );
    let mut crowd = Crowd::new();
    for nth in 0..at_once {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let mut gateway = Connection::open(host(&rig.stage.target.simulator)).await?;
        let (halls, lapsing, gate) = (halls.clone(), lapsing.clone(), crowd.gate());
        let headers = headers.clone();
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
                    pay_late(&mut gateway, &headers, &lapsed.held).await?;
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
    let accepted = accepted(rig, measured.from, measured.until).await?;
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

/// The customer pays after all, on the gateway's page; the gateway tells us.
async fn pay_late(gateway: &mut Connection, headers: &str, held: &Held) -> anyhow::Result<()> {
    let booking = &held.booking;
    let body = format!(
        "amount={}&currency=inr&metadata[booking_id]={booking}",
        2 * PRICE
    );
    let answer = gateway
        .ask("POST", "/v1/payment_intents", headers, body.as_bytes())
        .await?
        .expect(200)?;
    let id = answer.text("id").context("a payment's id")?.to_owned();
    let secret = answer
        .text("client_secret")
        .context("a payment's secret")?
        .to_owned();
    let path = format!("/v1/payment_intents/{id}/confirm");
    let body = format!("payment_method=pm_card_visa&client_secret={secret}");
    gateway
        .ask("POST", &path, headers, body.as_bytes())
        .await?
        .expect(200)?;
    Ok(())
}

/// From the decision to the gateway's acceptance of the refund, of all that were decided in between. Waits for the last.
async fn accepted(
    rig: &Rig,
    from: time::OffsetDateTime,
    until: time::OffsetDateTime,
) -> anyhow::Result<Histogram<u64>> {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let rows = sqlx::query(
            "select (extract(epoch from a.answered_at - r.requested_at) * 1000000)::bigint
             from refunds r left join attempts a on a.subject = r.refund_id and a.kind = 'refund' and a.attempt = 1
             where r.requested_at between $1 and $2",
        )
        .bind(from)
        .bind(until)
        .fetch_all(&rig.stage.database)
        .await?;
        let taken: Vec<Option<i64>> = rows.iter().map(|row| row.get(0)).collect();
        if taken.iter().all(Option::is_some) {
            let mut times = empty()?;
            for us in taken.into_iter().flatten() {
                times.saturating_record(u64::try_from(us).unwrap_or(1).max(1));
            }
            ensure!(!times.is_empty(), "nobody came late");
            return Ok(times);
        }
        ensure!(
            Instant::now() < patience,
            "refunds were not accepted within a minute"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

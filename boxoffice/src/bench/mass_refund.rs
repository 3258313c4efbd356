//! `mass-refund`: shows that are sold are cancelled, and all their money goes back, as fast as the gateway permits; while other
//! customers, who have paid twice, want theirs as soon as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use boxoffice_booking_api::operators::act;
use boxoffice_booking_api::shows::{CancelShow, MOST_SEATS, NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use boxoffice_turn::postgres::PgStore;
use clap::Args;
use secrecy::ExposeSecret;
use sqlx::Row;

use super::crowd::Crowd;
use super::floor::Stands;
use super::load::{Client, Halls, PRICE, fresh_id};
use super::meter::resident_kib;
use super::report::{Figure, Level, Report, Spread, Unit};
use super::returns::{self, Payer};
use super::rig::{Rig, Wanted, says};
use crate::failure::Failure;
use crate::orders::order;

/// What is measured.
#[derive(Debug, Args)]
pub struct MassRefund {
    /// So many paid bookings are cancelled, each of one seat. A show has at most 40,000 seats: with more than that it is
    /// several shows, all cancelled together.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    bookings: u32,
    /// So many refunds a second the gateway permits. Cancelled shows get their share of it (line.mass_share_percent, four
    /// fifths).
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(2..))]
    rate: u32,
    /// So many other refunds a second are asked for, before and meanwhile.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    ordinary: u32,
    /// They are measured for so many seconds before anything is cancelled.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// So many customers at a time buy what is cancelled later.
    #[arg(long, default_value_t = 128)]
    at_once: usize,
    /// How long the gateway takes for an answer, in milliseconds.
    #[arg(long, default_value_t = 50)]
    answer_ms: u32,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Of the gateway's rate, what cancelled shows get: our default.
const SHARE: f64 = 0.8;
/// Seats in a row.
const SEATS: u16 = 250;
/// Other customers at a time.
const OTHERS: usize = 32;
/// Before the first measurement, for plans and connections.
const WARM_UP: Duration = Duration::from_secs(5);
/// The pause between two looks at how far the refunds are.
const STEP: Duration = Duration::from_secs(1);
/// Without one more refund for so long this is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures.
///
/// # Errors
/// When the system cannot be started, a booking is refused, money does not come back, or a promise is broken.
pub async fn run(mass: &MassRefund) -> Result<Report, Failure> {
    // As many as come in the time that the gateway takes, and half as many again.
    let in_flight = (mass.rate * mass.answer_ms / 1_000 * 3 / 2).max(16);
    let wanted = Wanted {
        progress: !mass.json,
        settings: &[
            ("BOXOFFICE_TASKS__IN_FLIGHT", &in_flight.to_string()),
            ("BOXOFFICE_TASKS__MASS_IN_FLIGHT", &in_flight.to_string()),
        ],
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(mass, rig).await).await
}

async fn measure(mass: &MassRefund, rig: &mut Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("mass-refund", Stands::Everything);
    permit(rig, mass.rate).await?;
    returns::answers_after(rig, mass.answer_ms.into()).await?;
    let shows = sold(mass, rig).await?;
    says(
        !mass.json,
        &format!("{} bookings of {} shows paid", mass.bookings, shows.len()),
    );
    let floor = rig.floor().await?;
    says(!mass.json, &floor.in_words());

    let mut others = others(mass, rig).await?;
    others.until(Instant::now() + WARM_UP).await?;
    let begun = rig.stage.now().await?;
    let seconds = Duration::from_secs(mass.seconds);
    others.until(Instant::now() + seconds).await?;
    let cancelled = rig.stage.now().await?;
    let pid = rig.all.as_ref().context("every role")?.pid();
    let mut resident = vec![(0, resident_kib(pid)?)];
    let since = Instant::now();
    cancel(rig, &shows).await?;
    let (all, mut moved) = (i64::from(mass.bookings), Instant::now());
    loop {
        others.until(Instant::now() + STEP).await?;
        let done = returned(rig, &shows).await?.refunds;
        let before = resident.last().map_or(0, |(done, _)| *done);
        resident.push((done, resident_kib(pid)?));
        if done == all {
            break;
        }
        if done > before {
            moved = Instant::now();
        }
        ensure!(
            moved.elapsed() < PATIENCE,
            "{done} of {all} refunds were made, and for a minute no other"
        );
    }
    let took = since.elapsed();
    let over = rig.stage.now().await?;
    others.end().await?;

    let alone = Spread::of(&returns::accepted(rig, begun, cancelled).await?);
    let beside = Spread::of(&returns::accepted(rig, cancelled, over).await?);
    let returned = returned(rig, &shows).await?;
    let permitted = f64::from(mass.rate) * SHARE;
    let mib = |kib: u64| kib as f64 / 1_024.0;
    let figure = |name: &str, kib: u64| Figure::new(name, mib(kib), Unit::Mebibytes);
    let at = |part: i64| {
        let there = resident.iter().find(|(done, _)| *done >= part);
        there.map_or(0, |(_, kib)| *kib)
    };
    let most = resident.iter().map(|(_, kib)| *kib).max();
    let levels = [
        Level {
            load: format!("{} refunds a second, nothing cancelled", mass.ordinary),
            times_ms: vec![("decision → refund accepted".to_owned(), alone)],
            ..Level::default()
        },
        Level {
            load: format!("beside the refunds of {all} cancelled bookings"),
            units: mass.bookings as usize,
            times_ms: vec![("decision → refund accepted".to_owned(), beside)],
            figures: vec![
                Figure::new(
                    "of the rate that the gateway permits them",
                    100.0 * returned.per_second / permitted,
                    Unit::Percent,
                ),
                Figure::new(
                    "others' p50, of before",
                    beside.p50 / alone.p50,
                    Unit::Times,
                ),
                Figure::new(
                    "others' p99, of before",
                    beside.p99 / alone.p99,
                    Unit::Times,
                ),
                Figure::time("all returned after", took),
                figure("memory before", at(0)),
                figure("memory half-way", at(all / 2)),
                figure("memory at the end", at(all)),
                figure("memory at most", most.unwrap_or_default()),
            ],
            ..Level::default()
        },
    ];
    for mut level in levels {
        level.floor = floor;
        says(!mass.json, &level.in_words(report.stands));
        report.levels.push(level);
    }
    report.audit = rig.audit().await?;
    Ok(report)
}

/// The gateway account as it would be set where the gateway permits so many refunds a second.
async fn permit(rig: &mut Rig, rate: u32) -> anyhow::Result<()> {
    let secret = &rig.stage.target.webhook_secret;
    let simulator = &rig.stage.target.simulator;
    let key = rig.ground.config.simulator.api_key.expose_secret();
    let burst = rate.div_ceil(10);
    let account = format!(
        r#"[{{ gateway = "stripe", secrets = ["{secret}"],
               api = {{ base_url = "{simulator}", api_key = "{key}", timeout_ms = 5000 }},
               line = {{ calls_per_second = {rate}, burst = {burst}, open_seconds = 2 }} }}]"#
    )
    .replace('\n', " ");
    rig.all = None;
    rig.set("BOXOFFICE_GATEWAYS", &account);
    rig.start_all()?;
    rig.ready().await
}

/// Shows, and in them as many bookings as are asked for, paid at the gateway.
async fn sold(mass: &MassRefund, rig: &Rig) -> anyhow::Result<Vec<ShowId>> {
    let all = mass.bookings as usize;
    let mut shows = Vec::new();
    let mut seats = Vec::new();
    for nth in 0..all.div_ceil(MOST_SEATS) {
        let rows = (all - nth * MOST_SEATS)
            .min(MOST_SEATS)
            .div_ceil(SEATS.into());
        let starts_at = rig.stage.now().await? + time::Duration::days(7);
        let show = NewShow::hall(
            &format!("Cancelled {nth}"),
            starts_at,
            "INR".parse()?,
            u16::try_from(rows)?,
            SEATS,
            PRICE,
        );
        let id = create_show(&rig.stage.database, &show).await?;
        put_on_sale(&rig.stage.database, id).await?;
        shows.push(id);
        seats.extend(show.seats.into_iter().map(|seat| (id, [seat.seat])));
    }
    seats.truncate(all);
    let (seats, next) = (Arc::new(seats), Arc::new(AtomicUsize::new(0)));
    let mut crowd = Crowd::new();
    for nth in 0..mass.at_once {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let mut payer = Payer::connect(rig).await?;
        let (seats, next) = (seats.clone(), next.clone());
        crowd.join(async move {
            while let Some((show, seat)) = seats.get(next.fetch_add(1, Ordering::Relaxed)) {
                let held = client.hold(*show, seat).await?;
                payer.pay(&held, PRICE).await?;
                client.wait_for(&held, "CONFIRMED").await?;
            }
            Ok(())
        });
    }
    crowd.all().await?;
    Ok(shows)
}

/// Customers who pay once more for what they have: so many a second, whatever becomes of them.
async fn others(mass: &MassRefund, rig: &Rig) -> anyhow::Result<Crowd<()>> {
    let halls = Arc::new(Halls::new()?);
    // The cancelled show alone takes as long as its bookings need at the gateway's rate; twice that, and some.
    let seconds = f64::from(mass.bookings) / (f64::from(mass.rate) * SHARE) * 2.0;
    let most = f64::from(mass.ordinary) * (seconds + mass.seconds as f64 + 120.0);
    halls.make(&rig.stage, most as usize).await?;
    let (start, rate) = (Instant::now(), f64::from(mass.ordinary));
    let next = Arc::new(AtomicU64::new(0));
    let mut crowd = Crowd::new();
    for nth in 0..OTHERS {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let mut payer = Payer::connect(rig).await?;
        let (halls, next, gate) = (halls.clone(), next.clone(), crowd.gate());
        crowd.join(async move {
            while gate.is_open() {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let due = start + Duration::from_secs_f64(nth as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                let (show, seats) = halls.next().await?;
                let held = client.hold(show, &seats).await?;
                client.webhook(&held, 2 * PRICE).await?;
                client.wait_for(&held, "CONFIRMED").await?;
                payer.pay(&held, 2 * PRICE).await?;
            }
            Ok(())
        });
    }
    Ok(crowd)
}

/// An operator cancels them.
async fn cancel(rig: &Rig, shows: &[ShowId]) -> anyhow::Result<()> {
    let store = PgStore::new(rig.stage.target.database.parse()?, 1, Arc::default());
    let by = order(Some("measured".to_owned()));
    for show in shows {
        act(&store, &by, None, &CancelShow(*show))
            .await
            .with_context(|| format!("show {show} cannot be cancelled"))?;
    }
    Ok(())
}

/// What has come back of cancelled shows.
struct Returned {
    refunds: i64,
    /// From the first to the last.
    per_second: f64,
}

async fn returned(rig: &Rig, shows: &[ShowId]) -> anyhow::Result<Returned> {
    let shows: Vec<i64> = shows.iter().map(|show| show.as_i64()).collect();
    let row = sqlx::query(
        "select count(*), coalesce(count(*) / nullif(extract(epoch from max(done_at) - min(done_at)), 0), 0)::float8
         from refunds where show_id = any($1) and cause = 'SHOW_CANCELLED' and standing = 'DONE'",
    )
    .bind(shows)
    .fetch_one(&rig.stage.database)
    .await?;
    Ok(Returned {
        refunds: row.get(0),
        per_second: row.get(1),
    })
}

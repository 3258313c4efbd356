//! `soak`: bookings at a moderate rate, for long, every role a process of its own. Does the memory of any of them grow?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use super::crowd::Crowd;
use super::floor::Stands;
use super::load::{self, Client, Halls, PRICE, Times, fresh_id, us};
use super::meter::resident_kib;
use super::report::{Figure, Level, Report, Spread, Unit};
use super::returns::Payer;
use super::rig::{Part, Rig, Wanted, says};
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Soak {
    /// For so many seconds, after the warm-up.
    #[arg(long, default_value_t = 3_600)]
    seconds: u64,
    /// Before that everything runs for so many seconds: until pools, queues and allocators have what they need.
    #[arg(long, default_value_t = 600)]
    warm_up: u64,
    /// So many bookings a second. By default fewer than letters can be sent (mail.per_second), so that nothing piles up.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Memory is looked at every so many seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// By so many percent a role's memory may grow from the end of the warm-up to the end, by the straight line through all
    /// that was seen. More is a failure.
    #[arg(long, default_value_t = 10.0)]
    most_percent: f64,
    /// So many shows of 10,000 seats are on sale at a time.
    #[arg(long, default_value_t = load::SHOWS)]
    shows: usize,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Each in a process of its own.
const ROLES: [&str; 7] = [
    "ingress",
    "coordinator",
    "relay",
    "refunds",
    "notifications",
    "analytics",
    "api",
];
/// Customers' connections.
const CONNECTIONS: usize = 64;
/// One customer of so many pays twice, and gets the second payment back.
const TWICE: u64 = 20;

/// Measures.
///
/// # Errors
/// When the system cannot be started, a booking is refused, or a promise is broken. Memory that grows by more than it may is in
/// the report.
pub async fn run(soak: &Soak) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !soak.json,
        roles: &ROLES[..1],
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(soak, rig).await).await
}

async fn measure(soak: &Soak, rig: &Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("soak", Stands::Everything);
    let parts = parts(rig).await?;
    let all = std::iter::once((ROLES[0], rig.all.as_ref().context("the first role")?));
    let all = all.chain(parts.iter().map(|(role, part)| (*role, part)));
    let all: Vec<(&str, u32)> = all.map(|(role, part)| (role, part.pid())).collect();
    let halls = Arc::new(Halls::of_holds(load::HOLD_MS, soak.shows)?);
    let most = u64::from(soak.rate) * (soak.warm_up + soak.seconds + soak.every);
    halls.make(&rig.stage, usize::try_from(most)?).await?;
    let floor = rig.floor().await?;
    says(!soak.json, &floor.in_words());

    let mut crowd = customers(soak, rig, &halls).await?;
    let begun = Instant::now() + Duration::from_secs(soak.warm_up);
    crowd.until(begun).await?;
    let mut seen: Vec<Vec<f64>> = vec![Vec::new(); all.len()];
    for nth in 0..=soak.seconds / soak.every {
        let second = nth * soak.every;
        crowd.until(begun + Duration::from_secs(second)).await?;
        let mut level = Level {
            load: format!("after {second} s"),
            ..Level::default()
        };
        for ((role, pid), seen) in all.iter().zip(&mut seen) {
            let mib = resident_kib(*pid)? as f64 / 1_024.0;
            seen.push(mib);
            level.figures.push(Figure::new(role, mib, Unit::Mebibytes));
        }
        says(!soak.json, &level.in_words(Stands::Everything));
        report.levels.push(level);
    }
    let times = Times::of_all(&crowd.end().await?)?;
    let mut level = Level {
        load: format!("{} a second", soak.rate),
        floor,
        units: times.confirmed.len() as usize,
        times_ms: vec![
            ("hold".to_owned(), Spread::of(&times.hold)),
            ("paid → confirmed".to_owned(), Spread::of(&times.confirmed)),
        ],
        ..Level::default()
    };
    for ((role, _), seen) in all.iter().zip(&seen) {
        let (_, slope) = line(seen);
        let per_hour = slope * 3_600.0 / soak.every as f64;
        let name = format!("{role} grows in an hour by");
        level
            .figures
            .push(Figure::new(&name, per_hour, Unit::Mebibytes));
        report.exceeded.extend(grown(role, seen, soak.most_percent));
    }
    says(!soak.json, &level.in_words(report.stands));
    report.levels.push(level);
    report.audit = rig.audit().await?;
    Ok(report)
}

/// The other roles. The usual door for their health is the same for all of them.
async fn parts(rig: &Rig) -> anyhow::Result<Vec<(&'static str, Part)>> {
    let mut parts = Vec::new();
    for role in &ROLES[1..] {
        parts.push((*role, rig.beside(role, &[])?));
    }
    rig.answers(&format!("{}/readyz", rig.stage.target.api))
        .await?;
    Ok(parts)
}

/// So many a second, whatever becomes of them, paid at the gateway; some of them twice.
async fn customers(soak: &Soak, rig: &Rig, halls: &Arc<Halls>) -> anyhow::Result<Crowd<Times>> {
    let (start, rate) = (Instant::now(), f64::from(soak.rate));
    let next = Arc::new(AtomicU64::new(0));
    let mut crowd = Crowd::new();
    for nth in 0..CONNECTIONS {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let mut payer = Payer::connect(rig).await?;
        let (halls, next, gate) = (halls.clone(), next.clone(), crowd.gate());
        crowd.join(async move {
            let mut times = Times::new()?;
            while gate.is_open() {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let due = start + Duration::from_secs_f64(nth as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                let (show, seats) = halls.next().await?;
                let held = client.hold(show, &seats).await?;
                times.hold.saturating_record(us(due.elapsed()));
                let paid = Instant::now();
                payer.pay(&held, 2 * PRICE).await?;
                client.wait_for(&held, "CONFIRMED").await?;
                times.confirmed.saturating_record(us(paid.elapsed()));
                if nth % TWICE == 0 {
                    payer.pay(&held, 2 * PRICE).await?;
                }
            }
            Ok(times)
        });
    }
    Ok(crowd)
}

/// What to say if a role's memory has grown by more than so many percent.
fn grown(role: &str, seen: &[f64], most_percent: f64) -> Option<String> {
    let (from, slope) = line(seen);
    let percent = 100.0 * slope * (seen.len() - 1) as f64 / from;
    (percent > most_percent).then(|| {
        format!("the memory of {role} grows by {percent:.1} %, not only in the warm-up (--most-percent {most_percent})")
    })
}

/// The straight line through values one step apart, by least squares: its beginning, and how much it rises with each step.
fn line(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let (mut with, mut squares) = (0.0, 0.0);
    for (nth, value) in values.iter().enumerate() {
        let step = nth as f64 - middle;
        with += step * (value - mean);
        squares += step * step;
    }
    // A single value rises nowhere.
    let slope = if squares > 0.0 { with / squares } else { 0.0 };
    (mean - slope * middle, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_is_told_and_fails_the_measurement() {
        let up = [100.0, 106.0, 112.0];
        assert_eq!(grown("relay", &up, 12.5), None);
        assert_eq!(grown("relay", &[100.0, 120.0, 100.0], 10.0), None);
        let mut report = Report::default();
        assert!(report.print(true).is_ok());
        report.exceeded.extend(grown("relay", &up, 10.0));
        assert!(report.exceeded[0].contains("relay grows by 12.0 %"));
        assert!(report.print(true).is_err());
    }

    #[test]
    fn a_line_goes_through_what_lies_on_it() {
        for (values, from, slope) in [
            (vec![7.0], 7.0, 0.0),
            (vec![5.0, 5.0, 5.0], 5.0, 0.0),
            (vec![1.0, 3.0, 5.0, 7.0], 1.0, 2.0),
        ] {
            let (begun, rises) = line(&values);
            assert!((begun - from).abs() < 1e-9 && (rises - slope).abs() < 1e-9);
        }
    }
}

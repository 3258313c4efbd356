//! The first booking: from hold to ticket, by the doors that everybody uses, with the time each step took.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::stage;
use super::system::System;
use crate::demo::Stage;
use crate::failure::Failure;
use crate::terminal;

/// Drives one booking and tells of it.
///
/// # Errors
/// When a step does not come about, which on a fresh system is a defect.
pub async fn tell(system: &System) -> Result<(), Failure> {
    let stage = stage(system).await?;
    terminal::line(terminal::bold("One booking, from hold to ticket"));
    booking(system, &stage).await.map_err(|error| {
        Failure::because("the first booking did not come about", error.as_ref()).advise(format!(
            "the log is {}",
            system.place().log_file().display()
        ))
    })
}

async fn booking(system: &System, stage: &std::sync::Arc<Stage>) -> anyhow::Result<()> {
    let show = stage.show("Your first booking", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let clock = Instant::now();
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    let clock = step(
        clock,
        format!("Ann holds A-1 and A-2 of show {show}: booking {booking}"),
    );
    let attempt = ann.open_payment(&booking).await?;
    let clock = step(
        clock,
        format!(
            "boxoffice opens payment {} at the gateway",
            attempt.gateway_payment_id
        ),
    );
    ann.pay(&attempt).await?;
    let clock = step(
        clock,
        "Ann pays there with her card, as her browser would".to_owned(),
    );
    let status = ann.wait_for(&booking, "CONFIRMED").await?;
    let clock = step(
        clock,
        format!(
            "signed webhook → ingress → Kafka → coordinator → PostgreSQL → Ann sees {}",
            status["status"]
        ),
    );
    let ticket = status["ticket_url"]
        .as_str()
        .context("no ticket")?
        .to_owned();
    let events = ["HoldPlaced", "PaymentCompleted", "BookingConfirmed"]
        .map(str::to_owned)
        .to_vec();
    let seen = stage
        .until(&events, async || Ok(stage.events.of(&booking)))
        .await?;
    anyhow::ensure!(
        seen == events,
        "Kafka carries {seen:?} instead of {events:?}"
    );
    let clock = step(clock, format!("Kafka carries {}", events.join(", ")));
    let letter = letter(system, &booking).await?;
    step(
        clock,
        format!("the letter with her ticket and its QR code: {letter}"),
    );
    terminal::line(format!("        the ticket itself: {ticket}\n"));
    Ok(())
}

fn step(since: Instant, what: String) -> Instant {
    let took = format!("{:>6} ms", since.elapsed().as_millis());
    terminal::line(format!("{}  {what}", terminal::dim(&took)));
    Instant::now()
}

async fn letter(system: &System, booking: &str) -> anyhow::Result<String> {
    let dir = system.config().simulator.mail_files.clone();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let files = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let mut names = files.map(|file| file.path().display().to_string());
        if let Some(letter) = names.find(|name| name.contains(booking) && name.ends_with(".eml")) {
            return Ok(letter);
        }
        anyhow::ensure!(Instant::now() < until, "no letter in {}", dir.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

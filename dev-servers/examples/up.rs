//! Starts both servers in a directory, prints where they are, and waits for Ctrl-C.
//!
//! `cargo run -p boxoffice-dev-servers --example up -- DIRECTORY`

use std::error::Error;
use std::path::PathBuf;

use boxoffice_dev_servers::{Bar, Kafka, KafkaOptions, Postgres, PostgresOptions, fetch};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "an example whose output is for a script to read"
)]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("give a directory")?);
    let mut terminate = signal(SignalKind::terminate())?;
    let fetched = fetch(&Bar::default()).await?;

    let (kafka_options, postgres_options) = (
        KafkaOptions::new(dir.join("kafka")),
        PostgresOptions::new(dir.join("postgres")),
    );
    let (kafka, postgres) = tokio::join!(
        Kafka::start(&fetched, &kafka_options),
        Postgres::start(&fetched, &postgres_options),
    );
    let (mut kafka, mut postgres) = (kafka?, postgres?);
    println!("KAFKA={}", kafka.bootstrap());
    println!("DATABASE_URL={}", postgres.url());
    let pids = [kafka.pid(), postgres.pid()]
        .map(|pid| pid.map_or_else(String::new, |pid| pid.to_string()));
    println!("PIDS={}", pids.join(" "));

    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
        ended = kafka.exited() => eprintln!("Kafka ended by itself: {}, see {}", ended?, kafka.log().display()),
        ended = postgres.exited() => eprintln!("PostgreSQL ended by itself: {}, see {}", ended?, postgres.log().display()),
    }
    kafka.stop().await?;
    postgres.stop().await?;
    Ok(())
}

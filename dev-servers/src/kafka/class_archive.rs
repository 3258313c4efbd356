//! Kafka's classes, loaded once and written down as this Java wants them in memory (a dynamic CDS archive).

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Kafka, KafkaOptions};
use crate::fetch::Fetched;

/// Writing the archive takes the JVM a few seconds after Kafka has stopped.
const DEADLINE: Duration = Duration::from_secs(60);

/// The archive of one Java, beside the jars it was made from.
pub(crate) fn file(directory: &Path, java_version: &str) -> PathBuf {
    let version: String = java_version
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    directory.join(format!("kafka-java-{version}.jsa"))
}

/// Runs Kafka once, to be told at its end which classes it needed.
pub(crate) async fn make(
    fetched: &Fetched,
    scratch: &Path,
    archive: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let unfinished = scratch.join("kafka.jsa");
    let mut options = KafkaOptions::new(scratch.join("kafka"));
    options.archive_to = Some(unfinished.clone());
    let mut kafka = Kafka::start(fetched, &options).await?;
    if let Some(process) = &kafka.process {
        process.stop(Signal::SIGTERM, DEADLINE).await?;
    }
    kafka.stop().await?;
    Ok(std::fs::rename(unfinished, archive)?)
}

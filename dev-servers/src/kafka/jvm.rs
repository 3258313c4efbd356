//! The Java command line that Kafka's programs share.

use std::path::Path;
use std::process::Command;

use super::Tuning;
use crate::fetch::Fetched;

/// `java` with Kafka's class path.
pub(crate) fn java(fetched: &Fetched, tuning: Tuning, archive: Option<&Path>) -> Command {
    let mut command = Command::new(&fetched.java);
    command.args(match tuning {
        Tuning::Small => ["-Xms64m", "-Xmx192m"].as_slice(),
        Tuning::Roomy => &["-Xms640m", "-Xmx640m", "-Xmn448m"],
    });
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k"]);
    if let Some(archive) = archive {
        // `auto` is the default: an archive that does not fit is left aside.
        command.arg(format!("-XX:SharedArchiveFile={}", archive.display()));
    }
    command
        .args([
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-cp",
        ])
        .arg(class_path(&fetched.kafka_lib));
    command
}

/// Each jar by name and sorted: `*` would follow the order of the directory, and a class archive fits one order only.
fn class_path(kafka_lib: &Path) -> String {
    let mut jars: Vec<String> = std::fs::read_dir(kafka_lib)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .collect();
    jars.sort();
    jars.join(":")
}

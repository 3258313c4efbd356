//! A reader in another language, with another Kafka client, understands what we publish.

use std::path::Path;

use boxoffice_contracts::Python;
use serde_json::Value;

use crate::{scenes, servers, system};

/// What the demo's scenes are bound to bring about.
const EVENTS: [&str; 9] = [
    "HoldPlaced",
    "HoldExpired",
    "PaymentCompleted",
    "BookingConfirmed",
    "PaymentFailed",
    "BookingFailed_InitiateRefund",
    "PaymentRejected_InitiateRefund",
    "RefundInitiated",
    "RefundCompleted",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outsider_in_python_understands_every_event_of_the_demo() {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = Python::ready(tools).unwrap_or_else(|error| panic!("{error:#}"));
    let system = system::shared().await;
    scenes::played().await;
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    let (understood, summary) = read(&python, &system.target.kafka, &schemas);
    assert!(understood, "{summary:#}");
    for event in EVENTS {
        let count = summary["events"][event].as_u64();
        assert!(count.is_some_and(|count| count > 0), "{event}: {summary:#}");
    }

    // And it would say so if it did not: here it lacks one schema, and another says what is not so.
    let wrong = servers::fresh_dir("wrong-schemas");
    copy(&schemas, &wrong);
    std::fs::remove_file(wrong.join("bookings.events.v1/RefundCompleted.json")).expect("a schema");
    let holds = wrong.join("bookings.events.v1/HoldPlaced.json");
    let lie = std::fs::read_to_string(&holds)
        .expect("a schema")
        .replace("date-time", "uuid");
    std::fs::write(&holds, lie).expect("a schema");
    let (understood, summary) = read(&python, &system.target.kafka, &wrong);
    assert!(!understood, "{summary:#}");
    assert!(summary["events"].get("RefundCompleted").is_none());
    assert!(summary["events"].get("HoldPlaced").is_none());
}

/// Whether the outsider understood everything, and its summary.
fn read(python: &Python, brokers: &str, schemas: &Path) -> (bool, Value) {
    let read = python
        .run("read_events.py")
        .args(["--brokers", brokers, "--schemas"])
        .arg(schemas)
        .output()
        .expect("Python runs");
    let summary = serde_json::from_slice(&read.stdout).unwrap_or_else(|error| {
        panic!(
            "no summary: {error}: {}",
            String::from_utf8_lossy(&read.stderr)
        )
    });
    (read.status.success(), summary)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let (from, name) = entry
            .map(|entry| (entry.path(), entry.file_name()))
            .expect("a file");
        if from.is_dir() {
            copy(&from, &to.join(name));
        } else {
            std::fs::copy(&from, to.join(name)).expect("a copy");
        }
    }
}

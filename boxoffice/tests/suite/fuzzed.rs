//! Somebody else's fuzzer reads our OpenAPI document, tries every door by it in every way that it knows, and finds
//! nothing: no 5xx, no answer that the document does not describe, no bad input that passes, no door without its
//! lock.

use std::path::Path;

use boxoffice::demo::Stage;
use boxoffice_contracts::Python;

use crate::{servers, system};

/// Cases per door and phase.
const CASES: &str = "40";

/// What a good request may be answered with, beside success. A fuzzer cannot know which seats a show has, which
/// are taken, or that a hold is over; the codes say which it was.
const ANSWERS: &str = r#"["2xx", "304", "400", "401", "403", "404", "409", "413", "422", "429"]"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fuzzer_finds_nothing() {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = Python::ready(tools).unwrap_or_else(|error| panic!("{error:#}"));
    let system = system::shared().await;
    let api = system
        .another_api(&[
            // It comes from one address, as one user, and fast.
            ("BOXOFFICE_API__USER_PER_SECOND", "0"),
            ("BOXOFFICE_API__ADDRESS_PER_SECOND", "0"),
            // It reads an event stream to its end.
            ("BOXOFFICE_API__EVENT_STREAM_SECONDS", "1"),
        ])
        .await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Fuzzed", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let seed = rand::random::<u32>();
    // The links lead from a hold to its booking, and on to its payment.
    let pinned = format!("\"path.show\" = {show}\n");
    let phases = "examples,coverage,fuzzing,stateful";
    fuzz(&python, &api.url, &pinned, ann.token(), seed, phases);
    // And one booking that is confirmed, with its ticket.
    let bob = stage.customer("bob").await.expect("a customer");
    let booking = bob.hold(show, &["B-5"]).await.expect("a hold");
    let attempt = bob.open_payment(&booking).await.expect("an attempt");
    bob.pay(&attempt).await.expect("paid");
    bob.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let pinned = format!(
        "{pinned}\"path.booking\" = \"{booking}\"\n\"path.payment\" = \"{}\"\n",
        attempt.payment_id
    );
    fuzz(
        &python,
        &api.url,
        &pinned,
        bob.token(),
        seed,
        "coverage,fuzzing",
    );
    let status = bob.status(&booking).await.expect("a status");
    assert_eq!(status["status"], "CONFIRMED");
}

/// Lets the fuzzer loose on all doors, with some parameters pinned to what exists.
fn fuzz(python: &Python, api: &str, pinned: &str, token: &str, seed: u32, phases: &str) {
    let dir = servers::fresh_dir("fuzzed");
    let settings = format!(
        "[parameters]\n{pinned}[checks]\npositive_data_acceptance.expected-statuses = {ANSWERS}\n"
    );
    std::fs::write(dir.join("schemathesis.toml"), settings).expect("a file");
    let report = python
        .tool("schemathesis")
        .current_dir(&dir)
        .args(["run", &format!("{api}/v1/openapi.json")])
        .args(["--checks", "all", "--phases", phases])
        .args(["--max-examples", CASES, "--seed", &seed.to_string()])
        .args(["--request-timeout", "40", "--no-color", "--header"])
        .arg(format!("Authorization: Bearer {token}"))
        .output()
        .expect("the fuzzer runs");
    assert!(
        report.status.success(),
        "seed {seed}: {}{}",
        String::from_utf8_lossy(&report.stdout),
        String::from_utf8_lossy(&report.stderr)
    );
}

//! Somebody else's fuzzer reads our OpenAPI document, tries every door by it in every way that it knows, and finds
//! nothing: no 5xx, no answer that the document does not describe, no bad input that passes, no door without its
//! lock.

use std::path::Path;

use boxoffice::demo::Stage;
use boxoffice_contracts::Python;

use crate::operator::Operator;
use crate::{servers, system};

/// Cases per door and phase.
const CASES: &str = "25";

/// What a good request may be answered with. Beside the fuzzer's own list 422: it cannot know which seats a show has.
/// Operators import by JSON or CSV, each with a query of its own, which a document cannot say; and `7.0` is an
/// integer to JSON Schema and none to us: 400.
const ANSWERS: &str = r#"["2xx", "3xx", "401", "403", "404", "409", "422", "429"]"#;
const OPERATORS_ANSWERS: &str =
    r#"["2xx", "3xx", "400", "401", "403", "404", "409", "422", "429"]"#;

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
    let fuzz = |pinned: &str, token: &str, more: &[&str]| {
        fuzz(&python, &api.url, pinned, token, seed, more);
    };
    // As a stranger runs it, with nothing but the document.
    fuzz("", ann.token(), &[]);
    // With a show that exists. The links lead from a hold to its booking, and on to its payment.
    let pinned = format!("\"path.show\" = {show}\n");
    let everything = ["--phases", "examples,coverage,fuzzing,stateful"];
    fuzz(&pinned, ann.token(), &everything);
    // One booking that is confirmed, with its ticket.
    let bob = stage.customer("bob").await.expect("a customer");
    let booking = bob.hold(show, &["B-5"]).await.expect("a hold");
    let attempt = bob.open_payment(&booking).await.expect("an attempt");
    bob.pay(&attempt).await.expect("paid");
    bob.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let its_own = format!(
        "{pinned}\"path.booking\" = \"{booking}\"\n\"path.payment\" = \"{}\"\n",
        attempt.payment_id
    );
    let all_but_cancel = [
        "--phases=coverage,fuzzing",
        "--include-path-regex=^/v1/bookings",
        "--exclude-path-regex=/cancel$",
    ];
    fuzz(&its_own, bob.token(), &all_but_cancel);
    let status = bob.status(&booking).await.expect("a status");
    assert_eq!(status["status"], "CONFIRMED");
    // The operators' doors, on a show that may come to any end.
    let show = stage
        .show("Fuzzed by operators", 600_000)
        .await
        .expect("a show");
    let operator = Operator::new(&stage).await;
    let pinned = format!("\"path.show\" = {show}\n");
    let theirs = [
        "--phases=examples,coverage,fuzzing",
        "--include-path-regex=^/v1/admin",
    ];
    fuzz(&pinned, operator.token(), &theirs);
}

/// Lets the fuzzer loose on all doors, with some parameters pinned to what exists.
fn fuzz(python: &Python, api: &str, pinned: &str, token: &str, seed: u32, more: &[&str]) {
    let dir = servers::fresh_dir("fuzzed");
    let operators = more.iter().any(|argument| argument.ends_with("^/v1/admin"));
    let answers = if operators {
        OPERATORS_ANSWERS
    } else {
        ANSWERS
    };
    let settings = format!(
        "[parameters]\n{pinned}[checks]\npositive_data_acceptance.expected-statuses = {answers}\n"
    );
    std::fs::write(dir.join("schemathesis.toml"), settings).expect("a file");
    let report = python
        .tool("schemathesis")
        .current_dir(&dir)
        .args(["run", &format!("{api}/v1/openapi.json")])
        .args(["--checks", "all"])
        .args(more)
        .args(["--max-examples", CASES, "--seed", &seed.to_string()])
        .args(["--request-timeout", "40", "--no-color", "--header"])
        .arg(format!("Authorization: Bearer {token}"))
        .output()
        .expect("the fuzzer runs");
    let said = String::from_utf8_lossy(&report.stdout);
    assert!(
        report.status.success(),
        "seed {seed}: {said}{}",
        String::from_utf8_lossy(&report.stderr)
    );
}

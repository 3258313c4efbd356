//! The gateway goes away while there is much to be refunded, and comes back.

use boxoffice::demo::Stage;
use serde_json::json;

use crate::audience::{
    comes_true, count, not_returned_once, outage, pays, refund_calls, show_for, tell_simulator,
};
use crate::servers;
use crate::system::{Setup, System};

const PEOPLE: usize = 30;
/// In a row, before the circuit opens.
const FAILURES: usize = 3;
const A_SECOND: f64 = 10.0;
const BURST: f64 = 5.0;

/// Little is asked while nobody answers, a call that was not made is no try, and what has gathered goes out at
/// the rate that is permitted, each refund once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_gateway_is_down_refunds_wait_and_then_each_is_made_once() {
    let dir = servers::fresh_dir("gateway-down");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let setup = Setup {
        roles: &["ingress", "--with", "coordinator,relay,api"],
        line: "{ calls_per_second = 10, burst = 5, open_after = 3, open_seconds = 1 }",
        ..Setup::default()
    };
    let mut system = System::start_with(&kafka.bootstrap(), &database, setup).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    // Everybody pays too little, so all of it goes back.
    tell_simulator(&stage, "defaults", json!({ "amount_received": 44_999 })).await;
    let (show, seats) = show_for(&stage, "Gateway down", PEOPLE).await;
    let paid = pays(&stage, show, &seats).await;
    let requested = "select count(*) from refunds where standing = 'REQUESTED'";
    comes_true("every refund is asked for", async || {
        let requested = count(&stage, requested).await;
        (requested == 30).then_some(()).ok_or(requested.to_string())
    })
    .await;

    outage(&stage, Some(503)).await;
    system.also_run("refunds");
    // What opens the circuit, and then one probe after the other.
    comes_true("the gateway is tried again", async || {
        let calls = refund_calls(&stage).await.len();
        (calls >= FAILURES + 6)
            .then_some(())
            .ok_or(calls.to_string())
    })
    .await;
    let refused = refund_calls(&stage).await;
    assert!(
        refused.len() < PEOPLE,
        "not even once per refund: {refused:?}"
    );
    comes_true("each try that was written down was made", async || {
        let tries = "select count(*) from attempts where kind = 'refund'";
        let before = refund_calls(&stage).await.len();
        let tries = count(&stage, tries).await;
        let made = i64::try_from(before).expect("few");
        (tries == made)
            .then_some(())
            .ok_or(format!("{tries} tries, {made} calls"))
    })
    .await;

    outage(&stage, None).await;
    comes_true("all of it goes back", async || {
        let missing = not_returned_once(&stage, &paid).await;
        missing
            .is_empty()
            .then_some(())
            .ok_or(format!("{missing:?}\n{}", system.log()))
    })
    .await;
    let done = "select count(*) from refunds where standing = 'DONE'";
    comes_true("and we know it", async || {
        let done = count(&stage, done).await;
        (done == 30).then_some(()).ok_or(done.to_string())
    })
    .await;
    let made = refund_calls(&stage).await;
    let made: Vec<_> = made
        .iter()
        .filter(|(call, _, status)| call == "refund" && *status == 200)
        .map(|(_, at, _)| *at)
        .collect();
    assert_eq!(made.len(), PEOPLE, "each once");
    let took = (made[PEOPLE - 1] - made[0]).as_seconds_f64();
    let fewest = (f64::from(u16::try_from(PEOPLE).expect("few")) - BURST) / A_SECOND;
    assert!(
        took > fewest / 2.0,
        "by the gateway's own clock they came within {took} s, and {fewest} s would have been right"
    );
    let called = "select count(*) from attention where kind = 'REFUND_STUCK'";
    assert_eq!(count(&stage, called).await, 0, "nobody was called for that");
    system.audit();
}

//! A show with an audience is cancelled: its refunds are paused, resumed and killed in the middle, others go past
//! them, and the gateway's books have each of them once.

use std::process::Child;
use std::sync::Arc;

use boxoffice::demo::Stage;
use boxoffice_saga::identity::ShowId;
use serde_json::{Value, json};

use crate::audience::{
    Booked, PRICE, comes_true, count, not_returned_once, pays, refund_calls, show_for,
};
use crate::operator::Operator;
use crate::servers;
use crate::system::{Setup, System};

const PEOPLE: usize = 240;
/// Calls that may be under way when a pause begins: `tasks.mass_in_flight`.
const UNDER_WAY: usize = 16;

struct Place {
    system: System,
    stage: Arc<Stage>,
    operator: Operator,
    show: ShowId,
    /// People of another show, whose bookings are cancelled one by one.
    others: Vec<Booked>,
}

impl Place {
    /// How many refunds of the show are in a state.
    async fn count(&self, state: &str) -> usize {
        let progress = self.progress().await;
        let states = progress["states"].as_array().expect("states");
        let found = states.iter().find(|found| found["state"] == state);
        let count = found.expect("the state")["refunds"].as_u64();
        usize::try_from(count.expect("a count")).expect("few")
    }

    async fn progress(&self) -> Value {
        let path = format!("shows/{}/refunds", self.show);
        let (status, progress) = self.operator.sees(&path).await;
        assert_eq!(status, 200, "{progress}");
        progress
    }

    async fn pauses(&self, on: bool) -> Value {
        let verb = if on { "pause" } else { "resume" };
        let path = format!("shows/{}/refunds/{verb}", self.show);
        let because = json!({ "reason": "the bank asks us to" });
        let (status, answer) = self.operator.does(&path, &because).await;
        assert_eq!((status, &answer["paused"]), (200, &json!(on)), "{answer}");
        answer
    }

    /// The refunds that the gateway was asked for and has made.
    async fn made(&self) -> usize {
        let calls = refund_calls(&self.stage).await;
        let made = calls
            .iter()
            .filter(|(call, _, status)| call == "refund" && *status == 200);
        made.count()
    }

    /// One of the other show's bookings is cancelled, and its money is back.
    async fn an_ordinary_refund(&mut self) {
        let other = self.others.pop().expect("somebody");
        let path = format!("bookings/{}/cancel", other.1);
        let (status, answer) = self
            .operator
            .does(&path, &json!({ "reason": "he rang" }))
            .await;
        assert_eq!(status, 202, "{answer}");
        let back = [other];
        comes_true("an ordinary refund is made", async || {
            let missing = not_returned_once(&self.stage, &back).await;
            missing
                .is_empty()
                .then_some(())
                .ok_or(format!("{missing:?}"))
        })
        .await;
    }

    async fn until_made(&self, least: usize) {
        comes_true("refunds are made", async || {
            let made = self.made().await;
            (made >= least).then_some(()).ok_or(made.to_string())
        })
        .await;
    }
}

/// A refund worker in a process of its own, which dies without a word when this goes.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_refunds_of_a_cancelled_show_can_be_paused_and_killed_and_hold_up_nobody() {
    let dir = servers::fresh_dir("mass-refunds");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let setup = Setup {
        roles: &["ingress", "--with", "coordinator,relay,api"],
        settings: vec![("BOXOFFICE_API__ADDRESS_PER_SECOND", "0".to_owned())],
        line: "{ calls_per_second = 25, burst = 5, mass_share_percent = 80 }",
        ..Setup::default()
    };
    let system = System::start_with(&kafka.bootstrap(), &database, setup).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let operator = Operator::new(&stage).await;
    let (show, seats) = show_for(&stage, "Called off", PEOPLE).await;
    let paid = pays(&stage, show, &seats).await;
    let (another, seats) = show_for(&stage, "Goes on", 4).await;
    let others = pays(&stage, another, &seats).await;
    for (customer, booking) in paid.iter().chain(&others) {
        let confirmed = customer.wait_for(booking, "CONFIRMED").await;
        confirmed.unwrap_or_else(|error| panic!("{error:#}\n{}", system.log()));
    }
    let mut place = Place {
        system,
        stage,
        operator,
        show,
        others,
    };

    // Paused from the beginning, and over the worker's death.
    place.pauses(true).await;
    let worker = Worker(place.system.start_beside("refunds", None));
    let cancel = format!("shows/{show}/cancel");
    let because = json!({ "reason": "the singer is ill" });
    assert_eq!(place.operator.does(&cancel, &because).await.0, 202);
    comes_true("every refund is taken on", async || {
        let taken_on = place.count("UNDER_WAY").await;
        (taken_on == PEOPLE)
            .then_some(())
            .ok_or(taken_on.to_string())
    })
    .await;
    let progress = place.progress().await;
    assert_eq!(
        (&progress["paused"]["by"], &progress["paused"]["why"]),
        (&json!(place.operator.name), &json!("the bank asks us to"))
    );
    assert_eq!(progress["estimated_end"], Value::Null);
    place.an_ordinary_refund().await;
    drop(worker);
    let worker = Worker(place.system.start_beside("refunds", None));
    place.an_ordinary_refund().await;
    assert_eq!(place.made().await, 2, "not one of the show's");

    // Others go past them.
    place.pauses(false).await;
    place.until_made(10).await;
    place.an_ordinary_refund().await;
    let left = PEOPLE - place.count("DONE").await;
    assert!(left > 0, "the ordinary refund waited for all the others");
    println!("an ordinary refund was made while {left} of the show's waited");
    assert_ne!(place.progress().await["estimated_end"], Value::Null);

    // Paused in the middle, from the command line.
    let number = show.to_string();
    let paused = place
        .system
        .run(&["refund", "pause", &number, "--why", "lunch"]);
    let before = place.made().await;
    assert!(paused.status.success(), "{paused:?}");
    let under_way =
        "select count(*) from tasks where kind = 'mass_refund' and lease_until > clock_timestamp()";
    comes_true("what was under way is finished", async || {
        let under_way = count(&place.stage, under_way).await;
        (under_way == 0).then_some(()).ok_or(under_way.to_string())
    })
    .await;
    let quiet = place.made().await;
    assert!(
        quiet <= before + UNDER_WAY && quiet < PEOPLE,
        "{before} at the pause, {quiet} later"
    );
    assert_eq!(place.pauses(true).await["before"], true);
    place.an_ordinary_refund().await;
    assert_eq!(place.made().await, quiet + 1, "not one of the show's");
    let resumed = place
        .system
        .run(&["refund", "resume", &number, "--why", "back"]);
    assert!(resumed.status.success(), "{resumed:?}");

    // Killed in the middle.
    place.until_made(quiet + 30).await;
    drop(worker);
    let made = place.made().await;
    assert!(made < PEOPLE, "it was not in the middle");
    println!("killed with {made} made");
    place.system.also_run("refunds");
    comes_true("all of it goes back", async || {
        let done = place.count("DONE").await;
        (done == PEOPLE).then_some(()).ok_or(format!("{done} done"))
    })
    .await;
    assert_eq!(
        not_returned_once(&place.stage, &paid).await,
        Vec::<&str>::new()
    );
    let told = place.system.run(&["refund", "progress", &number, "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).expect("a document");
    let progress = place.progress().await;
    assert_eq!(told["states"], progress["states"]);
    let minor = PRICE * i64::try_from(PEOPLE).expect("few");
    let done = json!({
        "state": "DONE", "refunds": PEOPLE, "amounts": [{ "minor": minor, "currency": "INR" }],
    });
    let states = told["states"].as_array().expect("states");
    assert!(states.contains(&done), "{states:?}");
    let elsewhere = states.iter().filter(|state| state["refunds"] != 0).count();
    assert_eq!(elsewhere, 1, "{states:?}");
    assert_eq!(told["estimated_end"], Value::Null);
    assert_eq!(told["paused"], Value::Null);
    place.system.audit();
}

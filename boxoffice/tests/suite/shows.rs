//! Shows, as operators make them: imported, blocked, changed, removed.

use std::sync::Arc;

use boxoffice::demo::{Customer, Stage};
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::operator::{Operator, answer, show_of};
use crate::system::{self, System};

async fn stage() -> (Arc<Stage>, &'static System) {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    (stage, system)
}

/// The seats of a show by state, as everybody sees them.
async fn seat_map(stage: &Stage, show: ShowId) -> Vec<(String, String)> {
    let url = format!("{}/v1/shows/{show}/seats", stage.target.api);
    let (status, map) = answer(stage.http.get(url)).await;
    assert_eq!(status, 200, "{map}");
    let text = |seat: &Value, field: &str| seat[field].as_str().expect("text").to_owned();
    map["seats"]
        .as_array()
        .expect("seats")
        .iter()
        .map(|seat| (text(seat, "seat"), text(seat, "status")))
        .collect()
}

fn a_show(external_ref: &str, title: &str, price: i64) -> Value {
    json!({
        "external_ref": external_ref, "title": title, "starts_at": "2031-05-01T20:00:00Z",
        "terms": { "currency": "INR" },
        "seats": [
            { "seat": "A-1", "row": "A", "number": 1, "section": "Stalls", "price_minor": price },
            { "seat": "A-2", "row": "A", "number": 2, "section": "Stalls", "price_minor": price },
        ],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_are_imported_again_and_again() {
    let (stage, system) = stage().await;
    let operator = Operator::new(&stage).await;
    let (one, two) = (
        format!("{}-1", operator.name),
        format!("{}-2", operator.name),
    );
    let outcomes = |answer: &Value| -> Vec<String> {
        let shows = answer["shows"].as_array().expect("shows");
        let outcome = |show: &Value| show["outcome"].as_str().expect("an outcome").to_owned();
        shows.iter().map(outcome).collect()
    };

    let both = json!([a_show(&one, "One", 100), a_show(&two, "Two", 100)]);
    let (status, first) = operator.does("shows/import?reason=season", &both).await;
    assert_eq!((status, outcomes(&first)), (200, vec!["created".into(); 2]));
    let (_, again) = operator.does("shows/import", &both).await;
    assert_eq!(outcomes(&again), ["unchanged", "unchanged"]);
    let show = show_of(&first["shows"][0]);
    assert_eq!(show_of(&again["shows"][0]), show);

    // A draft changes as a whole; on sale only its title and its time do.
    let (_, dearer) = operator
        .does("shows/import", &a_show(&one, "One", 200))
        .await;
    assert_eq!(outcomes(&dearer), ["updated"]);
    let (status, on_sale) = operator
        .does(&format!("shows/{show}/on-sale"), &json!({}))
        .await;
    assert_eq!((status, &on_sale["new_seats"]), (200, &json!(2)));
    let both = json!([a_show(&one, "One", 300), a_show(&two, "Second", 100)]);
    let (status, mixed) = operator.does("shows/import", &both).await;
    assert_eq!(
        (status, outcomes(&mixed)),
        (200, vec!["refused".into(), "updated".into()])
    );
    assert_eq!(mixed["refused"], 1);
    let (_, renamed) = operator
        .does("shows/import", &a_show(&one, "Uno", 200))
        .await;
    assert_eq!(outcomes(&renamed), ["updated"]);
    let seen = operator.looks_at(show).await;
    assert_eq!(
        (&seen["title"], &seen["status"], &seen["seats"]),
        (&json!("Uno"), &json!("ON_SALE"), &json!({ "AVAILABLE": 2 }))
    );

    // One mistake, named by its place, and nothing of the document is imported.
    let mut broken = a_show(&format!("{}-3", operator.name), "Three", 100);
    broken["seats"][1]["seat"] = json!("A-1");
    let both = json!([a_show(&one, "Changed after all", 200), broken]);
    let (status, problem) = operator.does("shows/import", &both).await;
    assert_eq!((status, &problem["code"]), (422, &json!("show_invalid")));
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("Show 2") && detail.contains("A-1"),
        "{detail}"
    );
    assert_eq!(operator.looks_at(show).await["title"], "Uno");

    let what: Vec<_> = operator
        .record()
        .await
        .into_iter()
        .map(|act| act.0)
        .collect();
    assert_eq!(what.iter().filter(|what| *what == "show.import").count(), 7);

    // The command line knows the same names.
    let file = system.dir.join(format!("{}.json", operator.name));
    std::fs::write(&file, a_show(&one, "Uno", 200).to_string()).expect("a file");
    let file = file.to_str().expect("text");
    let output = system.run(&["show", "import", file, "--json"]);
    let imported: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (output.status.code(), &imported[0]["outcome"]),
        (Some(0), &json!("unchanged"))
    );
    std::fs::write(file, "{").expect("a file");
    assert_eq!(system.run(&["show", "import", file]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_come_from_csv_and_mistakes_are_named_by_line() {
    let (stage, _) = stage().await;
    let operator = Operator::new(&stage).await;
    let query = format!(
        "shows/import?external_ref={}&title=From%20CSV&starts_at=2031-05-01T20:00:00Z&currency=INR&hold_ms=60000",
        operator.name
    );
    let import = async |lines: &str| {
        let csv = format!("seat,row,number,section,price_minor\n{lines}");
        let request = operator.asks(&query).header("content-type", "text/csv");
        answer(request.body(csv)).await
    };
    let (status, problem) = import("A-1,A,1,Stalls,100\nA-2,A,two,Stalls,100\n").await;
    assert_eq!((status, &problem["code"]), (422, &json!("show_invalid")));
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.starts_with("Line 3, column number"), "{detail}");
    let (status, done) = import("A-1,A,1,\"Stalls, left\",100\nA-2,A,2,Stalls,100\n").await;
    assert_eq!(
        (status, &done["shows"][0]["outcome"]),
        (200, &json!("created")),
        "{done}"
    );
    let seen = operator.looks_at(show_of(&done["shows"][0])).await;
    assert_eq!(
        (
            &seen["planned_seats"],
            &seen["terms"]["hold_ms"],
            &seen["status"]
        ),
        (&json!(2), &json!(60_000), &json!("DRAFT"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_operators_and_only_with_a_reason() {
    let (stage, _) = stage().await;
    let operator = Operator::new(&stage).await;
    let show = stage.show("Roles", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let because = json!({ "seats": ["A-1"], "reason": "a pillar" });
    let block = format!("shows/{show}/block");
    let url = |path: &str| format!("{}/v1/admin/{path}", stage.target.api);
    let asked = stage.http.post(url(&block)).json(&because);
    assert_eq!(answer(asked).await.0, 401);
    for path in [
        block.as_str(),
        "shows",
        "shows/import",
        "shows/prune",
        &format!("shows/{show}/cancel"),
    ] {
        let asked = stage
            .http
            .post(url(path))
            .bearer_auth(ann.token())
            .json(&because);
        let (status, problem) = answer(asked).await;
        assert_eq!(
            (status, &problem["code"]),
            (403, &json!("forbidden")),
            "{path}"
        );
    }
    assert!(operator.record().await.is_empty());

    let (status, problem) = operator.does(&block, &json!({ "seats": ["A-1"] })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("reason_missing")));
    let keyed = || operator.asks(&block).header("idempotency-key", "k-1");
    let first = answer(keyed().json(&because)).await;
    assert_eq!(first, (200, json!({ "show_id": show, "changed": ["A-1"] })));
    assert_eq!(
        answer(keyed().json(&because)).await,
        first,
        "the same answer again"
    );
    let other = json!({ "seats": ["A-2"], "reason": "a pillar" });
    let (status, problem) = answer(keyed().json(&other)).await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("idempotency_key_reused"))
    );
    let act = (
        "show.block".to_owned(),
        Some(show.to_string()),
        Some("a pillar".to_owned()),
    );
    assert_eq!(operator.record().await, [act], "done once, recorded once");
    assert!(
        seat_map(&stage, show)
            .await
            .contains(&("A-1".into(), "BLOCKED".into()))
    );

    // What a customer holds is not taken from them, and one such seat refuses all.
    ann.hold(show, &["A-2"]).await.expect("a hold");
    let body = json!({ "seats": ["A-3", "A-2"], "reason": "cameras" });
    let (status, problem) = operator.does(&block, &body).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("seats_unavailable"))
    );
    assert_eq!(problem["seats"], json!(["A-2"]));
    assert!(
        seat_map(&stage, show)
            .await
            .contains(&("A-3".into(), "AVAILABLE".into()))
    );
    let unblock = format!("shows/{show}/unblock");
    let (status, done) = operator
        .does(&unblock, &json!({ "seats": ["A-1", "A-3"] }))
        .await;
    assert_eq!((status, &done["changed"]), (200, &json!(["A-1"])));
    ann.hold(show, &["A-1"])
        .await
        .expect("it is for sale again");
}

/// Operators block and unblock the very seats that customers hold and give up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_holds_a_blocked_seat_however_the_race_goes() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let (stage, system) = stage().await;
    let show = stage.show("Block and hold", 600_000).await.expect("a show");
    let operator = Operator::new(&stage).await;
    let deadlocks = async || {
        let count = "select deadlocks from pg_stat_database where datname = current_database()";
        sqlx::query_scalar::<_, i64>(count)
            .fetch_one(&stage.database)
            .await
            .expect("statistics")
    };
    let before = deadlocks().await;
    let seats: Vec<String> = (1..=5).map(|nth| format!("A-{nth}")).collect();
    let some = |rng: &mut StdRng| -> Vec<String> {
        // In any order: it is not the caller who keeps us from deadlocks.
        let mut some: Vec<_> = seats
            .iter()
            .filter(|_| rng.random_bool(0.5))
            .cloned()
            .collect();
        if rng.random_bool(0.5) {
            some.reverse();
        }
        some
    };
    let buys = async |nth: u64| {
        let mut rng = StdRng::seed_from_u64(seed ^ nth);
        let customer = stage.customer("buyer").await.expect("a customer");
        for _ in 0..25 {
            let wanted = some(&mut rng);
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            let answer = customer.try_hold(show, &wanted).await.expect("an answer");
            let status = answer.status().as_u16();
            assert!([201, 409, 422, 429].contains(&status), "{status}");
            if status == 201 {
                let held: Value = answer.json().await.expect("a hold");
                let booking = held["booking_id"].as_str().expect("an id");
                // Time for others to take what is not theirs.
                customer.status(booking).await.expect("a status");
                let mine = seats_of(&stage, booking).await;
                assert_eq!(
                    mine,
                    i64::try_from(wanted.len()).expect("few"),
                    "seed {seed}: robbed"
                );
                release(&stage, &customer, booking).await;
            }
        }
        0_u32
    };
    let blocks = async |nth: u64| {
        let mut rng = StdRng::seed_from_u64(seed ^ nth);
        let mut done = 0;
        for _ in 0..50 {
            let how = if rng.random_bool(0.5) {
                "block"
            } else {
                "unblock"
            };
            let body = json!({ "seats": some(&mut rng), "reason": "a race" });
            let (status, answer) = operator.does(&format!("shows/{show}/{how}"), &body).await;
            assert!([200, 409, 422].contains(&status), "{status} {answer}");
            done += u32::from(status == 200);
        }
        done
    };
    let buyers = async {
        let all: FuturesUnordered<_> = (0..6).map(&buys).collect();
        all.collect::<Vec<_>>().await
    };
    let blockers = async {
        let all: FuturesUnordered<_> = (100..102).map(&blocks).collect();
        all.collect::<Vec<_>>().await
    };
    let (_, done) = tokio::join!(buyers, blockers);
    assert!(
        done.iter().sum::<u32>() > 0,
        "seed {seed}: nothing was ever blocked"
    );
    assert_eq!(deadlocks().await, before, "seed {seed}: a deadlock");
    system.audit();
}

/// How many seats are held by a booking.
async fn seats_of(stage: &Stage, booking: &str) -> i64 {
    let count = "select count(*) from show_seats where booking_id = $1 and state = 'HELD'";
    let booking: uuid::Uuid = booking.parse().expect("an id");
    sqlx::query_scalar(count)
        .bind(booking)
        .fetch_one(&stage.database)
        .await
        .expect("a count")
}

async fn release(stage: &Stage, customer: &Customer, booking: &str) {
    let url = format!("{}/v1/bookings/{booking}/release", stage.target.api);
    let asked = stage.http.post(url).bearer_auth(customer.token());
    let (status, body) = answer(asked).await;
    assert!([200, 429].contains(&status), "{status} {body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_that_is_over_loses_its_seats_and_keeps_its_bookings() {
    let (stage, system) = stage().await;
    let operator = Operator::new(&stage).await;
    let started = stage.now().await.expect("a clock") - time::Duration::days(40);
    let rupees = "INR".parse().expect("a currency");
    let new = NewShow::hall("Long ago", started, rupees, 1, 3, 45_000);
    let show = create_show(&stage.database, &new).await.expect("a show");
    put_on_sale(&stage.database, show).await.expect("on sale");
    let (ann, bob) = (
        stage.customer("ann").await.expect("a customer"),
        stage.customer("bob").await.expect("a customer"),
    );
    let paid = ann.hold(show, &["A-1"]).await.expect("a hold");
    let posted = stage
        .post_webhook(&paid, &format!("pi_{paid}"), 45_000)
        .await;
    assert_eq!(posted.expect("an answer").status(), 200);
    ann.wait_for(&paid, "CONFIRMED").await.expect("confirmed");
    let held = bob.hold(show, &["A-2"]).await.expect("a hold");
    let cancel = format!("{}/v1/bookings/{held}/cancel", stage.target.api);
    let (status, problem) = answer(stage.http.post(cancel).bearer_auth(bob.token())).await;
    assert_eq!((status, &problem["code"]), (409, &json!("show_started")));

    let prune = json!({ "days": 39, "reason": "spring cleaning" });
    let named = |list: &Value| {
        let shows = list.as_array().expect("a list").iter();
        shows
            .filter(|one| **one == json!(show) || one["show_id"] == json!(show))
            .count()
    };
    let (status, first) = operator.does("shows/prune", &prune).await;
    assert_eq!(
        (status, named(&first["kept"]), named(&first["removed"])),
        (200, 1, 0),
        "{first}"
    );
    release(&stage, &bob, &held).await;
    let (_, second) = operator.does("shows/prune", &prune).await;
    assert_eq!(
        (named(&second["kept"]), named(&second["removed"])),
        (0, 1),
        "{second}"
    );
    let (_, third) = operator.does("shows/prune", &prune).await;
    assert_eq!(named(&third["removed"]), 0);

    let seen = operator.looks_at(show).await;
    assert_eq!(
        (&seen["seats"], &seen["planned_seats"]),
        (&json!({}), &json!(0))
    );
    assert_eq!(seen["bookings"]["CONFIRMED"], 1);
    assert_eq!(
        ann.status(&paid).await.expect("a status")["status"],
        "CONFIRMED"
    );
    let (status, problem) = operator
        .does(&format!("shows/{show}/on-sale"), &json!({}))
        .await;
    assert_eq!((status, &problem["code"]), (409, &json!("show_state")));
    system.audit();
}

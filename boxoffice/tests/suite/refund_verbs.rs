//! What operators do about money that waits for a person, by door and by command: once each, recorded, and never paid
//! twice.

use std::sync::Arc;

use boxoffice::demo::{Customer, Stage};
use boxoffice_saga::identity::ShowId;
use serde_json::{Value, json};

use crate::operator::{Operator, answer};
use crate::replay;
use crate::servers;
use crate::system::{Setup, System};

const PRICE: i64 = 45_000;

/// A system of its own, so that all of its books are of these tests.
async fn own_system(name: &str) -> (System, Arc<Stage>, impl Sized) {
    let dir = servers::fresh_dir(name);
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let system = System::start_with(&kafka.bootstrap(), &database, Setup::default()).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    (system, stage, (kafka, postgres))
}

/// The operators' list of a booking: kinds and subjects.
async fn items(stage: &Stage, booking: &str) -> Vec<(String, String)> {
    sqlx::query_as(
        "select kind, subject::text from attention
         where booking_id = $1::uuid and closed_at is null order by kind, subject",
    )
    .bind(booking)
    .fetch_all(&stage.database)
    .await
    .expect("the list")
}

/// Waits until exactly one thing of this booking waits for a person; what it is about.
async fn waits(stage: &Stage, system: &System, booking: &str, kind: &str) -> String {
    let found = stage
        .until(&vec![kind.to_owned()], async || {
            let items = items(stage, booking).await;
            Ok(items.into_iter().map(|(kind, _)| kind).collect())
        })
        .await;
    assert_eq!(found.expect("the list"), [kind], "{}", system.log());
    let mut items = items(stage, booking).await;
    items.remove(0).1
}

/// A booking that is paid and confirmed.
async fn paid(ann: &Customer, show: ShowId, seat: &str) -> (String, String) {
    let booking = ann.hold(show, &[seat]).await.expect("a hold");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");
    ann.pay(&attempt).await.expect("the gateway takes it");
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    (booking, attempt.gateway_payment_id)
}

/// The same, and then cancelled by its customer while the gateway treats refunds so.
async fn cancelled(
    stage: &Stage,
    ann: &Customer,
    show: ShowId,
    seat: &str,
    gateway: Value,
) -> String {
    let (booking, _) = paid(ann, show, seat).await;
    stage
        .tell_gateway(&booking, gateway)
        .await
        .expect("the simulator listens");
    let url = format!("{}/v1/bookings/{booking}/cancel", stage.target.api);
    let (status, told) = answer(stage.http.post(url).bearer_auth(ann.token())).await;
    assert_eq!(status, 202, "{told}");
    booking
}

/// The keys under which the gateway was asked for refunds of a booking, in order.
async fn keys(stage: &Stage, booking: &str) -> Vec<String> {
    let books = stage.gateway_books(booking).await.expect("books");
    let calls = books["payments"][0]["calls"].as_array().expect("calls");
    calls
        .iter()
        .filter(|call| call["call"] == "refund")
        .filter_map(|call| call["key"].as_str().map(str::to_owned))
        .collect()
}

async fn refunded(ann: &Customer, stage: &Stage, system: &System, booking: &str) {
    let money = vec![
        ("GATEWAY".to_owned(), -PRICE),
        ("REFUNDED".to_owned(), PRICE),
    ];
    let ledger = stage
        .until(&money, async || stage.ledger(booking).await)
        .await;
    assert_eq!(ledger.expect("a ledger"), money, "{}", system.log());
    let told = ann.status(booking).await.expect("a status");
    assert_eq!(told["refund"]["state"], "DONE", "{told}");
    assert_eq!(items(stage, booking).await, [], "nobody has to look at it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_the_gateway_would_not_make_is_made_once_when_it_will() {
    let (system, stage, _servers) = own_system("refund-retry").await;
    let operator = Operator::new(&stage).await;
    let show = stage.show("Tried again", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let refuses = json!({ "refuse": { "refund": { "times": 1, "status": 400 } } });
    let booking = cancelled(&stage, &ann, show, "A-1", refuses).await;
    let refund = waits(&stage, &system, &booking, "refund_not_possible").await;
    let path = format!("refunds/{refund}/retry");

    // Not everybody may, not without a reason, and not without settling the money.
    let url = format!("{}/v1/admin/{path}", stage.target.api);
    let asked = stage.http.post(&url).json(&json!({ "reason": "mine" }));
    let (status, _) = answer(asked.try_clone().expect("no stream")).await;
    assert_eq!(status, 401);
    let (status, problem) = answer(asked.bearer_auth(ann.token())).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
    let (status, problem) = operator.does(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("reason_missing")));
    let settle = format!("attention/refund_not_possible/{refund}/settle");
    let (status, problem) = operator.does(&settle, &json!({ "reason": "tidy" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("money_waits")));
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("`boxoffice refund retry`"), "{detail}");

    let keyed = || {
        let order = operator.asks(&path).header("idempotency-key", &refund);
        answer(order.json(&json!({ "reason": "they say that it works now" })))
    };
    let (status, told) = keyed().await;
    assert_eq!(
        (status, &told["refund"]["standing"], &told["booking_id"]),
        (200, &json!("REQUESTED"), &json!(booking)),
        "{told}"
    );
    refunded(&ann, &stage, &system, &booking).await;
    assert_eq!(
        keyed().await,
        (200, told),
        "the same request is the same act"
    );
    let once = (PRICE, PRICE, 1);
    assert_eq!(stage.books(&booking).await.expect("books"), once);
    let [first, second] = &keys(&stage, &booking).await[..] else {
        panic!("asked twice");
    };
    assert_ne!(first, second, "under the first key it refuses for ever");

    // Done is done.
    for (verb, body) in [
        ("retry", json!({ "reason": "again" })),
        ("other-way", json!({ "reason": "again", "means": "cash" })),
        (
            "settled-elsewhere",
            json!({ "reason": "again", "proof": "receipt 7" }),
        ),
    ] {
        let (status, problem) = operator
            .does(&format!("refunds/{refund}/{verb}"), &body)
            .await;
        assert_eq!(
            (status, &problem["code"]),
            (409, &json!("refund_not_waiting")),
            "{verb}"
        );
    }
    let act = (
        "refund.retry".to_owned(),
        Some(refund),
        Some("they say that it works now".to_owned()),
    );
    assert_eq!(operator.record().await, [act]);

    // Accepted, and then it did not arrive: the gateway has one that failed, and makes another.
    let booking = cancelled(&stage, &ann, show, "A-2", json!({ "refund": "fails" })).await;
    let refund = waits(&stage, &system, &booking, "refund_not_possible").await;
    stage
        .tell_gateway(&booking, json!({}))
        .await
        .expect("the simulator listens");
    let why = ["--reason", "another account", "--json"];
    let said = system.run(&[&["refund", "retry", &refund], &why[..]].concat());
    assert!(said.status.success(), "{said:?}");
    let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(said["refund"]["refund_id"], *refund);
    refunded(&ann, &stage, &system, &booking).await;
    let twice_asked = (PRICE, PRICE, 2);
    assert_eq!(stage.books(&booking).await.expect("books"), twice_asked);

    let nobody = uuid::Uuid::new_v4().to_string();
    let said = system.run(&[&["refund", "retry", &nobody], &why[..]].concat());
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    let path = format!("refunds/{nobody}/retry");
    let (status, problem) = operator.does(&path, &json!({ "reason": "?" })).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    replay::record(&stage.database, show, "retried").await;
    system.audit();
}

/// Paid late, with the seat sold: what goes back cannot go back the way that it came.
async fn seat_lost(stage: &Arc<Stage>, ann: &Customer, show: ShowId) -> String {
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let gateway = json!({
        "webhook": { "only": ["payment_intent.succeeded"], "delay_ms": 5_000 },
        "refuse": {
            "cancel": { "times": 100, "status": 503 },
            "fetch": { "times": 100, "status": 503 },
            "refund": { "times": 1, "status": 400 },
        },
    });
    stage
        .tell_gateway(&booking, gateway)
        .await
        .expect("the simulator listens");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");
    ann.pay(&attempt).await.expect("the gateway takes it");
    let bob = stage.customer("bob").await.expect("a customer");
    let his = bob
        .hold_when_free(show, &["A-1"])
        .await
        .expect("the seat is free");
    let attempt = bob.open_payment(&his).await.expect("an attempt");
    bob.pay(&attempt).await.expect("the gateway takes it");
    booking
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_is_sent_by_another_way_is_not_asked_of_the_gateway_again() {
    let (system, stage, _servers) = own_system("refund-other-way").await;
    let operator = Operator::new(&stage).await;
    let show = stage.show("Another way", 1_500).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = seat_lost(&stage, &ann, show).await;
    let refund = waits(&stage, &system, &booking, "refund_not_possible").await;
    let asked = keys(&stage, &booking).await;
    assert_eq!(asked.len(), 1);

    let other_way = ["refund", "other-way", &refund, "--reason", "she asked"];
    let too_long = "x".repeat(201);
    let said = system.run(&[&other_way[..], &["--means", &too_long]].concat());
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    let said = system.run(&[&other_way[..], &["--means", "transfer to her bank"]].concat());
    assert!(said.status.success(), "{said:?}");
    let words = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(words.contains("WITH_OPERATOR"), "{words}");
    waits(&stage, &system, &booking, "refund_other_way").await;

    let settle = ["attention", "settle", "refund_other_way", &refund];
    let said = system.run(&[&settle[..], &["--reason", "tidy"]].concat());
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        words.contains("boxoffice refund settled-elsewhere"),
        "{words}"
    );
    let path = format!("refunds/{refund}/retry");
    let (status, problem) = operator
        .does(&path, &json!({ "reason": "after all" }))
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("refund_sent_another_way")),
        "{problem}"
    );

    let path = format!("refunds/{refund}/settled-elsewhere");
    for (body, code) in [
        (json!({ "reason": "it is there" }), "invalid_request"),
        (
            json!({ "reason": "it is there", "proof": " " }),
            "invalid_request",
        ),
        (json!({ "proof": "UTR 4711" }), "reason_missing"),
    ] {
        let (_, problem) = operator.does(&path, &body).await;
        assert_eq!(problem["code"], code, "{body}");
    }
    let body = json!({ "reason": "it is there", "proof": "UTR 4711" });
    let (status, told) = operator.does(&path, &body).await;
    assert_eq!(
        (
            status,
            &told["refund"]["standing"],
            &told["refund"]["proof"]
        ),
        (200, &json!("DONE"), &json!("UTR 4711")),
        "{told}"
    );
    assert_eq!(
        (&told["status"], &told["settled"]),
        (&json!("REFUNDED"), &json!(true))
    );
    assert_eq!(
        operator.does(&path, &body).await,
        (200, told),
        "twice is once"
    );
    ann.wait_for(&booking, "REFUNDED").await.expect("refunded");
    refunded(&ann, &stage, &system, &booking).await;
    let moved: Vec<(String, String)> = sqlx::query_as(
        "select from_account, to_account from ledger where booking_id = $1::uuid order by entry",
    )
    .bind(&booking)
    .fetch_all(&stage.database)
    .await
    .expect("the ledger");
    let moved: Vec<_> = moved
        .iter()
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    assert_eq!(
        moved,
        [
            ("GATEWAY", "TO_RETURN"),
            ("TO_RETURN", "OPERATOR"),
            ("OPERATOR", "REFUNDED")
        ]
    );
    let delivered = vec!["delivered".to_owned()];
    let letters = stage
        .until(&delivered, async || {
            let outcomes = "select outcome from deliveries
                 where booking_id = $1::uuid and channel = 'email' and template = 'refunded'";
            let outcomes = sqlx::query_scalar(outcomes).bind(&booking);
            Ok(outcomes.fetch_all(&stage.database).await?)
        })
        .await;
    assert_eq!(letters.expect("letters"), delivered, "{}", system.log());
    assert_eq!(keys(&stage, &booking).await, asked, "not asked again");
    assert_eq!(stage.books(&booking).await.expect("books"), (PRICE, 0, 0));
    let acts: Vec<(String, String)> =
        sqlx::query_as("select what, door from operator_acts where subject = $1 order by act")
            .bind(&refund)
            .fetch_all(&stage.database)
            .await
            .expect("acts");
    let acts: Vec<_> = acts
        .iter()
        .map(|(what, door)| (what.as_str(), door.as_str()))
        .collect();
    assert_eq!(
        acts,
        [
            ("refund.other_way", "COMMAND_LINE"),
            ("refund.settled_elsewhere", "API"),
            ("refund.settled_elsewhere", "API"),
        ]
    );
    replay::record(&stage.database, show, "other-way").await;
    system.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_settles_is_taken_off_the_list_by_a_person() {
    let (system, stage, _servers) = own_system("attention-settle").await;
    let operator = Operator::new(&stage).await;
    let show = stage.show("Looked after", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let (booking, at_gateway) = paid(&ann, show, "A-1").await;
    let url = format!(
        "{}/_sim/payments/{at_gateway}/refund",
        stage.target.simulator
    );
    let (status, _) = answer(stage.http.post(url).json(&json!({ "amount": 5_000 }))).await;
    assert_eq!(status, 200);
    let subject = waits(&stage, &system, &booking, "foreign_refund").await;

    let path = format!("attention/foreign_refund/{subject}/settle");
    let (status, problem) = operator.does(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("reason_missing")));
    let reason = json!({ "reason": "goodwill of the box office" });
    let (status, told) = operator.does(&path, &reason).await;
    assert_eq!((status, &told["before"]), (200, &json!(false)), "{told}");
    assert_eq!(items(&stage, &booking).await, []);
    let (status, told) = operator.does(&path, &reason).await;
    assert_eq!((status, &told["before"]), (200, &json!(true)), "{told}");
    let (status, story) = operator.sees(&format!("bookings/{booking}/story")).await;
    assert_eq!(status, 200);
    let lines = story["lines"].as_array().expect("lines");
    let settled = lines.iter().filter(|line| line["what"] == "settled");
    assert_eq!(settled.count(), 1, "{story:#}");
    let acts = lines
        .iter()
        .filter(|line| line["act"] == "attention.settle");
    assert_eq!(acts.count(), 2, "{story:#}");

    // A reference that nobody gave out: no booking will ever turn up.
    let body = Stage::payment_succeeded("no-booking-of-ours", "pi_stray", PRICE);
    let now = stage.machine_now().await.expect("a clock");
    let signature = stage.sign(now, body.as_bytes());
    let taken = stage
        .post_to_ingress("stripe", Some(&signature), &body)
        .await;
    assert_eq!(taken.expect("an answer").status(), 200);
    let list = async |kind: &str| {
        let said = system.run(&["attention", "list", "--kind", kind, "--json"]);
        let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
        said["items"].as_array().expect("items").clone()
    };
    let one = stage
        .until(&1, async || Ok(list("unknown_booking").await.len()))
        .await;
    assert_eq!(one.expect("the list"), 1, "{}", system.log());
    let item = list("unknown_booking").await.remove(0);
    let subject = item["subject"].as_str().expect("a subject");
    let settle = |subject: &str| {
        let order = ["attention", "settle", "unknown_booking", subject];
        system.run(&[&order[..], &["--reason", "not ours"]].concat())
    };
    let said = settle(subject);
    assert!(said.status.success(), "{said:?}");
    assert!(list("unknown_booking").await.is_empty());
    let said = settle(&uuid::Uuid::new_v4().to_string());
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    system.audit();
}

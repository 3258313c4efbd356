//! One booking's story, what is open and what waits for a person: by door and by command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::demo::Stage;
use boxoffice_saga::identity::BookingId;
use serde_json::{Value, json};

use crate::kafka_record;
use crate::operator::{Operator, answer};
use crate::system::{self, System};

const PATIENCE: Duration = Duration::from_secs(60);

async fn stage() -> (Arc<Stage>, &'static System) {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    (stage, system)
}

/// The story, as soon as it has what is looked for.
async fn story(operator: &Operator, booking: &str, complete: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let (status, story) = operator.sees(&format!("bookings/{booking}/story")).await;
        if status == 200 && complete(&story) {
            return story;
        }
        assert!(
            Instant::now() < until,
            "{status}: never complete: {story:#}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn lines(story: &Value) -> &[Value] {
    story["lines"].as_array().expect("lines")
}

/// A line in short: what it is, and what it is about.
fn short(line: &Value) -> String {
    let text = |field: &str| line[field].as_str().unwrap_or_default();
    match text("what") {
        "decision" => format!(
            "decision {}",
            line["input"]["input"].as_str().unwrap_or_default()
        ),
        "money" => format!("money {} {}", text("from"), text("to")),
        "event" => format!("event {}", text("type")),
        "call" => format!("call {}", text("task")),
        "message" => format!("message {} {}", text("template"), text("outcome")),
        "act" => format!("act {}", text("act")),
        other => format!("{other} {}", text("kind")),
    }
}

/// The lines of these short names, which must stand in this order among the others.
fn in_order<'a>(story: &'a Value, names: &[&str]) -> Vec<&'a Value> {
    let mut rest = lines(story).iter();
    names
        .iter()
        .map(|name| {
            rest.find(|line| short(line) == **name).unwrap_or_else(|| {
                let all: Vec<_> = lines(story).iter().map(short).collect();
                panic!("no {name} in its place: {all:#?}")
            })
        })
        .collect()
}

fn told(story: &Value, name: &str) -> bool {
    lines(story).iter().any(|line| short(line) == name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_payment_is_told_from_its_hold_to_its_refund() {
    let (stage, system) = stage().await;
    let operator = Operator::new(&stage).await;
    let show = stage.show("Told", 1_500).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let bob = stage.customer("bob").await.expect("a customer");
    let booking = ann.hold(show, &["A-1", "A-2"]).await.expect("a hold");
    let slow = json!({
        "webhook": { "only": ["payment_intent.succeeded"], "delay_ms": 5_000 },
        "refuse": { "cancel": { "times": 100, "status": 503 }, "fetch": { "times": 100, "status": 503 } },
    });
    stage
        .tell_gateway(&booking, slow)
        .await
        .expect("the simulator listens");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");
    ann.pay(&attempt).await.expect("the gateway takes it");
    let bobs = bob
        .hold_when_free(show, &["A-2", "A-3"])
        .await
        .expect("the seats are free");
    let his = bob.open_payment(&bobs).await.expect("an attempt");
    bob.pay(&his).await.expect("the gateway takes it");
    ann.wait_for(&booking, "REFUNDED").await.expect("refunded");
    let story = story(&operator, &booking, |story| {
        let published = lines(story).iter().all(|line| line["published"] != false);
        published && told(story, "message refunded delivered")
    })
    .await;

    let [
        hold,
        placed,
        opened,
        void,
        payment,
        reserved,
        failed,
        taken,
        call,
        refund,
        ..,
    ] = in_order(
        &story,
        &[
            "decision hold",
            "event HoldPlaced",
            "decision open_attempt",
            "call void",
            "decision payment",
            "money GATEWAY TO_RETURN",
            "event BookingFailed_InitiateRefund",
            "decision refund_taken",
            "call refund",
            "decision refund_answered",
            "money TO_RETURN REFUNDED",
            "event RefundCompleted",
            "message refunded delivered",
        ],
    )[..]
    else {
        panic!("thirteen were asked for");
    };
    in_order(
        &story,
        &["decision hold_timer", "event HoldExpired", "call void"],
    );
    // The hold: seats and terms, and nothing of how the customer is reached.
    assert_eq!(hold["input"]["seats"], json!(["A-1", "A-2"]));
    assert_eq!(hold["input"]["terms"]["hold_ms"], 1_500);
    assert_eq!(hold["source"], Value::Null, "no record brought it");
    assert!(!story.to_string().contains("anna@example.com"), "{story:#}");
    assert_eq!(placed["sequence"], 1);
    assert_eq!(opened["input"]["payment"], attempt.payment_id);
    assert!(
        void["answer"]
            .as_str()
            .is_some_and(|answer| answer.starts_with("unknown")),
        "{void}"
    );
    // The webhook: its verdict, and where it really stands in Kafka.
    assert_eq!(payment["outcome"]["verdict"], "SEATS_LOST");
    assert_eq!(payment["outcome"]["seats_lost"], json!(["A-2"]));
    let source = &payment["source"];
    assert_eq!(source["topic"], "payments.webhooks.v1");
    assert_eq!(source["event_kind"], "payment_intent.succeeded");
    let record = kafka_record::at(&system.target.kafka, source).await;
    let record: Value = serde_json::from_slice(&record.payload).expect("a webhook");
    assert_eq!(record["id"], source["event_id"]);
    assert_eq!(record["data"]["object"]["metadata"]["booking_id"], *booking);
    // One transaction decided it, and published what came of it.
    let position = failed["position"].as_i64().expect("a position");
    let transaction = "select xact::text from outbox where position = $1";
    let transaction: String = sqlx::query_scalar(transaction)
        .bind(position)
        .fetch_one(&stage.database)
        .await
        .expect("the outbox has it still");
    assert_eq!(payment["transaction"], transaction);
    assert_eq!(
        (&reserved["at"], &failed["at"]),
        (&payment["at"], &payment["at"])
    );
    // The worker took it on from the event, wherever that stands.
    let event = &taken["source"];
    assert_eq!(event["event_kind"], "BookingFailed_InitiateRefund");
    let event = kafka_record::at(&system.target.kafka, event).await;
    let event: Value = serde_json::from_slice(&event.payload).expect("an event");
    assert_eq!(
        (&event["booking_id"], &event["sequence"]),
        (&json!(booking), &failed["sequence"])
    );
    assert_eq!(
        failed["record"], taken["source"],
        "known by whoever acted on it"
    );
    // The refund: the key as it was sent, and what was answered.
    assert_eq!(call["key"], story["refunds"][0]["gateway_key"]);
    let sent = sent_keys(&stage, &attempt.gateway_payment_id).await;
    assert_eq!(json!(sent), json!([call["key"]]));
    let done = story["refunds"][0]["gateway_refund_id"].as_str();
    let done = format!("succeeded: {}", done.expect("the gateway's id"));
    assert_eq!(call["answer"], *done);
    assert!(call["took_ms"].as_i64().is_some_and(|ms| ms >= 0), "{call}");
    assert_eq!(refund["outcome"]["outcome"], "done");
    // How it ended.
    assert_eq!(
        (&story["state"], &story["status"], &story["settled"]),
        (&json!("SEATS_LOST"), &json!("REFUNDED"), &json!(true))
    );
    let money: Vec<_> = story["money"]
        .as_array()
        .expect("balances")
        .iter()
        .map(|one| (one["account"].as_str(), one["amount"]["minor"].as_i64()))
        .collect();
    assert_eq!(
        money,
        [
            (Some("GATEWAY"), Some(-90_000)),
            (Some("REFUNDED"), Some(90_000))
        ]
    );
    let times: Vec<_> = lines(&story)
        .iter()
        .map(|line| time_of(&line["at"]))
        .collect();
    assert!(times.is_sorted(), "{story:#}");
    // Nothing of a sequence is missing.
    let sequences: Vec<_> = lines(&story)
        .iter()
        .filter_map(|line| line["sequence"].as_u64())
        .collect();
    let all: Vec<u64> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, all);

    // The command says the same, and says it to people, too.
    let shown = system.run(&["saga", "show", &booking, "--json"]);
    assert!(shown.status.success());
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["lines"], story["lines"]);
    let words = system.run(&["saga", "show", &booking]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    let place = format!(
        "record payments.webhooks.v1/{}@{}",
        source["partition"], source["offset"]
    );
    for wanted in [
        "SEATS_LOST: it goes back, for A-2 belonged to somebody else",
        &place,
        &format!("transaction {transaction}"),
        &format!("position {position} of the outbox"),
        "event 1 HoldPlaced: published",
        "email refunded, try 1: delivered",
        "open tasks none",
    ] {
        assert!(words.contains(wanted), "{wanted:?} is not in {words}");
    }
}

fn time_of(text: &Value) -> time::OffsetDateTime {
    let text = text.as_str().expect("a time");
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .expect("a time")
}

/// The idempotency keys under which the simulator was asked to refund a payment.
async fn sent_keys(stage: &Stage, gateway_payment_id: &str) -> Vec<String> {
    let books = format!(
        "{}/_sim/books?payment={gateway_payment_id}",
        stage.target.simulator
    );
    let (_, books) = answer(stage.http.get(books)).await;
    let calls = books["payments"][0]["calls"].as_array().expect("calls");
    calls
        .iter()
        .filter(|call| call["call"] == "refund")
        .filter_map(|call| call["key"].as_str().map(str::to_owned))
        .collect()
}

/// Every entry of a list, page by page.
async fn every(operator: &Operator, path: &str, name: &str) -> Vec<Value> {
    let join = if path.contains('?') { '&' } else { '?' };
    let mut all = Vec::new();
    let mut next = String::new();
    loop {
        let (status, page) = operator.sees(&format!("{path}{join}limit=7{next}")).await;
        assert_eq!(status, 200, "{page}");
        all.extend(page[name].as_array().expect("entries").clone());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stuck_is_listed_and_tried_again() {
    let (stage, system) = stage().await;
    let operator = Operator::new(&stage).await;
    let show = stage.show("Stuck", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");

    let of_it = |all: Vec<Value>| -> Vec<Value> {
        all.into_iter()
            .filter(|one| one["booking_id"] == *booking)
            .collect()
    };
    let open = of_it(every(&operator, "bookings", "waiting").await);
    let [payment] = &open[..] else {
        panic!("one payment is open: {open:#?}");
    };
    assert_eq!(payment["waiting_for"], "bank");
    assert_eq!(payment["id"], attempt.payment_id);
    assert_eq!(
        payment["amount"],
        json!({ "minor": 45_000, "currency": "INR" })
    );
    assert_eq!(payment["tasks"][0]["kind"], "verify");
    for (filter, there) in [
        ("waiting_for=bank", 1),
        ("waiting_for=bank&stuck=0s", 1),
        ("waiting_for=gateway", 0),
        ("stuck=1d", 0),
    ] {
        let found = of_it(every(&operator, &format!("bookings?{filter}"), "waiting").await);
        assert_eq!(found.len(), there, "{filter}");
    }
    let (_, page) = operator.sees("bookings?waiting_for=bank&limit=1").await;
    let sum = &page["sums"][0];
    assert_eq!(sum["waiting_for"], "bank");
    assert!(sum["count"].as_i64().is_some_and(|count| count >= 1));
    assert!(
        sum["money"][0]["minor"]
            .as_i64()
            .is_some_and(|minor| minor >= 45_000),
        "{sum}"
    );
    let words = system.run(&["saga", "list", "--waiting-for", "bank", "--limit", "500"]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(
        words.contains(&booking) && words.contains("in all"),
        "{words}"
    );

    // Now, rather than in twenty seconds.
    let path = format!("bookings/{booking}/retry");
    let (status, problem) = operator.does(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("reason_missing")));
    let why = json!({ "reason": "she is on the phone" });
    let keyed = |body: &Value| {
        let request = operator.asks(&path).header("idempotency-key", &booking);
        answer(request.json(body))
    };
    let (status, retried) = keyed(&why).await;
    assert_eq!(status, 200, "{retried}");
    let became = |kind: &str| {
        let tasks = retried["tasks"].as_array().expect("tasks");
        let task = tasks.iter().find(|task| task["kind"] == kind);
        task.unwrap_or_else(|| panic!("no {kind}: {retried}"))
            .clone()
    };
    let verify = became("verify");
    assert_eq!(verify["became"], "due");
    assert_eq!(
        became("hold_timer")["became"],
        "timer",
        "nobody is warned too soon"
    );
    let told = story(&operator, &booking, |story| {
        told(story, "decision verify_answered")
    })
    .await;
    let [act, call] = in_order(&told, &["act booking.retry", "call verify"])[..] else {
        panic!("two were asked for");
    };
    assert_eq!(act["why"], "she is on the phone");
    assert!(
        time_of(&call["at"]) < time_of(&verify["was_due_at"]),
        "{told:#}"
    );
    // The same request is the same act.
    assert_eq!(keyed(&why).await, (200, retried.clone()));
    let act = |door: &str| {
        (
            door.to_owned(),
            Some(booking.clone()),
            Some("she is on the phone".to_owned()),
        )
    };
    assert_eq!(operator.record().await, [act("booking.retry")]);

    let again = system.run(&["saga", "retry", &booking, "--reason", "once more", "--json"]);
    assert!(again.status.success(), "{again:?}");
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(again["booking_id"], *booking);
    let acts = "select count(*) from operator_acts where subject = $1 and door = 'COMMAND_LINE' and why = 'once more'";
    let acts: i64 = sqlx::query_scalar(acts)
        .bind(&booking)
        .fetch_one(&stage.database)
        .await
        .expect("a record");
    assert_eq!(acts, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_operators_are_told_and_nonsense_is_refused() {
    let (stage, system) = stage().await;
    let operator = Operator::new(&stage).await;
    let show = stage.show("Locked", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let letter = uuid::Uuid::new_v4();
    let looks = [
        "bookings".to_owned(),
        format!("bookings/{booking}/story"),
        "attention".to_owned(),
        "dead-letters".to_owned(),
        format!("dead-letters/{letter}"),
        "parked-records".to_owned(),
    ];
    let acts = [
        format!("bookings/{booking}/retry"),
        format!("dead-letters/{letter}/redrive"),
        format!("parked-records/{letter}/retry"),
    ];
    let url = |path: &String| format!("{}/v1/admin/{path}", system.target.api);
    let requests = looks.iter().map(|path| stage.http.get(url(path)));
    let reason = json!({ "reason": "because" });
    let requests = requests.chain(
        acts.iter()
            .map(|path| stage.http.post(url(path)).json(&reason)),
    );
    for request in requests {
        let named = format!("{request:?}");
        let anybody = request.try_clone().expect("no stream");
        assert_eq!(answer(anybody).await.0, 401, "{named}");
        let (status, problem) = answer(request.bearer_auth(ann.token())).await;
        assert_eq!(
            (status, &problem["code"]),
            (403, &json!("forbidden")),
            "{named}"
        );
    }
    let nobody = BookingId::pack(1, show, 1);
    for path in [
        format!("bookings/{nobody}/story"),
        "bookings/nonsense/story".to_owned(),
        format!("dead-letters/{letter}"),
    ] {
        assert_eq!(operator.sees(&path).await.0, 404, "{path}");
    }
    for path in &[
        format!("bookings/{nobody}/retry"),
        acts[1].clone(),
        acts[2].clone(),
    ] {
        assert_eq!(operator.does(path, &reason).await.0, 404, "{path}");
    }
    for path in [
        "bookings?stuck=soon",
        "bookings?waiting_for=godot",
        "bookings?limit=0",
        "bookings?cursor=nonsense",
        "bookings?what=else",
        "attention?kind=nonsense",
        "attention?cursor=AAAA",
        "dead-letters?redriven=perhaps",
    ] {
        let (status, problem) = operator.sees(path).await;
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_request")),
            "{path}"
        );
    }
    assert_eq!(operator.record().await, [], "nothing was done");
    let (nobody, letter) = (nobody.to_string(), letter.to_string());
    for arguments in [
        ["saga", "show", "nonsense"].as_slice(),
        &["saga", "show", &nobody],
        &["saga", "retry", &nobody, "--reason", "because"],
        &["saga", "retry", &booking],
        &["saga", "list", "--stuck", "soon"],
        &["saga", "list", "--waiting-for", "godot"],
        &["saga", "list", "--after", "nonsense"],
        &["attention", "list", "--kind", "nonsense"],
        &["attention", "list", "--limit", "0"],
        &["dlq", "show", &letter],
        &["dlq", "redrive", &letter, "--reason", "because"],
        &["dlq", "retry", &letter, "--reason", "because"],
    ] {
        let refused = system.run(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(!refused.stderr.is_empty(), "{arguments:?}");
    }
}

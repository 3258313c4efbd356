//! Dead letters and parked records, and the way back: by door and by command.

use boxoffice::demo::Stage;
use boxoffice_producers::{Connection, OutgoingRecord, Producer, ProducerOptions};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use time::format_description::well_known::Rfc3339;

use crate::kafka_record;
use crate::operator::{Operator, answer};
use crate::system::System;
use crate::{servers, system};

const WEBHOOKS: &str = "payments.webhooks.v1";

/// The letters whose bytes are these, as `dlq list` and `dlq show` tell them, oldest first.
fn letters(system: &System, payload: &str) -> Vec<Value> {
    let listed = system.run(&["dlq", "list", "--redriven", "--limit", "500", "--json"]);
    assert!(listed.status.success(), "{listed:?}");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let letters = listed["letters"].as_array().expect("letters");
    letters
        .iter()
        .map(|letter| {
            let id = letter["letter_id"].as_str().expect("an id");
            let shown = system.run(&["dlq", "show", id, "--json"]);
            assert!(shown.status.success(), "{shown:?}");
            serde_json::from_slice(&shown.stdout).expect("JSON")
        })
        .filter(|letter: &Value| letter["payload"]["text"] == payload)
        .collect()
}

/// The kinds of a letter's open items on the operators' list.
async fn items(stage: &Stage, letter: &Value) -> Vec<String> {
    let id: uuid::Uuid = letter["letter_id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    sqlx::query_scalar("select kind from attention where subject = $1 and closed_at is null")
        .bind(id)
        .fetch_all(&stage.database)
        .await
        .expect("the list")
}

/// What a letter is a copy of, in Kafka: as often as it stands there.
async fn copies(system: &System, payload: &str) -> Vec<(i32, kafka_record::Record)> {
    let mut all = kafka_record::all(&system.target.kafka, WEBHOOKS).await;
    all.retain(|(_, record)| record.payload == payload.as_bytes());
    all
}

async fn until_letters(stage: &Stage, system: &System, payload: &str, count: usize) -> Vec<Value> {
    let look = async || Ok(letters(system, payload).len());
    let found = stage.until(&count, look).await.expect("the letters");
    assert_eq!(found, count, "{}", system.log());
    letters(system, payload)
}

/// Genuine, and nobody can read it: it goes round once for each time that somebody says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_nobody_can_read_is_put_back_once_for_each_order() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let operator = Operator::new(&stage).await;
    let garbage = format!("no JSON at all {}", uuid::Uuid::new_v4());
    let now = stage.machine_now().await.expect("a clock");
    let signature = stage.sign(now, garbage.as_bytes());
    let taken = stage
        .post_to_ingress("stripe", Some(&signature), &garbage)
        .await;
    assert_eq!(taken.expect("an answer").status(), 200);
    let [first] = &until_letters(&stage, system, &garbage, 1).await[..] else {
        panic!("one");
    };
    assert_eq!(first["topic"], WEBHOOKS);
    assert_eq!(first["event_kind"], "unreadable");
    assert_eq!(items(&stage, first).await, ["dead_letter"]);
    let original = kafka_record::at(&system.target.kafka, first).await;
    let id = first["letter_id"].as_str().expect("an id").to_owned();

    let path = format!("dead-letters/{id}/redrive");
    let (status, problem) = operator.does(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("reason_missing")));
    let body = json!({ "reason": "perhaps it is a mistake" });
    let keyed = || {
        answer(
            operator
                .asks(&path)
                .header("idempotency-key", &id)
                .json(&body),
        )
    };
    let (status, redriven) = keyed().await;
    assert_eq!(
        (status, &redriven["redrives"]),
        (202, &json!(1)),
        "{redriven}"
    );
    assert_eq!(
        keyed().await,
        (202, redriven),
        "the same request is the same act"
    );

    // Unreadable again: another letter with an item of its own, and no more than that.
    let both = until_letters(&stage, system, &garbage, 2).await;
    assert_eq!(both[0]["letter_id"], *id);
    assert_ne!(both[1]["letter_id"], *id);
    assert_eq!(items(&stage, &both[0]).await, Vec::<String>::new());
    assert_eq!(items(&stage, &both[1]).await, ["dead_letter"]);
    assert_eq!(
        (&both[0]["redrives"], &both[1]["redrives"]),
        (&json!(1), &json!(0))
    );
    let again = kafka_record::at(&system.target.kafka, &both[1]).await;
    assert_eq!(again, original, "the same bytes, headers and key");
    assert_eq!(copies(system, &garbage).await.len(), 2);

    // Once more only if that is said.
    let (status, problem) = operator.does(&path, &body).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("already_redriven")),
        "{problem}"
    );
    let order = ["dlq", "redrive", &id, "--reason", "once more"];
    let refused = system.run(&order);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("redriven at"));
    let said = system.run(&[&order[..], &["--again"]].concat());
    assert!(said.status.success(), "{said:?}");
    until_letters(&stage, system, &garbage, 3).await;
    assert_eq!(copies(system, &garbage).await.len(), 3);
    let act = (
        "dead_letter.redrive".to_owned(),
        Some(id.clone()),
        Some("perhaps it is a mistake".to_owned()),
    );
    assert_eq!(operator.record().await, [act]);
    let acts = "select count(*) from operator_acts where subject = $1";
    let acts: i64 = sqlx::query_scalar(acts)
        .bind(&id)
        .fetch_one(&stage.database)
        .await
        .expect("a record");
    assert_eq!(acts, 2, "one by door and one by command; refusals are none");

    // What was redriven is out of the way.
    let (_, left) = operator.sees("dead-letters?limit=500").await;
    let left = left["letters"].as_array().expect("letters");
    assert!(left.iter().all(|letter| letter["letter_id"] != *id));
    let words = system.run(&["dlq", "show", &id]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(
        words.contains(&garbage) && words.contains("redriven 2 times"),
        "{words}"
    );
}

/// A webhook of the gateway's, as the ingress writes it, signed with `secret`.
async fn webhook(stage: &Stage, secret: &str, body: &str) -> Vec<(String, Vec<u8>)> {
    let now = stage.now().await.expect("a clock");
    let at = now.unix_timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(format!("{at}.{body}").as_bytes());
    let signature = format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()));
    let event: Value = serde_json::from_str(body).expect("JSON");
    [
        ("gateway", "stripe"),
        ("account", "default"),
        ("source", "webhook"),
        ("event_id", event["id"].as_str().expect("an id")),
        ("kind", "payment_intent.succeeded"),
        ("received_at", &now.format(&Rfc3339).expect("a time")),
        ("sig-stripe-signature", &signature),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .collect()
}

async fn produce(stage: &Stage, key: &[u8], headers: Vec<(String, Vec<u8>)>, payload: &[u8]) {
    let kafka = Connection::new(stage.target.kafka.clone());
    let producer =
        Producer::new(&ProducerOptions::new(kafka, "another-ingress")).expect("a producer");
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect();
    let sent = producer.send(OutgoingRecord {
        topic: WEBHOOKS,
        key,
        headers: &headers,
        payload,
    });
    sent.expect("a queue").await.expect("an acknowledgement");
}

/// A secret that the coordinator was not told of makes genuine money look forged. Once it is told, the letter is put
/// back, and the booking is paid. And records that nobody of ours could write stop nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_was_thought_forged_is_applied_when_its_letter_is_put_back() {
    const NEW: &str = "whsec_another_secret_for_tests_0123456789";
    let dir = servers::fresh_dir("dead-letters");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let mut system = System::start(&kafka.bootstrap(), &database).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let operator = Operator::new(&stage).await;
    let show = stage.show("Forged?", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let key = show.kafka_key();

    // What nobody of ours writes: a key that no text column takes, a key that is no text, none that fits a page.
    let (zero, no_text) = (br#""a\u0000b""#, b"\xff\xfe");
    produce(&stage, b"\0", Vec::new(), zero).await;
    produce(&stage, b"\xff", Vec::new(), no_text).await;
    let large = vec![b'x'; 950 * 1024];
    produce(&stage, key.as_bytes(), Vec::new(), &large).await;
    let body = Stage::payment_succeeded(&booking, &format!("pi_{booking}"), 45_000);
    let headers = webhook(&stage, NEW, &body).await;
    produce(&stage, key.as_bytes(), headers, body.as_bytes()).await;

    let [letter] = &until_letters(&stage, &system, &body, 1).await[..] else {
        panic!("one");
    };
    assert_eq!(items(&stage, letter).await, ["forged_record"]);
    assert_eq!(
        ann.status(&booking).await.expect("a status")["status"],
        "HELD"
    );
    let all = "select letter_id from dead_letters where topic = $1 and letter_id <> $2";
    let id = letter["letter_id"].as_str().expect("an id").to_owned();
    let strange: Vec<uuid::Uuid> = sqlx::query_scalar(all)
        .bind(WEBHOOKS)
        .bind(id.parse::<uuid::Uuid>().expect("an id"))
        .fetch_all(&stage.database)
        .await
        .expect("letters");
    assert_eq!(strange.len(), 3, "{}", system.log());
    for one in &strange {
        let (status, opened) = operator.sees(&format!("dead-letters/{one}")).await;
        assert_eq!(status, 200, "{opened}");
        if opened["key"]["text"] == *key {
            assert_eq!(opened["bytes"], large.len());
        } else {
            let strange = [json!({ "text": "\0" }), json!({ "base64": "/w==" })];
            assert!(strange.contains(&opened["key"]), "{}", opened["key"]);
        }
        let path = format!("dead-letters/{one}/redrive");
        let (status, problem) = operator.does(&path, &json!({ "reason": "try" })).await;
        assert_eq!(
            (status, &problem["code"]),
            (409, &json!("not_redrivable")),
            "{problem}"
        );
        let words = system.run(&["dlq", "show", &one.to_string()]);
        assert!(words.status.success());
    }
    let listed = system.run(&["attention", "list", "--kind", "forged_record", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(
        listed["items"].as_array().map(Vec::len),
        Some(4),
        "{listed}"
    );

    // The new secret is told, and the letter put back.
    let file = system.dir.join("boxoffice.toml");
    let told = std::fs::read_to_string(&file).expect("a configuration");
    let old = format!("secrets = [\"{}\"]", system.target.webhook_secret);
    assert!(told.contains(&old));
    let new = format!(
        "secrets = [\"{}\", \"{NEW}\"]",
        system.target.webhook_secret
    );
    std::fs::write(&file, told.replace(&old, &new)).expect("a configuration");
    system.kill_roles();
    system.start_roles(None).await;
    let said = system.run(&[
        "dlq",
        "redrive",
        &id,
        "--reason",
        "we forgot the new secret",
    ]);
    assert!(said.status.success(), "{said:?}");
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    assert_eq!(items(&stage, letter).await, Vec::<String>::new());
    assert_eq!(
        letters(&system, &body).len(),
        1,
        "no other letter came of it"
    );
    let (status, story) = operator.sees(&format!("bookings/{booking}/story")).await;
    assert_eq!(status, 200);
    let lines = story["lines"].as_array().expect("lines");
    let payment = lines
        .iter()
        .find(|line| line["input"]["input"] == "payment")
        .expect("the payment");
    let event: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(payment["source"]["event_id"], event["id"]);
    let [first, second] = &copies(&system, &body).await[..] else {
        panic!("two");
    };
    assert_eq!(first, second, "the same bytes, headers, key and partition");
    system.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_record_is_listed_and_looked_for_again() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let operator = Operator::new(&stage).await;
    let payment = format!("pi_nobodys_{}", uuid::Uuid::new_v4().simple());
    let refund = json!({
        "id": format!("re_of_{payment}"), "object": "refund", "status": "succeeded", "amount": 45_000,
        "currency": "inr", "payment_intent": payment, "metadata": {},
    });
    let body = json!({
        "id": format!("evt_{payment}"), "object": "event", "type": "refund.updated", "livemode": false,
        "data": { "object": refund },
    });
    let body = body.to_string();
    let now = stage.machine_now().await.expect("a clock");
    let taken = stage
        .post_to_ingress("stripe", Some(&stage.sign(now, body.as_bytes())), &body)
        .await;
    assert_eq!(taken.expect("an answer").status(), 200);
    let parked = || {
        let listed = system.run(&["dlq", "parked", "--limit", "500", "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
        let records = listed["records"].as_array().expect("records").iter();
        records
            .filter(|record| record["gateway_payment_id"] == *payment)
            .cloned()
            .collect::<Vec<_>>()
    };
    // Looked for a few times, so that the next look is some seconds away.
    let looked = async || {
        let parked = parked();
        let tries = parked.first().and_then(|record| record["tries"].as_i64());
        Ok(tries.is_some_and(|tries| tries >= 3))
    };
    assert!(
        stage.until(&true, looked).await.expect("a list"),
        "{}",
        system.log()
    );
    let record = parked().remove(0);
    assert_eq!(record["event_kind"], "refund.updated");
    assert_eq!(record["account"], "stripe/default");
    assert!(
        record["last_answer"]
            .as_str()
            .is_some_and(|answer| answer.contains("nobody knows payment")),
        "{record}"
    );
    let id = record["record_id"].as_str().expect("an id");
    let (_, page) = operator.sees("parked-records?limit=500").await;
    let records = page["records"].as_array().expect("records");
    assert!(records.iter().any(|one| one["record_id"] == *id), "{page}");
    let words = system.run(&["dlq", "parked", "--limit", "500"]);
    assert!(String::from_utf8_lossy(&words.stdout).contains(&payment));
    // A person has been called; and now the payment turns up.
    let call = "insert into attention (kind, subject, reason, opened_at)
                values ('unknown_booking', $1, 'whose is it?', now())";
    let subject: uuid::Uuid = id.parse().expect("an id");
    sqlx::query(call)
        .bind(subject)
        .execute(&stage.database)
        .await
        .expect("an item");
    let show = stage.show("Parked", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let paid = stage.post_webhook(&booking, &payment, 45_000).await;
    assert_eq!(paid.expect("an answer").status(), 200);
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let path = format!("parked-records/{id}/retry");
    let (status, retried) = operator
        .does(&path, &json!({ "reason": "its booking is there now" }))
        .await;
    assert_eq!(status, 200, "{retried}");
    let became = retried["became"].as_str().expect("what became of it");
    assert!(
        ["due", "due_before", "in_hand"].contains(&became),
        "{retried}"
    );
    let gone = async || Ok(parked().is_empty());
    assert!(stage.until(&true, gone).await.expect("a list"));
    let open = "select count(*) from attention where subject = $1 and closed_at is null";
    let open: i64 = sqlx::query_scalar(open)
        .bind(subject)
        .fetch_one(&stage.database)
        .await
        .expect("the list");
    assert_eq!(open, 0, "it is nobody's any more");
    let (_, gone) = operator.does(&path, &json!({ "reason": "again" })).await;
    assert_eq!(gone["code"], "not_found");
    let act = (
        "parked_record.retry".to_owned(),
        Some(id.to_owned()),
        Some("its booking is there now".to_owned()),
    );
    assert_eq!(operator.record().await, [act]);
}

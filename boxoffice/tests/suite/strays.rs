//! Records that do not say plainly where they belong, and money at a gateway that we cannot ask.

use std::sync::Arc;

use boxoffice::demo::Stage;
use boxoffice_producers::{OutgoingRecord, Producer, ProducerOptions};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use time::format_description::well_known::Rfc3339;

use crate::system;

async fn post_stripe(stage: &Stage, kind: &str, object: Value) -> u16 {
    let id = format!("evt_{}", uuid::Uuid::new_v4().simple());
    let body = json!({ "id": id, "object": "event", "type": kind, "livemode": false, "data": { "object": object } });
    let body = body.to_string();
    let now = stage.now().await.expect("a clock").unix_timestamp();
    let url = format!("{}/webhooks/stripe", stage.target.ingress);
    let request = stage
        .http
        .post(url)
        .header("stripe-signature", stage.sign(now, body.as_bytes()));
    request
        .body(body)
        .send()
        .await
        .expect("an answer")
        .status()
        .as_u16()
}

async fn post_generic(stage: &Stage, event: Value) -> u16 {
    let body = event.to_string();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(stage.target.webhook_secret.as_bytes()).expect("any key");
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let url = format!("{}/webhooks/generic", stage.target.ingress);
    let request = stage
        .http
        .post(url)
        .header("x-hub-signature-256", signature);
    request
        .body(body)
        .send()
        .await
        .expect("an answer")
        .status()
        .as_u16()
}

/// How many open items of this kind the operators have for a booking.
async fn items(stage: &Stage, booking: &str, kind: &str) -> anyhow::Result<i64> {
    let count =
        "select count(*) from attention where booking_id = $1 and kind = $2 and closed_at is null";
    let count = sqlx::query_scalar(count)
        .bind(booking.parse::<uuid::Uuid>()?)
        .bind(kind);
    Ok(count.fetch_one(&stage.database).await?)
}

async fn stage() -> (Arc<Stage>, &'static system::System) {
    let system = system::shared().await;
    (
        Stage::enter(system.target.clone())
            .await
            .expect("the system can be reached"),
        system,
    )
}

fn refund_without_reference(payment: &str) -> Value {
    json!({
        "id": format!("re_of_{payment}"), "object": "refund", "status": "succeeded", "amount": 45_000,
        "currency": "inr", "payment_intent": payment, "metadata": {},
    })
}

/// A refund made on the gateway's dashboard carries no reference of ours: it is keyed by the gateway's payment
/// id, and finds its booking by the payment, on another partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_without_our_reference_finds_its_booking() {
    let (stage, system) = stage().await;
    let show = stage.show("Strays", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let payment = format!("pi_stray_{booking}");
    assert_eq!(
        stage
            .post_webhook(&booking, &payment, 45_000)
            .await
            .expect("an answer")
            .status(),
        200
    );
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    assert_eq!(
        post_stripe(&stage, "refund.updated", refund_without_reference(&payment)).await,
        200
    );
    let told = stage
        .until(&1, async || items(&stage, &booking, "foreign_refund").await)
        .await;
    assert_eq!(told.expect("a database"), 1, "{}", system.log());
}

/// The same, before anything is known of the payment: it waits, and is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_comes_before_its_payment_waits_for_it() {
    let (stage, system) = stage().await;
    let show = stage.show("Early strays", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let payment = format!("pi_early_{booking}");
    assert_eq!(
        post_stripe(&stage, "refund.updated", refund_without_reference(&payment)).await,
        200
    );
    let parked = async || {
        let count = "select count(*) from parked_records where gateway_payment_id = $1";
        Ok(sqlx::query_scalar::<_, i64>(count)
            .bind(&payment)
            .fetch_one(&stage.database)
            .await?)
    };
    assert_eq!(
        stage.until(&1, parked).await.expect("a database"),
        1,
        "{}",
        system.log()
    );
    assert_eq!(
        stage
            .post_webhook(&booking, &payment, 45_000)
            .await
            .expect("an answer")
            .status(),
        200
    );
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let told = stage
        .until(&1, async || items(&stage, &booking, "foreign_refund").await)
        .await;
    assert_eq!(told.expect("a database"), 1, "{}", system.log());
    assert_eq!(
        stage.until(&0, parked).await.expect("a database"),
        0,
        "it is parked no more"
    );
}

/// The generic gateway has no API: what must go back is a person's, and the news that it went back ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_only_a_person_can_make_is_theirs_until_it_is_made() {
    let (stage, system) = stage().await;
    let show = stage.show("By hand", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let payment = format!("gen_{booking}");
    let event = |kind: &str, id: &str| {
        json!({
            "id": format!("{id}_{booking}"), "type": kind, "payment_id": payment, "booking_id": booking,
            "amount": { "minor": 44_000, "currency": "INR" },
        })
    };
    assert_eq!(
        post_generic(&stage, event("payment.succeeded", "paid")).await,
        200
    );
    let told = stage
        .until(&1, async || {
            items(&stage, &booking, "refund_not_possible").await
        })
        .await;
    assert_eq!(told.expect("a database"), 1, "{}", system.log());
    let operator = vec![
        ("GATEWAY".to_owned(), -44_000),
        ("OPERATOR".to_owned(), 44_000),
    ];
    let ledger = stage
        .until(&operator, async || stage.ledger(&booking).await)
        .await;
    assert_eq!(ledger.expect("a ledger"), operator);
    assert_eq!(
        post_generic(&stage, event("refund.succeeded", "back")).await,
        200
    );
    let refunded = vec![
        ("GATEWAY".to_owned(), -44_000),
        ("REFUNDED".to_owned(), 44_000),
    ];
    let ledger = stage
        .until(&refunded, async || stage.ledger(&booking).await)
        .await;
    assert_eq!(ledger.expect("a ledger"), refunded, "{}", system.log());
    let left = items(&stage, &booking, "refund_not_possible").await;
    assert_eq!(
        left.expect("a database"),
        0,
        "it is off the operators' list"
    );
    let status = ann.status(&booking).await.expect("a status");
    assert_eq!(
        (&status["status"], &status["settled"]),
        (&json!("HELD"), &json!(true))
    );
}

/// Who may write the webhooks' topic can still mint no payment: the signature is checked again, as of the time
/// of receipt. What is not genuine or not readable keeps its bytes and is a person's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_nobody_signed_moves_no_money() {
    let (stage, system) = stage().await;
    let show = stage.show("Forged", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let object = json!({
        "id": "pi_minted", "object": "payment_intent", "status": "succeeded", "livemode": false, "amount": 45_000,
        "amount_received": 45_000, "currency": "inr", "metadata": { "booking_id": booking },
    });
    let body = json!({
        "id": format!("evt_minted_{booking}"), "object": "event", "type": "payment_intent.succeeded",
        "livemode": false, "data": { "object": object },
    });
    let now = stage.now().await.expect("a clock");
    let headers = [
        ("gateway", "stripe".to_owned()),
        ("account", "default".to_owned()),
        ("source", "webhook".to_owned()),
        ("event_id", format!("evt_minted_{booking}")),
        ("kind", "payment_intent.succeeded".to_owned()),
        ("received_at", now.format(&Rfc3339).expect("a time")),
        (
            "sig-stripe-signature",
            format!("t={},v1={}", now.unix_timestamp(), "ab".repeat(32)),
        ),
    ];
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name.into(), value.into_bytes()))
        .collect();
    let kafka = boxoffice_producers::Connection::new(stage.target.kafka.clone());
    let producer = Producer::new(&ProducerOptions::new(kafka, "forger")).expect("a producer");
    let sent = producer.send(OutgoingRecord {
        topic: "payments.webhooks.v1",
        key: show.kafka_key().as_bytes(),
        headers: &headers,
        payload: body.to_string().as_bytes(),
    });
    sent.expect("a queue").await.expect("an acknowledgement");
    let buried = async || {
        let count = "select count(*) from dead_letters d join attention a on a.subject = d.letter_id
                     where a.kind = 'forged_record' and convert_from(d.payload, 'utf8') like '%' || $1 || '%'";
        Ok(sqlx::query_scalar::<_, i64>(count)
            .bind(&booking)
            .fetch_one(&stage.database)
            .await?)
    };
    assert_eq!(
        stage.until(&1, buried).await.expect("a database"),
        1,
        "{}",
        system.log()
    );
    let status = ann.status(&booking).await.expect("a status");
    assert_eq!(status["status"], "HELD");
    assert_eq!(stage.ledger(&booking).await.expect("a ledger"), vec![]);
}

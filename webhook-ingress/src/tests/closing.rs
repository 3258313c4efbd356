//! Readiness, and what is said while the door closes.

use serde_json::Value;

use super::*;

async fn ready(door: &Router) -> (u16, Value) {
    let response = ask(door, Request::get("/readyz").body(Body::empty()).unwrap()).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn part<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["parts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["part"] == name)
        .unwrap()
}

#[tokio::test]
async fn alive_whatever_kafka_does() {
    let kafka = TestKafka::new(Kafka::Hangs);
    let response = ask(
        &door(&kafka),
        Request::get("/livez").body(Body::empty()).unwrap(),
    )
    .await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn ready_with_a_broker_and_its_warnings() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    let (status, document) = ready(&door).await;
    assert_eq!(status, 200);
    assert_eq!(document["ready"], true);
    assert_eq!(part(&document, "broker")["warnings"][0], "has 1 replicas");
    assert!(
        part(&document, "broker")
            .get("last_acknowledged_ms_ago")
            .is_none()
    );
    ask(&door, signed(PAID)).await;
    let (_, document) = ready(&door).await;
    assert!(part(&document, "broker")["last_acknowledged_ms_ago"].is_number());
}

#[tokio::test(start_paused = true)]
async fn not_ready_without_a_broker_and_ready_again_without_any_webhook() {
    let kafka = TestKafka::new(Kafka::Hangs);
    let door = door(&kafka);
    let (status, document) = ready(&door).await;
    assert_eq!(status, 503);
    assert_eq!(document["ready"], false);
    assert_eq!(part(&document, "broker")["why"], "Kafka does not answer");
    assert_eq!(part(&document, "door")["ready"], true);
    kafka.does(Kafka::Acknowledges);
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(ready(&door).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_was_not_acknowledged_makes_it_unready_until_one_is_or_time_passes() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    assert_eq!(ready(&door).await.0, 200);
    kafka.does(Kafka::Refuses(SendError::NotAuthorized));
    ask(&door, signed(PAID)).await;
    let (status, document) = ready(&door).await;
    assert_eq!(status, 503);
    assert_eq!(
        part(&document, "broker")["why"],
        SendError::NotAuthorized.to_string()
    );

    kafka.does(Kafka::Acknowledges);
    tokio::time::advance(Duration::from_millis(10)).await;
    ask(&door, signed(PAID)).await;
    assert_eq!(ready(&door).await.0, 200);

    kafka.does(Kafka::Refuses(SendError::QueueFull));
    tokio::time::advance(Duration::from_millis(10)).await;
    ask(&door, signed(PAID)).await;
    assert_eq!(
        ready(&door).await.0,
        200,
        "a full queue is load, not an outage"
    );
}

#[tokio::test]
async fn while_draining_new_webhooks_are_503_and_those_inside_finish() {
    let kafka = TestKafka::new(Kafka::Waits);
    let ingress = ingress(&kafka, IngressOptions::default());
    let door = router(ingress.clone());
    let inside = tokio::spawn({
        let door = door.clone();
        async move { ask(&door, signed(PAID)).await.status() }
    });
    kafka.a_record_came().await;
    ingress.drain();
    assert_eq!(
        refusal(ask(&door, signed(PAID)).await).await,
        refused(503, "draining")
    );
    let (status, document) = ready(&door).await;
    assert_eq!(status, 503);
    assert_eq!(part(&document, "door")["why"], "shutting down");
    kafka.acknowledge();
    assert_eq!(inside.await.unwrap(), 200);
}

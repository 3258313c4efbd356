//! What stands in Kafka.

use boxoffice_gateways::ReverifyError;
use boxoffice_gateways::record::UNREADABLE;
use boxoffice_saga::identity::{BookingId, ShowId};

use super::*;

#[tokio::test]
async fn the_record_holds_the_exact_bytes_and_verifies_again() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let booking = BookingId::pack(1_700_000_000_000, ShowId::try_from(42u64).unwrap(), 7);
    let body = format!(
        "{{\"type\" : \"payment.succeeded\",\n \"id\":\"evt_9\",\"payment_id\":\"pay_9\",\"booking_id\":\"{booking}\",\
         \"amount\":{{\"minor\":1,\"currency\":\"INR\"}} }}  "
    );
    let mut request = signed_stream(body.as_bytes(), Body::from(body.clone()));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request
        .headers_mut()
        .insert("traceparent", trace.parse().unwrap());
    request
        .headers_mut()
        .insert("authorization", "Bearer not to be kept".parse().unwrap());
    assert_eq!(ask(&door(&kafka), request).await.status(), 200);

    let Published { topic, key, record } = kafka.only();
    assert_eq!(topic, "payments.webhooks.v1");
    assert_eq!(key, "42");
    assert_eq!(record.body, body.as_bytes());
    assert_eq!(record.event_id, "evt_9");
    assert_eq!(record.kind, "payment.succeeded");
    assert_eq!(record.traceparent.as_deref(), Some(trace));
    assert_eq!(record.headers.len(), 1);
    assert_eq!(record.received_at.nanosecond() % 1_000, 0);
    assert_eq!(gateways().reverify(&record).unwrap().event_id, "evt_9");
}

#[tokio::test]
async fn genuine_bytes_that_cannot_be_read_are_kept_and_answered_200() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    assert_eq!(ask(&door, signed("not JSON at all")).await.status(), 200);
    let Published { key, record, .. } = kafka.only();
    assert_eq!(record.kind, UNREADABLE);
    assert_eq!(key, record.event_id);
    assert!(key.len() > 32, "derived from the hash of the body: {key}");
    assert_eq!(record.body, "not JSON at all");
    assert!(matches!(
        gateways().reverify(&record),
        Err(ReverifyError::Unreadable(_))
    ));

    // Every redelivery is the same event, another body is another.
    ask(&door, signed("not JSON at all")).await;
    assert_eq!(kafka.only().key, key);
    ask(&door, signed("nor this")).await;
    assert_ne!(kafka.only().key, key);
}

#[tokio::test]
async fn a_parser_that_panics_loses_nothing() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let request = Request::post("/webhooks/odd")
        .header("x-odd", "panics")
        .body(Body::from("money"))
        .unwrap();
    assert_eq!(ask(&door(&kafka), request).await.status(), 200);
    let record = kafka.only().record;
    assert_eq!(
        (record.kind.as_str(), &record.body[..]),
        (UNREADABLE, b"money".as_slice())
    );
}

#[tokio::test]
async fn unreadable_bytes_are_not_200_before_the_acknowledgement_either() {
    let kafka = TestKafka::new(Kafka::Refuses(SendError::TimedOut));
    let response = ask(&door(&kafka), signed("not JSON at all")).await;
    assert_eq!(refusal(response).await, refused(503, "broker_unavailable"));
}

#[tokio::test]
async fn an_empty_body_is_verified_like_any_other() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    assert_eq!(ask(&door(&kafka), signed("")).await.status(), 200);
    assert!(kafka.only().record.body.is_empty());
}

fn several(body: &'static str) -> Request<Body> {
    Request::post("/webhooks/odd")
        .header("x-odd", "several")
        .body(Body::from(body))
        .unwrap()
}

#[tokio::test]
async fn each_item_of_a_webhook_is_a_record_with_the_whole_body() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let body = "first\n?\nthird\n?";
    assert_eq!(ask(&door(&kafka), several(body)).await.status(), 200);
    let published = kafka.published();
    assert_eq!(published.len(), 4);
    for (number, Published { key, record, .. }) in (0..).zip(&published) {
        assert_eq!((record.item, &record.body[..]), (number, body.as_bytes()));
        assert_eq!(*key, record.event_id);
    }
    let known: std::collections::BTreeSet<_> = published
        .iter()
        .map(|each| gateways().inbox_key(&each.record))
        .collect();
    assert_eq!(known.len(), 4, "{known:?}");

    // Each record is read as the item that it names, and as no other.
    let mut records = published.into_iter().map(|each| each.record);
    let (first, second, third) = (
        records.next().unwrap(),
        records.next().unwrap(),
        records.next().unwrap(),
    );
    assert_eq!(gateways().reverify(&first).unwrap().event_id, "first");
    assert_eq!(gateways().reverify(&third).unwrap().event_id, "third");
    assert!(matches!(
        gateways().reverify(&second),
        Err(ReverifyError::Unreadable(_))
    ));
    let tampered = |item: u32, what: &'static str| {
        let record = WebhookRecord {
            item,
            ..third.clone()
        };
        assert_eq!(
            gateways().reverify(&record),
            Err(ReverifyError::Tampered { what })
        );
    };
    tampered(0, "event_id");
    tampered(4, "item");
}

#[tokio::test]
async fn a_webhook_of_several_items_is_taken_when_the_last_is_acknowledged() {
    let kafka = TestKafka::new(Kafka::Waits);
    let door = door(&kafka);
    let asked = tokio::spawn(async move { ask(&door, several("a\nb")).await.status() });
    kafka.a_record_came().await;
    kafka.a_record_came().await;
    kafka.acknowledge();
    tokio::task::yield_now().await;
    assert!(!asked.is_finished());
    kafka.acknowledge();
    assert_eq!(asked.await.unwrap(), 200);

    kafka.does(Kafka::Refuses(SendError::TimedOut));
    let door = super::door(&kafka);
    let response = ask(&door, several("a\nb")).await;
    assert_eq!(refusal(response).await, refused(503, "broker_unavailable"));
}

//! That what happens is counted, under labels that no sender can multiply.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::*;
use crate::metric;

#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counters {
    fn of(&self, gateway: &str, outcome: &str) -> u64 {
        let key = format!("{} gateway={gateway} outcome={outcome}", metric::WEBHOOKS);
        self.0
            .lock()
            .unwrap()
            .get(&key)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn every_answer_is_counted_by_gateway_and_outcome() {
    let counters = Counters::default();
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = metrics::with_local_recorder(&counters, || door(&kafka));
    for request in [
        signed(PAID),
        signed(PAID),
        signed(OF_NO_INTEREST),
        signed("no JSON"),
    ] {
        ask(&door, request).await;
    }
    ask(&door, signed_stream(b"else", Body::from(PAID))).await;
    for nth in 0..3 {
        ask(
            &door,
            Request::post(format!("/webhooks/guess-{nth}"))
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    }
    kafka.does(Kafka::Refuses(SendError::QueueFull));
    ask(&door, signed(PAID)).await;

    assert_eq!(counters.of("generic", "accepted"), 2);
    assert_eq!(counters.of("generic", "no_interest"), 1);
    assert_eq!(counters.of("generic", "unreadable"), 1);
    assert_eq!(counters.of("generic", "signature_mismatch"), 1);
    assert_eq!(counters.of("generic", "queue_full"), 1);
    assert_eq!(counters.of(metric::UNKNOWN, "unknown_gateway"), 3);
    assert!(
        counters
            .0
            .lock()
            .unwrap()
            .keys()
            .all(|key| !key.contains("guess"))
    );
    let bytes = format!("{} gateway=generic", metric::BYTES);
    assert!(counters.0.lock().unwrap()[&bytes].load(Ordering::Relaxed) > 0);
}

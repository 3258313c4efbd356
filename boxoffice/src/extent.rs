//! How far a topic reaches.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use boxoffice_producers::Connection;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;

use crate::failure::Failure;

/// How long Kafka may take to say where a topic begins or ends.
const KAFKA_WITHIN: Duration = Duration::from_secs(10);

/// The offsets that each partition of a topic has now. Empty where there is no such topic.
///
/// # Errors
/// When Kafka does not answer.
pub async fn of(
    topic: &'static str,
    kafka: &Connection,
) -> Result<BTreeMap<i32, Range<i64>>, Failure> {
    let unread =
        |error: &(dyn std::error::Error + 'static)| Failure::because("Kafka cannot be read", error);
    let kafka = kafka.clone();
    tokio::task::spawn_blocking(move || ask(topic, &kafka))
        .await
        .map_err(|error| unread(&error))?
        .map_err(|error| unread(&error))
}

fn ask(topic: &str, kafka: &Connection) -> Result<BTreeMap<i32, Range<i64>>, KafkaError> {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", &kafka.brokers);
    for (name, value) in &kafka.extra {
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), KAFKA_WITHIN)?;
    let partitions = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions());
    partitions
        .map(|partition| {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), KAFKA_WITHIN)?;
            Ok((partition.id(), low..high))
        })
        .collect()
}

//! Records of Kafka, read by where they stand.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub payload: Vec<u8>,
}

/// The record at the place that a story names: `topic`, `partition`, `offset`.
pub async fn at(kafka: &str, place: &Value) -> Record {
    let topic = place["topic"].as_str().expect("a topic").to_owned();
    let partition = place["partition"].as_i64().expect("a partition");
    let partition = i32::try_from(partition).expect("a partition");
    let offset = place["offset"].as_i64().expect("an offset");
    let (_, record) = from(kafka, &topic, partition, Offset::Offset(offset), 1)
        .await
        .pop()
        .expect("one");
    record
}

/// Every record of a topic, with its partition.
pub async fn all(kafka: &str, topic: &str) -> Vec<(i32, Record)> {
    let consumer = consumer(kafka);
    let within = Duration::from_secs(10);
    let metadata = consumer
        .fetch_metadata(Some(topic), within)
        .expect("Kafka answers");
    let mut all = Vec::new();
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer
            .fetch_watermarks(topic, partition.id(), within)
            .expect("Kafka answers");
        let count = usize::try_from(high - low).expect("a count");
        all.extend(from(kafka, topic, partition.id(), Offset::Offset(low), count).await);
    }
    all
}

fn consumer(kafka: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("group.id", "a-reader-of-tests")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer")
}

async fn from(
    kafka: &str,
    topic: &str,
    partition: i32,
    offset: Offset,
    count: usize,
) -> Vec<(i32, Record)> {
    let (kafka, topic) = (kafka.to_owned(), topic.to_owned());
    let read = move || {
        let consumer = consumer(&kafka);
        let mut places = TopicPartitionList::new();
        places
            .add_partition_offset(&topic, partition, offset)
            .expect("a place");
        consumer.assign(&places).expect("assigned");
        let mut records = Vec::new();
        while records.len() < count {
            let message = consumer
                .poll(Duration::from_secs(20))
                .expect("a record in time")
                .expect("a record");
            let headers = message.headers().into_iter().flat_map(Headers::iter);
            let headers = headers.map(|header| {
                let value = header.value.unwrap_or_default().to_vec();
                (header.key.to_owned(), value)
            });
            let record = Record {
                key: message.key().map(<[u8]>::to_vec),
                headers: headers.collect(),
                payload: message.payload().unwrap_or_default().to_vec(),
            };
            records.push((partition, record));
        }
        records
    };
    tokio::task::spawn_blocking(read).await.expect("it is read")
}

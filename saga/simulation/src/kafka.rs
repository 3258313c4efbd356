//! Kafka: logs by topic and partition, and who the group says owns which.

use std::collections::BTreeMap;

use boxoffice_saga::identity::BookingId;
use boxoffice_stream::Record;
use boxoffice_turn::Outgoing;

/// How many partitions each topic has.
pub(crate) const PARTITIONS: i32 = 2;

/// The logs.
#[derive(Debug, Default)]
pub(crate) struct Kafka {
    logs: BTreeMap<(String, i32), Vec<Record>>,
    /// The highest sequence of each booking's events that was ever delivered.
    pub latest: BTreeMap<BookingId, u32>,
    /// First deliveries that skipped one: the booking, the latest before, and what came.
    pub out_of_order: Vec<(BookingId, u32, u32)>,
}

impl Kafka {
    /// Appends a record to the partition that its key leads to.
    pub fn append(
        &mut self,
        topic: &str,
        key: &str,
        headers: &[(String, Vec<u8>)],
        payload: &[u8],
    ) {
        let sum: u32 = key.bytes().map(u32::from).sum();
        let number = i32::try_from(sum % PARTITIONS.unsigned_abs()).unwrap_or(0);
        let log = self.logs.entry((topic.to_owned(), number)).or_default();
        let offset = i64::try_from(log.len()).unwrap_or(i64::MAX);
        log.push(Record::new(
            offset,
            None,
            Some(key.as_bytes()),
            headers,
            payload,
        ));
    }

    /// A relay publishes a record.
    pub fn publish(&mut self, record: &Outgoing) {
        let headers = record.headers.as_deref().unwrap_or_default();
        self.append(&record.topic, &record.key, headers, &record.payload);
        if let (Some(booking), Some(sequence)) = (record.booking, record.sequence) {
            let latest = self.latest.entry(booking).or_default();
            if sequence == *latest + 1 {
                *latest = sequence;
            } else if sequence > *latest {
                self.out_of_order.push((booking, *latest, sequence));
            }
        }
    }

    /// Up to `limit` records of a partition from `offset` on.
    pub fn fetch(&self, topic: &str, partition: i32, offset: i64, limit: usize) -> Vec<Record> {
        let Some(log) = self.logs.get(&(topic.to_owned(), partition)) else {
            return Vec::new();
        };
        let start = usize::try_from(offset).unwrap_or(0);
        log.iter().skip(start).take(limit).cloned().collect()
    }

    /// Where a partition ends.
    pub fn end(&self, topic: &str, partition: i32) -> i64 {
        let log = self.logs.get(&(topic.to_owned(), partition));
        log.map_or(0, |log| i64::try_from(log.len()).unwrap_or(i64::MAX))
    }
}

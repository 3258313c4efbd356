//! How far partitions reach, asked over a connection of its own: on the consumer's, each question would wait
//! behind the fetch that is under way.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::position::Partition;
use crate::reachable::Reachable;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka client for lag");
    }
}

impl ConsumerContext for Quiet {}

/// Asks for the beginnings and ends of partitions.
#[derive(Clone)]
pub(crate) struct Reach {
    client: Arc<BaseConsumer<Quiet>>,
    reachable: Arc<Reachable>,
}

impl Reach {
    pub(crate) fn new(config: &ClientConfig, reachable: Arc<Reachable>) -> KafkaResult<Self> {
        let client = Arc::new(BaseConsumer::from_config_and_context(config, Quiet)?);
        Ok(Self { client, reachable })
    }

    /// The offset that the next record of each partition will get. Partitions that gave no answer are left out.
    pub(crate) async fn ends(
        &self,
        partitions: Vec<Partition>,
    ) -> KafkaResult<Vec<(Partition, i64)>> {
        self.ask(partitions, Offset::End).await
    }

    /// The offset of the oldest record of each partition.
    pub(crate) async fn beginnings(
        &self,
        partitions: Vec<Partition>,
    ) -> KafkaResult<Vec<(Partition, i64)>> {
        self.ask(partitions, Offset::Beginning).await
    }

    async fn ask(
        &self,
        partitions: Vec<Partition>,
        which: Offset,
    ) -> KafkaResult<Vec<(Partition, i64)>> {
        let this = self.clone();
        let answer =
            tokio::task::spawn_blocking(move || this.ask_blocking(&partitions, which)).await;
        answer.unwrap_or(Err(KafkaError::Canceled))
    }

    /// One request to each broker, whatever the number of partitions.
    fn ask_blocking(
        &self,
        partitions: &[Partition],
        which: Offset,
    ) -> KafkaResult<Vec<(Partition, i64)>> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(&partition.topic, partition.number, which)?;
        }
        let answers = self.client.offsets_for_times(list, ANSWER_WITHIN)?;
        self.reachable.network();
        let offset_of = |partition: &Partition| {
            let found = answers.find_partition(&partition.topic, partition.number)?;
            match (found.error(), found.offset()) {
                (Ok(()), Offset::Offset(offset)) => Some(offset),
                _ => None,
            }
        };
        Ok(partitions
            .iter()
            .filter_map(|p| offset_of(p).map(|offset| (p.clone(), offset)))
            .collect())
    }
}

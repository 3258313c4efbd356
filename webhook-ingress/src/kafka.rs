//! The publisher of production: a producer of its own for the door.

use std::error::Error;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use boxoffice_producers::topics::{Finding, PAYMENTS_WEBHOOKS};
use boxoffice_producers::{
    ClusterAdmin, Connection, OutgoingRecord, Producer, ProducerOptions, SendError,
};

use crate::options::IngressOptions;
use crate::publisher::Publisher;

/// Publishes with an idempotent producer. One that failed for good is replaced by a new one, so that the
/// door opens again by itself.
pub struct KafkaPublisher {
    options: ProducerOptions,
    producer: RwLock<Producer>,
    admin: ClusterAdmin,
}

/// A setting that Kafka's client refuses.
#[derive(Debug, thiserror::Error)]
#[error("the door's Kafka client could not be made")]
pub struct PublisherError(#[source] Box<dyn Error + Send + Sync>);

impl KafkaPublisher {
    /// Makes the clients. Does not wait for a connection.
    ///
    /// # Errors
    /// [`PublisherError`] where librdkafka refuses a setting.
    pub fn new(connection: Connection, options: &IngressOptions) -> Result<Self, PublisherError> {
        let admin = ClusterAdmin::new(&connection).map_err(|error| PublisherError(error.into()))?;
        let options = options.producer(connection);
        let producer = Producer::new(&options).map_err(|error| PublisherError(error.into()))?;
        Ok(Self {
            options,
            producer: RwLock::new(producer),
            admin,
        })
    }

    /// The producer of now. A poisoned lock holds a whole producer all the same.
    fn producer(&self) -> Producer {
        self.producer
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts a new producer in the place of one that failed for good, if nobody else has.
    fn replace_failed(&self) {
        let mut producer = self
            .producer
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if producer.fatal().is_none() {
            return;
        }
        match Producer::new(&self.options) {
            Ok(fresh) => {
                tracing::warn!("the door's Kafka producer failed for good and was replaced");
                let failed = std::mem::replace(&mut *producer, fresh);
                // Dropping the last clone blocks.
                tokio::task::spawn_blocking(move || drop(failed));
            }
            Err(error) => {
                tracing::error!(%error, "the door's failed Kafka producer could not be replaced")
            }
        }
    }
}

impl Publisher for KafkaPublisher {
    fn publish(
        &self,
        record: OutgoingRecord<'_>,
    ) -> impl Future<Output = Result<(), SendError>> + Send + use<> {
        let sent = self
            .producer
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .send(record);
        if matches!(sent, Err(SendError::Fatal(_))) {
            self.replace_failed();
        }
        async move { sent?.await.map(|_place| ()) }
    }

    async fn probe(&self) -> Result<Vec<String>, String> {
        if let Some(reason) = self.producer().fatal() {
            self.replace_failed();
            return Err(format!(
                "the producer failed for good ({reason}) and is being replaced"
            ));
        }
        let state = self
            .admin
            .check()
            .await
            .map_err(|error| error.to_string())?;
        let Some(topic) = state
            .topics
            .into_iter()
            .find(|topic| topic.name == PAYMENTS_WEBHOOKS)
        else {
            return Err(format!("the topic {PAYMENTS_WEBHOOKS} does not exist"));
        };
        let leaderless = topic
            .findings
            .iter()
            .filter(|found| matches!(found, Finding::NoLeader { .. }))
            .count();
        if leaderless == topic.partitions {
            return Err(format!("no partition of {PAYMENTS_WEBHOOKS} has a leader"));
        }
        Ok(topic
            .findings
            .iter()
            .map(|found| format!("{PAYMENTS_WEBHOOKS}: {found}"))
            .collect())
    }

    async fn flush(&self, at_most: Duration) -> bool {
        self.producer().flush(at_most).await
    }
}

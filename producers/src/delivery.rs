//! What librdkafka reports back, on the producer's own thread.

use std::sync::atomic::{AtomicBool, Ordering};

use metrics::Counter;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};
use tokio::sync::oneshot;

use crate::metric;
use crate::send_error::SendError;

/// Answers each record's sender, and knows whether brokers are in reach.
pub(crate) struct Deliveries {
    client_id: String,
    reachable: AtomicBool,
    acknowledged: Counter,
}

impl Deliveries {
    pub(crate) fn new(client_id: &str) -> Self {
        let client_id = client_id.to_owned();
        let acknowledged = metrics::counter!(metric::ACKNOWLEDGED, "client" => client_id.clone());
        Self {
            client_id,
            reachable: AtomicBool::new(true),
            acknowledged,
        }
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// Counts a failure and says what it was.
    pub(crate) fn refused(&self, error: &KafkaError) -> SendError {
        let error = SendError::from_kafka(error, self.is_reachable());
        metrics::counter!(metric::FAILED, "client" => self.client_id.clone(), "kind" => error.name()).increment(1);
        error
    }

    fn note_reachable(&self, reachable: bool) {
        // Looked at first: the store would move the cache line at every record.
        if self.is_reachable() != reachable
            && self.reachable.swap(reachable, Ordering::Relaxed) != reachable
        {
            if reachable {
                tracing::info!(client = %self.client_id, "Kafka is in reach again");
            } else {
                tracing::warn!(client = %self.client_id, "no Kafka broker is in reach");
            }
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Each failed connection is one of these; the change of state is logged above, once.
        tracing::debug!(client = %self.client_id, ?level, facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.note_reachable(false),
            Some(RDKafkaErrorCode::Fatal) => {
                tracing::error!(client = %self.client_id, reason, "the Kafka producer failed for good");
            }
            _ => tracing::debug!(client = %self.client_id, %error, reason, "Kafka producer"),
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = Box<oneshot::Sender<Result<(i32, i64), SendError>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, answer: Self::DeliveryOpaque) {
        let result = match result {
            Ok(message) => {
                self.note_reachable(true);
                self.acknowledged.increment(1);
                Ok((message.partition(), message.offset()))
            }
            Err((error, _message)) => Err(self.refused(error)),
        };
        // Whoever sent it may have stopped waiting.
        let _ = answer.send(result);
    }
}

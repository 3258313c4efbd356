//! Why a stream ended that was not told to.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why [`run`](crate::run()) ended, other than by its cancellation.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The options are contradictory, or librdkafka refuses one.
    #[error("the stream's options are not valid: {0}")]
    Options(String),
    /// The Kafka client could not be made.
    #[error("the Kafka consumer could not be started")]
    Start(#[source] KafkaError),
    /// The operating system gave us no thread.
    #[error("the consumer's thread could not be started")]
    Thread(#[source] std::io::Error),
    /// librdkafka says that this client can never work again, for example because another member of the
    /// group has the same `group.instance.id`.
    #[error("the Kafka consumer failed for good: {0}")]
    Fatal(RDKafkaErrorCode),
    /// The thread that polls Kafka ended by itself, which is a defect.
    #[error("the consumer's thread ended unexpectedly")]
    ThreadGone,
}

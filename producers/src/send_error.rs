//! Why a record did not reach its topic.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why a record was not acknowledged. Unless it says otherwise, it is not known whether the record is in
/// the topic all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Too much is under way already. It was never handed over; nothing of it is in the topic.
    #[error("too many records are under way")]
    QueueFull,
    /// The record is larger than the topic or the producer takes. Permanent.
    #[error("the record is too large")]
    TooLarge,
    /// We may not write this topic. Permanent, until an operator changes it.
    #[error("not authorised to write the topic")]
    NotAuthorized,
    /// There is no such topic. Permanent, until an operator changes it.
    #[error("the topic does not exist")]
    UnknownTopic,
    /// No acknowledgement within the delivery timeout, while brokers were in reach.
    #[error("no acknowledgement in time")]
    TimedOut,
    /// No acknowledgement within the delivery timeout, and no broker was in reach.
    #[error("no broker could be reached")]
    Unreachable,
    /// [`Producer::purge`](crate::Producer::purge) threw it away.
    #[error("thrown away by a purge")]
    Purged,
    /// The producer can never deliver anything again and must be replaced by a new one.
    #[error("the producer failed for good: {0}")]
    Fatal(RDKafkaErrorCode),
    /// Kafka refused it for another reason. Permanent for this record.
    #[error("Kafka refused the record: {0}")]
    Refused(RDKafkaErrorCode),
    /// Something that may be better at the next attempt.
    #[error("Kafka did not take the record: {0}")]
    Failed(RDKafkaErrorCode),
}

impl SendError {
    /// Whether the same record, sent again by the same producer, must fail again.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::TooLarge
            | Self::NotAuthorized
            | Self::UnknownTopic
            | Self::Fatal(_)
            | Self::Refused(_) => true,
            Self::QueueFull
            | Self::TimedOut
            | Self::Unreachable
            | Self::Purged
            | Self::Failed(_) => false,
        }
    }

    /// A short name for metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::TooLarge => "too_large",
            Self::NotAuthorized => "not_authorized",
            Self::UnknownTopic => "unknown_topic",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Purged => "purged",
            Self::Fatal(_) => "fatal",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// Reads librdkafka's verdict. `reachable` tells the two kinds of waiting in vain apart.
    pub(crate) fn from_kafka(error: &KafkaError, reachable: bool) -> Self {
        let Some(code) = error.rdkafka_error_code() else {
            // Only a topic name with a NUL byte in it: no such topic.
            return Self::UnknownTopic;
        };
        match code {
            RDKafkaErrorCode::QueueFull => Self::QueueFull,
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::MessageBatchTooLarge => Self::TooLarge,
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed => Self::NotAuthorized,
            RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::InvalidTopic => Self::UnknownTopic,
            RDKafkaErrorCode::MessageTimedOut if reachable => Self::TimedOut,
            RDKafkaErrorCode::MessageTimedOut
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown => Self::Unreachable,
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight => Self::Purged,
            RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::OutOfOrderSequenceNumber
            | RDKafkaErrorCode::InvalidProducerEpoch => Self::Fatal(code),
            RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTimestamp
            | RDKafkaErrorCode::InvalidArgument
            | RDKafkaErrorCode::PolicyViolation => Self::Refused(code),
            _ => Self::Failed(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_says_whether_brokers_were_in_reach() {
        let error = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        assert_eq!(SendError::from_kafka(&error, true), SendError::TimedOut);
        assert_eq!(SendError::from_kafka(&error, false), SendError::Unreachable);
    }

    #[test]
    fn what_an_outage_causes_is_never_permanent() {
        for code in [
            RDKafkaErrorCode::MessageTimedOut,
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::AllBrokersDown,
            RDKafkaErrorCode::NotEnoughReplicas,
            RDKafkaErrorCode::NotLeaderForPartition,
            RDKafkaErrorCode::QueueFull,
            RDKafkaErrorCode::PurgeQueue,
        ] {
            assert!(
                !SendError::from_kafka(&KafkaError::MessageProduction(code), true).is_permanent(),
                "{code}"
            );
        }
    }
}

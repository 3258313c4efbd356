//! The topics: their names, what they must be set to, and whether they are.
//!
//! Brokers should run with `auto.create.topics.enable=false`: else a record for a topic that is not there
//! makes one, with the broker's defaults.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::cluster::ClusterAdmin;
use crate::connection::Connection;

/// Every verified webhook, the exact bytes. Kept 30 days.
pub const PAYMENTS_WEBHOOKS: &str = "payments.webhooks.v1";
/// What we tell the world about bookings. Kept without limit.
pub const BOOKINGS_EVENTS: &str = "bookings.events.v1";
/// What the coordinator put aside.
pub const COORDINATOR_DLQ: &str = "coordinator.dlq.v1";
/// What the refund worker put aside.
pub const REFUNDS_DLQ: &str = "refunds.dlq.v1";
/// What the notification worker put aside.
pub const NOTIFICATIONS_DLQ: &str = "notifications.dlq.v1";

/// How many partitions the topics have unless told otherwise. Never changed after creation.
pub const DEFAULT_PARTITIONS: i32 = 12;
/// The largest value that may be sent to a topic other than a dead-letter topic, in bytes. Key and headers
/// have room beside it. Doors and turns check it before they promise anything.
pub const LARGEST_PAYLOAD_BYTES: usize = 1_000_000;
/// What a producer takes at most, in bytes: the largest of the topics' own limits.
pub const LARGEST_RECORD_BYTES: usize = 4 << 20;

/// What a topic has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// How long records are kept, in milliseconds; -1 is without limit.
    pub retention_ms: i64,
    /// How large a batch of records the broker takes, in bytes.
    pub max_message_bytes: usize,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// All topics of ours. Dead letters are larger than what died, for they bear its headers and ours.
pub const ALL: [Topic; 5] = [
    Topic {
        name: PAYMENTS_WEBHOOKS,
        retention_ms: 30 * DAY_MS,
        max_message_bytes: 2 << 20,
    },
    Topic {
        name: BOOKINGS_EVENTS,
        retention_ms: -1,
        max_message_bytes: 2 << 20,
    },
    Topic {
        name: COORDINATOR_DLQ,
        retention_ms: -1,
        max_message_bytes: LARGEST_RECORD_BYTES,
    },
    Topic {
        name: REFUNDS_DLQ,
        retention_ms: -1,
        max_message_bytes: LARGEST_RECORD_BYTES,
    },
    Topic {
        name: NOTIFICATIONS_DLQ,
        retention_ms: -1,
        max_message_bytes: LARGEST_RECORD_BYTES,
    },
];

impl Topic {
    /// The settings that the topic is created with. Segments are rolled by time, so that retention deletes
    /// by the day also where little arrives.
    pub(crate) fn settings(&self, replication: i32) -> Vec<(&'static str, String)> {
        vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", self.retention_ms.to_string()),
            ("retention.bytes", "-1".to_owned()),
            (
                "segment.ms",
                (if self.retention_ms < 0 {
                    7 * DAY_MS
                } else {
                    DAY_MS
                })
                .to_string(),
            ),
            ("max.message.bytes", self.max_message_bytes.to_string()),
            (
                "min.insync.replicas",
                if replication >= 3 { "2" } else { "1" }.to_owned(),
            ),
            ("unclean.leader.election.enable", "false".to_owned()),
            ("message.timestamp.type", "CreateTime".to_owned()),
            ("compression.type", "producer".to_owned()),
        ]
    }
}

/// Something about an existing topic that is not as it should be. Whether that is tolerable is the caller's
/// to decide; nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Fewer than three replicas: the loss of a broker can lose records.
    #[error("has {have} replicas; production needs 3")]
    FewReplicas {
        /// How many there are, of the partition that has the fewest.
        have: usize,
    },
    /// `min.insync.replicas` below two: a record may be acknowledged by one broker alone.
    #[error("min.insync.replicas is {have}; production needs 2")]
    LowMinInsync {
        /// What it is.
        have: i64,
    },
    /// More or fewer partitions than asked for. Never changed: keys would move.
    #[error("has {have} partitions, not {want}; left as it is")]
    Partitions {
        /// What was asked for.
        want: usize,
        /// What there is.
        have: usize,
    },
    /// A partition has no leader now.
    #[error("partition {partition} has no leader")]
    NoLeader {
        /// Which.
        partition: i32,
    },
    /// Records are deleted too early, or merged by key.
    #[error("{name} is {have}, not {want}")]
    Setting {
        /// The setting's name at the broker.
        name: &'static str,
        /// What it should be (at least, for sizes and times).
        want: String,
        /// What it is.
        have: String,
    },
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// Its name.
    pub name: &'static str,
    /// Whether we made it just now.
    pub created: bool,
    /// How many partitions it has.
    pub partitions: usize,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// Kafka as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterState {
    /// How many brokers are up.
    pub brokers: usize,
    /// Our topics that are there.
    pub topics: Vec<TopicState>,
    /// Our topics that are not.
    pub missing: Vec<&'static str>,
}

/// Why topics could not be made or looked at.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// A setting of the client is not valid.
    #[error("the Kafka admin client could not be made")]
    Client(#[source] KafkaError),
    /// No broker answered in time.
    #[error("Kafka at {brokers} does not answer")]
    Unreachable {
        /// The brokers that were asked.
        brokers: String,
        /// What librdkafka says.
        #[source]
        source: KafkaError,
    },
    /// A broker would not make the topic.
    #[error("the topic {topic} could not be created: {code}{}", hint(*code))]
    Refused {
        /// Which.
        topic: String,
        /// The broker's verdict.
        code: RDKafkaErrorCode,
    },
    /// The partitions or replicas asked for make no sense.
    #[error("{partitions} partitions with {replication} replicas cannot be")]
    Numbers {
        /// The partitions asked for.
        partitions: i32,
        /// The replicas asked for.
        replication: i32,
    },
}

fn hint(code: RDKafkaErrorCode) -> &'static str {
    match code {
        RDKafkaErrorCode::InvalidReplicationFactor => " (are there as many brokers as replicas?)",
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            " (give this client the Create right, or create the topics yourself)"
        }
        _ => "",
    }
}

/// Makes the topics that are missing, and looks at those that exist. Never changes one that exists. Safe to
/// call from several instances at a time.
///
/// # Errors
/// [`TopicsError`].
pub async fn create_topics(
    connection: &Connection,
    partitions: i32,
    replication: i32,
) -> Result<ClusterState, TopicsError> {
    ClusterAdmin::new(connection)?
        .create_topics(partitions, replication)
        .await
}

/// What there is.
///
/// # Errors
/// [`TopicsError::Unreachable`] where Kafka does not answer.
pub async fn check(connection: &Connection) -> Result<ClusterState, TopicsError> {
    ClusterAdmin::new(connection)?.check().await
}

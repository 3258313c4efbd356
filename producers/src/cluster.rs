//! Questions to the cluster, and the making of topics.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use crate::connection::Connection;
use crate::topics::{self, ClusterState, Finding, Topic, TopicState, TopicsError};

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long brokers may take to make topics.
const MADE_WITHIN: Duration = Duration::from_secs(20);

/// Every failed connection would be a line; who asks is told by the answer, and logs it once.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka admin client");
    }
}

/// An open connection for questions about the cluster; keep it for `readyz`. Clones share it.
#[derive(Clone)]
pub struct ClusterAdmin {
    client: Arc<AdminClient<Quiet>>,
    brokers: String,
}

impl ClusterAdmin {
    /// Makes a client. Does not wait for a connection.
    ///
    /// # Errors
    /// [`TopicsError::Client`] where librdkafka refuses a setting.
    pub fn new(connection: &Connection) -> Result<Self, TopicsError> {
        let config = connection.finish(connection.config("boxoffice-admin"));
        let client =
            AdminClient::from_config_and_context(&config, Quiet).map_err(TopicsError::Client)?;
        Ok(Self {
            client: Arc::new(client),
            brokers: connection.brokers.clone(),
        })
    }

    /// See [`topics::create_topics`].
    ///
    /// # Errors
    /// [`TopicsError`].
    pub async fn create_topics(
        &self,
        partitions: i32,
        replication: i32,
    ) -> Result<ClusterState, TopicsError> {
        if partitions < 1 || replication < 1 {
            return Err(TopicsError::Numbers {
                partitions,
                replication,
            });
        }
        let missing = self.check().await?.missing;
        let wanted: Vec<&Topic> = topics::ALL
            .iter()
            .filter(|topic| missing.contains(&topic.name))
            .collect();
        let created = self.make(&wanted, partitions, replication).await?;
        let mut state = self.check().await?;
        for topic in &mut state.topics {
            topic.created = created.contains(&topic.name);
            let want = usize::try_from(partitions).unwrap_or(0);
            if topic.partitions != want {
                topic.findings.push(Finding::Partitions {
                    want,
                    have: topic.partitions,
                });
            }
        }
        Ok(state)
    }

    /// What there is. Takes at most 10 s.
    ///
    /// # Errors
    /// [`TopicsError::Unreachable`] where Kafka does not answer.
    pub async fn check(&self) -> Result<ClusterState, TopicsError> {
        let metadata = self.metadata().await?;
        let mut state = ClusterState {
            brokers: metadata.brokers().len(),
            topics: Vec::new(),
            missing: Vec::new(),
        };
        let mut there = Vec::new();
        for topic in &topics::ALL {
            match look(&metadata, topic) {
                Some(found) => {
                    there.push(topic);
                    state.topics.push(found);
                }
                None => state.missing.push(topic.name),
            }
        }
        if there.is_empty() {
            return Ok(state);
        }
        let asked: Vec<_> = there
            .iter()
            .map(|topic| ResourceSpecifier::Topic(topic.name))
            .collect();
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN));
        let answers = self
            .client
            .describe_configs(&asked, &options)
            .await
            .map_err(|e| self.unreachable(e))?;
        for ((topic, found), answer) in there.into_iter().zip(&mut state.topics).zip(answers) {
            // Who may not read the settings gets no findings about them.
            if let Ok(settings) = answer {
                compare(topic, &settings, &mut found.findings);
            }
        }
        Ok(state)
    }

    async fn make(
        &self,
        wanted: &[&Topic],
        partitions: i32,
        replication: i32,
    ) -> Result<Vec<&'static str>, TopicsError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let settings: Vec<_> = wanted
            .iter()
            .map(|topic| topic.settings(replication))
            .collect();
        let new_topics: Vec<NewTopic<'_>> = wanted
            .iter()
            .zip(&settings)
            .map(|(topic, settings)| {
                let new_topic =
                    NewTopic::new(topic.name, partitions, TopicReplication::Fixed(replication));
                settings.iter().fold(new_topic, |new_topic, (name, value)| {
                    new_topic.set(name, value)
                })
            })
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(MADE_WITHIN))
            .operation_timeout(Some(MADE_WITHIN));
        let answers = self
            .client
            .create_topics(&new_topics, &options)
            .await
            .map_err(|e| self.unreachable(e))?;
        let mut created = Vec::new();
        for (topic, answer) in wanted.iter().zip(answers) {
            match answer {
                Ok(_) => created.push(topic.name),
                // Another instance was quicker.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(TopicsError::Refused { topic, code }),
            }
        }
        Ok(created)
    }

    async fn metadata(&self) -> Result<Metadata, TopicsError> {
        let client = Arc::clone(&self.client);
        let answer =
            tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, ANSWER_WITHIN))
                .await;
        match answer {
            Ok(metadata) => metadata.map_err(|error| self.unreachable(error)),
            Err(_) => Err(self.unreachable(KafkaError::Canceled)),
        }
    }

    fn unreachable(&self, source: KafkaError) -> TopicsError {
        TopicsError::Unreachable {
            brokers: self.brokers.clone(),
            source,
        }
    }
}

/// What the metadata says of a topic; `None` where there is none.
fn look(metadata: &Metadata, topic: &Topic) -> Option<TopicState> {
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic.name)?;
    let partitions = found.partitions();
    if found.error().is_some() || partitions.is_empty() {
        return None;
    }
    let mut findings = Vec::new();
    let replicas = partitions
        .iter()
        .map(|partition| partition.replicas().len())
        .min()
        .unwrap_or(0);
    if replicas < 3 {
        findings.push(Finding::FewReplicas { have: replicas });
    }
    for partition in partitions.iter().filter(|partition| partition.leader() < 0) {
        findings.push(Finding::NoLeader {
            partition: partition.id(),
        });
    }
    Some(TopicState {
        name: topic.name,
        created: false,
        partitions: partitions.len(),
        findings,
    })
}

/// What the settings say of a topic.
fn compare(topic: &Topic, settings: &ConfigResource, findings: &mut Vec<Finding>) {
    let value = |name: &str| settings.get(name).and_then(|entry| entry.value.as_deref());
    let number = |name: &str| value(name).and_then(|value| value.parse::<i64>().ok());
    if let Some(have) = number("min.insync.replicas").filter(|have| *have < 2) {
        findings.push(Finding::LowMinInsync { have });
    }
    if let Some(have) = value("cleanup.policy").filter(|have| *have != "delete") {
        findings.push(Finding::Setting {
            name: "cleanup.policy",
            want: "delete".to_owned(),
            have: have.to_owned(),
        });
    }
    if let Some(have) = value("unclean.leader.election.enable").filter(|have| *have == "true") {
        let name = "unclean.leader.election.enable";
        findings.push(Finding::Setting {
            name,
            want: "false".to_owned(),
            have: have.to_owned(),
        });
    }
    let at_least = [
        ("retention.ms", topic.retention_ms),
        ("retention.bytes", -1),
        (
            "max.message.bytes",
            i64::try_from(topic.max_message_bytes).unwrap_or(i64::MAX),
        ),
    ];
    for (name, want) in at_least {
        // For retentions, -1 is more than any number.
        let rank = |number: i64| if number < 0 { i64::MAX } else { number };
        if let Some(have) = number(name).filter(|have| rank(*have) < rank(want)) {
            findings.push(Finding::Setting {
                name,
                want: want.to_string(),
                have: have.to_string(),
            });
        }
    }
}

//! What a stream needs to be told.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::error::StreamError;

/// How a stream consumes. [`StreamOptions::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// The topics. All their partitions share the turns.
    pub topics: Vec<String>,
    /// How brokers name this client in their logs and quotas.
    pub client_id: String,
    /// After how long without a heartbeat the group gives our partitions to others. 6 s, which is the
    /// smallest that brokers allow by default (`group.min.session.timeout.ms`).
    pub session_timeout: Duration,
    /// At most so many records make a turn. 500: more only adds latency.
    pub batch_max: usize,
    /// A turn takes no further record beyond so many bytes. 8 MiB.
    pub batch_bytes: usize,
    /// How long the first record of a batch waits for others before a turn begins, where nobody waits for its effect:
    /// fewer, larger turns. From 40 ms on it waits at the broker, for up to 100 ms, and here for the rest only. A full
    /// batch waits no longer. 0: a turn begins as soon as the last one has ended.
    pub gather: Duration,
    /// A turn begins no sooner after the last one has ended than this says of what that one took: while much comes, more of
    /// it shares a turn. An idle stream adds nothing. 0.
    pub breath: fn(Duration) -> Duration,
    /// At most so many records wait per partition; beyond it the partition is paused. 4,000.
    pub queue: usize,
    /// The longest pause between two attempts of a turn or a claim. 5 s.
    pub backoff_max: Duration,
    /// How often the lag is measured. 10 s.
    pub lag_interval: Duration,
    /// Further librdkafka settings, for example `security.protocol`. They win over ours, except for those
    /// that positions in the database rest on.
    pub extra: Vec<(String, String)>,
}

/// How long a broker waits for records before it answers. A seek takes effect when the fetch under way is answered, so a
/// take-over waits as long.
const FETCH_WAIT: Duration = Duration::from_millis(100);
/// From this on the broker gathers for whoever gathers: two dozen answers a second cost less than one for every record, but
/// more than none while nothing happens.
const FETCH_GATHER: Duration = Duration::from_millis(40);

/// Settings that are not the operator's to change: offsets come from the database, and rebalances are
/// incremental.
const OURS: [&str; 8] = [
    "bootstrap.servers",
    "group.id",
    "group.protocol",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "partition.assignment.strategy",
    "enable.partition.eof",
];

impl StreamOptions {
    /// The defaults, which are in the fields' descriptions.
    pub fn new(
        brokers: impl Into<String>,
        group: impl Into<String>,
        topics: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let group = group.into();
        Self {
            brokers: brokers.into(),
            client_id: group.clone(),
            group,
            topics: topics.into_iter().map(Into::into).collect(),
            session_timeout: Duration::from_secs(6),
            batch_max: 500,
            batch_bytes: 8 << 20,
            gather: Duration::ZERO,
            breath: |_| Duration::ZERO,
            queue: 4_000,
            backoff_max: Duration::from_secs(5),
            lag_interval: Duration::from_secs(10),
            extra: Vec::new(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), StreamError> {
        let refuse = |text: &str| Err(StreamError::Options(text.to_owned()));
        if self.brokers.is_empty() || self.group.is_empty() || self.topics.is_empty() {
            return refuse("brokers, group and topics must be given");
        }
        if self.batch_max == 0 || self.queue == 0 || self.batch_bytes == 0 {
            return refuse("batch_max, batch_bytes and queue must be at least 1");
        }
        if self.session_timeout < Duration::from_millis(100)
            || self.session_timeout > Duration::from_secs(3_600)
        {
            return refuse("session_timeout must be between 100 ms and an hour");
        }
        if let Some((name, _)) = self
            .extra
            .iter()
            .find(|(name, _)| OURS.contains(&name.as_str()))
        {
            return Err(StreamError::Options(format!("{name} is not to be changed")));
        }
        Ok(())
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let session = self.session_timeout.as_millis();
        let mut config = self.bare_config();
        config
            .set("group.id", &self.group)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set(
                "heartbeat.interval.ms",
                (session / 4).clamp(30, 3_000).to_string(),
            )
            // The thread polls whatever the turns do; this only ends a process whose thread is stuck.
            .set("max.poll.interval.ms", session.max(120_000).to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "false")
            .set("check.crcs", "true")
            // A pause throws away what librdkafka holds for us, so it holds little more than we do.
            .set(
                "queued.min.messages",
                (self.queue * 2).clamp(1, 10_000_000).to_string(),
            )
            .set("queued.max.messages.kbytes", "32768")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "100");
        let at_broker = self.gathers_at_broker();
        if at_broker.is_some() {
            config.set("fetch.min.bytes", "1048576");
        }
        let wait = at_broker.unwrap_or(FETCH_WAIT);
        config.set("fetch.wait.max.ms", wait.as_millis().to_string());
        for (name, value) in &self.extra {
            config.set(name, value);
        }
        config
    }

    /// How long the broker gathers for us. `None`: it tells us of every record at once.
    fn gathers_at_broker(&self) -> Option<Duration> {
        (self.gather >= FETCH_GATHER).then(|| self.gather.min(FETCH_WAIT))
    }

    /// How long the first record that has arrived here waits for others.
    pub(crate) fn gathers_here(&self) -> Duration {
        self.gather - self.gathers_at_broker().unwrap_or_default()
    }

    /// A client without a group, for questions about offsets.
    pub(crate) fn lag_config(&self) -> ClientConfig {
        let mut config = self.bare_config();
        config.set("client.id", format!("{}-lag", self.client_id));
        for (name, value) in &self.extra {
            // What is about groups is checked against what this client does not set.
            if !["group.", "session.", "heartbeat.", "max.poll."]
                .iter()
                .any(|of_groups| name.starts_with(of_groups))
            {
                config.set(name, value);
            }
        }
        config
    }

    fn bare_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However long is asked for: what the broker has gathered is not gathered again.
    #[test]
    fn whoever_gathers_at_the_broker_gathers_only_the_rest_here() {
        for (asked, at_broker, here) in [
            (0, None, 0),
            (30, None, 30),
            (40, Some(40), 0),
            (100, Some(100), 0),
            (200, Some(100), 100),
        ] {
            let ms = Duration::from_millis;
            let mut options = StreamOptions::new("nowhere:1", "group", ["topic"]);
            options.gather = ms(asked);
            assert_eq!(options.gathers_at_broker(), at_broker.map(ms), "{asked}");
            assert_eq!(options.gathers_here(), ms(here), "{asked}");
        }
    }
}

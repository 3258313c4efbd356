//! How to reach Kafka.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Where the brokers are, and the settings that every client of ours shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// Further librdkafka settings, for example `security.protocol` and `sasl.username`. Given last, so
    /// they win.
    pub extra: Vec<(String, String)>,
}

impl Connection {
    /// Brokers that need no credentials.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            extra: Vec::new(),
        }
    }

    /// The settings that all clients share; the caller adds its own and then [`Connection::finish`].
    pub(crate) fn config(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", client_id)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// Lays the operator's own settings over it.
    pub(crate) fn finish(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.extra {
            config.set(name, value);
        }
        config
    }
}

//! The configuration: three layers, checked whole, every complaint at once.
//!
//! `config.default.toml` is the documentation of every setting and holds its default; [`load`] lays the
//! operator's file and the environment over it. [`Config`] is the result in types.

mod check;
mod environment;
mod gateways;
mod layers;
mod messages;
mod shown;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use boxoffice_gateways::{AccountConfig, SigningSecret};
use boxoffice_peers::TrustedProxies;
use boxoffice_producers::Connection;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;

use crate::roles::Role;

pub use check::{Complaint, ConfigError};
pub use layers::{Layers, Loaded, load};
pub use messages::ProviderConfig;

/// The default file: every setting, documented.
pub const DEFAULT: &str = include_str!("../../config.default.toml");

/// What a generated development secret begins with. Refused outside of `boxoffice dev`.
pub const DEVELOPMENT_PREFIX: &str = "dev-only-";

/// Everything that can be set. The fields are documented in `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "config.default.toml documents each setting, in one place"
)]
pub struct Config {
    pub kafka: KafkaConfig,
    pub database: DatabaseConfig,
    pub ingress: IngressConfig,
    pub api: ApiConfig,
    pub tickets: TicketsConfig,
    #[serde(default)]
    pub gateways: Vec<AccountConfig>,
    pub facts: FactsConfig,
    pub mail: MailConfig,
    pub sms: ProviderConfig,
    pub push: ProviderConfig,
    pub analytics: AnalyticsConfig,
    pub tasks: TasksConfig,
    pub running_check: RunningCheckConfig,
    pub retention: RetentionConfig,
    pub reconciliation: ReconciliationConfig,
    pub simulator: SimulatorConfig,
    pub health: HealthConfig,
    pub log: LogConfig,
    pub shutdown: ShutdownConfig,
}

/// Section `kafka`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct KafkaConfig {
    pub brokers: String,
    pub partitions: i32,
    pub replication: i32,
    pub session_timeout_ms: u32,
    pub options: std::collections::BTreeMap<String, SecretString>,
}

/// Section `database`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct DatabaseConfig {
    pub url: SecretString,
    pub connections: u32,
    pub connect_seconds: u16,
}

/// Section `ingress`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct IngressConfig {
    pub listen: SocketAddr,
    pub largest_body_bytes: usize,
    pub body_within_ms: u64,
    pub answer_within_ms: u64,
    pub in_flight_requests: usize,
    pub hints_per_second: NonZeroU32,
    pub trusted_proxies: TrustedProxies,
}

/// Section `api`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct ApiConfig {
    pub listen: SocketAddr,
    pub public_base_url: String,
    pub jwt_secret: SecretString,
    pub jwks_url: String,
    pub jwt_roles_claim: String,
    pub jwt_issuer: String,
    pub jwt_audience: String,
    pub status_secret: SecretString,
    pub older_status_secrets: Vec<SecretString>,
    pub status_link_days: u16,
    pub desk_batch: usize,
    pub desk_queue_per_show: usize,
    pub desk_queue: usize,
    pub desk_glance_from: usize,
    pub desk_patience_ms: u32,
    pub requests_under_way: usize,
    pub waiting_clients: usize,
    pub event_stream_seconds: u32,
    pub user_per_second: u32,
    pub user_burst: u32,
    pub address_per_second: u32,
    pub address_burst: u32,
    pub trusted_proxies: Vec<String>,
    pub allowed_origins: Vec<String>,
}

/// Section `tickets`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct TicketsConfig {
    pub key_id: String,
    pub signing_key: SecretString,
    pub older_keys: std::collections::BTreeMap<String, String>,
}

/// Section `facts`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct FactsConfig {
    pub secrets: Vec<SigningSecret>,
}

/// Section `mail`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct MailConfig {
    pub smtp_url: SecretString,
    pub files: PathBuf,
    pub from: String,
    pub name: String,
    pub help: String,
    pub timeout_seconds: u16,
    pub per_second: u32,
    pub utc_offset: String,
}

/// Section `analytics`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct AnalyticsConfig {
    pub database_url: SecretString,
}

/// Section `tasks`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct TasksConfig {
    pub in_flight: usize,
    pub mass_in_flight: usize,
    pub lease_seconds: u16,
    pub call_seconds: u16,
    pub look_every_ms: u32,
    pub sweep_every_seconds: u32,
    pub sweep_after_seconds: u32,
}

/// Section `running_check`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct RunningCheckConfig {
    pub enabled: bool,
    pub interval_ms: u64,
    pub events_seconds: u64,
}

/// Section `retention`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct RetentionConfig {
    pub every_seconds: u32,
    pub inbox_hours: u32,
    pub keys_hours: u32,
}

impl RetentionConfig {
    /// How the worker runs.
    pub fn options(&self) -> boxoffice_coordinator::retention::RetentionOptions {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        boxoffice_coordinator::retention::RetentionOptions {
            every: seconds(self.every_seconds),
            inbox: seconds(self.inbox_hours.saturating_mul(3_600)),
            keys: seconds(self.keys_hours.saturating_mul(3_600)),
        }
    }
}

/// Section `reconciliation`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct ReconciliationConfig {
    pub enabled: bool,
    pub interval_seconds: u32,
    pub window_seconds: u32,
    pub again_seconds: u32,
    pub settle_seconds: u32,
    pub first_hours: u32,
}

impl ReconciliationConfig {
    /// How the worker runs.
    pub fn options(&self) -> crate::reconciliation::Options {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        crate::reconciliation::Options {
            interval: seconds(self.interval_seconds),
            window: seconds(self.window_seconds),
            again: seconds(self.again_seconds),
            settle: seconds(self.settle_seconds),
            first: seconds(self.first_hours.saturating_mul(3_600)),
        }
    }
}

/// Section `simulator`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct SimulatorConfig {
    pub listen: SocketAddr,
    pub webhook_url: String,
    pub webhook_secret: SecretString,
    pub api_key: SecretString,
    pub razorpay_key_id: String,
    pub razorpay_key_secret: SecretString,
    pub razorpay_webhook_url: String,
    pub razorpay_webhook_secret: SecretString,
    pub cashfree_client_id: String,
    pub cashfree_client_secret: SecretString,
    pub cashfree_webhook_url: String,
    pub adyen_merchant: String,
    pub adyen_api_key: SecretString,
    pub adyen_webhook_url: String,
    pub adyen_hmac_key: SecretString,
    pub script: String,
    pub state_file: PathBuf,
    pub mail_listen: String,
    pub mail_files: PathBuf,
}

/// Section `health`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct HealthConfig {
    pub listen: SocketAddr,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people at a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// Section `log`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: String,
}

/// Section `shutdown`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct ShutdownConfig {
    pub deadline_seconds: u16,
}

impl Config {
    /// The analytics' database: their own if they have one, else that of everything.
    pub fn analytics_database(&self) -> DatabaseConfig {
        let own = &self.analytics.database_url;
        let url = if is_set(own) { own } else { &self.database.url };
        DatabaseConfig {
            url: url.clone(),
            ..self.database.clone()
        }
    }

    /// Every database that a process with these roles works on.
    pub fn databases(&self, roles: &[Role]) -> Vec<DatabaseConfig> {
        let own = is_set(&self.analytics.database_url);
        let analytics = roles.contains(&Role::Analytics);
        let others = roles
            .iter()
            .any(|role| *role != Role::Analytics && role.needs_database());
        let mut databases = Vec::new();
        if others || (analytics && !own) {
            databases.push(self.database.clone());
        }
        if analytics && own {
            databases.push(self.analytics_database());
        }
        databases
    }
}

impl KafkaConfig {
    /// How to reach the brokers.
    pub fn connection(&self) -> Connection {
        Connection {
            brokers: self.brokers.clone(),
            extra: self.extra(),
        }
    }

    /// The operator's own librdkafka settings.
    pub fn extra(&self) -> Vec<(String, String)> {
        self.options
            .iter()
            .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
            .collect()
    }
}

impl DatabaseConfig {
    /// How to connect, with our name for the server's lists of sessions.
    ///
    /// # Errors
    /// Where the URL is none.
    pub fn connect_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(PgConnectOptions::from_str(self.url.expose_secret())?.application_name("boxoffice"))
    }
}

impl ShutdownConfig {
    /// How long draining may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds.into())
    }
}

/// Whether a secret was set.
pub fn is_set(secret: &SecretString) -> bool {
    !secret.expose_secret().is_empty()
}

/// `None` for the empty text, which means "not set".
pub fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

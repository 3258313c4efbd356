//! What several roles of one process share.

use std::sync::Arc;
use std::time::Duration;

use boxoffice_gateways::{ConfigError as GatewayConfigError, Gateways};
use boxoffice_tasks::ExecutorOptions;
use boxoffice_tickets::{KeyError, StatusTokens, TicketKeys, WeakSecret};
use boxoffice_turn::postgres::PgStore;
use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Notify;

use crate::config::{ApiConfig, Config, TasksConfig, TicketsConfig};
use crate::failure::Failure;

/// Shared by the roles of one process. Clones are the same parts.
#[derive(Clone)]
pub struct Parts {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where turns happen.
    pub store: PgStore,
    /// Notified after each commit that wrote records to publish; a relay in the same process listens.
    pub outbox: Arc<Notify>,
    /// The gateway accounts.
    pub gateways: Arc<Gateways>,
}

impl Parts {
    /// Puts them together. Nothing is connected to yet.
    ///
    /// # Errors
    /// Where the configuration names something that cannot be built.
    pub fn new(config: Arc<Config>) -> Result<Self, Failure> {
        let options = if crate::config::is_set(&config.database.url) {
            config.database.connect_options().map_err(|error| Failure::because("database.url is no address", &error))?
        } else {
            // A process of the ingress alone, which never connects.
            PgConnectOptions::new()
        };
        let outbox = Arc::new(Notify::new());
        let store = PgStore::new(options, config.database.connections, outbox.clone());
        let gateways = gateways(&config).map_err(|error| Failure::because("the gateways cannot be set up", &error))?;
        Ok(Self { config, store, outbox, gateways: Arc::new(gateways) })
    }

    /// How executors of tasks run.
    pub fn executor(&self, name: &'static str) -> ExecutorOptions {
        let TasksConfig { in_flight, lease_seconds, call_seconds, look_every_ms } = self.config.tasks;
        ExecutorOptions {
            name,
            in_flight,
            lease: Duration::from_secs(lease_seconds.into()),
            call: Duration::from_secs(call_seconds.into()),
            look_every: Duration::from_millis(look_every_ms.into()),
        }
    }
}

fn gateways(config: &Config) -> Result<Gateways, GatewayConfigError> {
    Gateways::new(config.gateways.clone(), config.facts.secrets.clone())
}

/// The keys of tickets, as configured.
///
/// # Errors
/// Where a key cannot be read.
pub fn ticket_keys(config: &TicketsConfig) -> Result<TicketKeys, KeyError> {
    let mut keys = TicketKeys::new(&config.key_id, config.signing_key.expose_secret())?;
    for (id, key) in &config.older_keys {
        keys.accept(id, key)?;
    }
    Ok(keys)
}

/// What signs and checks status addresses; `None` where no secret is configured.
pub(super) fn status_tokens(config: &ApiConfig) -> Result<Option<StatusTokens>, WeakSecret> {
    if !crate::config::is_set(&config.status_secret) {
        return Ok(None);
    }
    let tokens = StatusTokens::new(config.status_secret.expose_secret().as_bytes())?;
    let older = config.older_status_secrets.iter();
    older.map(|secret| secret.expose_secret().as_bytes()).try_fold(tokens, StatusTokens::also_accept).map(Some)
}

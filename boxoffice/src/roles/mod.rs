//! The roles of the product, and how each is started from the configuration.
//!
//! Any number of them run in one process. Even then everything between them goes through Kafka and
//! PostgreSQL; being in one process only spares waiting: the relay and the executors are woken at once.

mod doors;
mod health;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use boxoffice_gateways::Gateways;
use boxoffice_tasks::ExecutorOptions;
use boxoffice_tickets::{KeyError, StatusTokens, TicketKeys};
use boxoffice_turn::postgres::PgStore;
use boxoffice_webhook_ingress::IngressOptions;
use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::config::{Config, DatabaseConfig, IngressConfig, TicketsConfig, is_set, optional};
use crate::failure::Failure;
use crate::supervisor::{Ending, Stage, Supervisor};

pub use health::install_metrics;
pub use workers::stream;

/// A part of the product that can be deployed on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Role {
    /// The gateways' door.
    Ingress,
    /// Webhooks in, turns out; timers.
    Coordinator,
    /// Publishes the outbox.
    Relay,
    /// Makes refunds.
    Refunds,
    /// Writes letters.
    Notifications,
    /// Counts bookings, revenue and refunds.
    Analytics,
    /// The front ends' door.
    Api,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 7] = [
        Self::Ingress,
        Self::Coordinator,
        Self::Relay,
        Self::Refunds,
        Self::Notifications,
        Self::Analytics,
        Self::Api,
    ];

    /// The command that runs it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Coordinator => "coordinator",
            Self::Relay => "relay",
            Self::Refunds => "refunds",
            Self::Notifications => "notifications",
            Self::Analytics => "analytics",
            Self::Api => "api",
        }
    }

    /// Whether it needs the database. The ingress does not, so that webhooks are taken while it is away.
    pub const fn needs_database(self) -> bool {
        !matches!(self, Self::Ingress)
    }
}

/// Where the doors of a running process are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses {
    /// The booking API.
    pub api: Option<SocketAddr>,
    /// The webhook ingress.
    pub ingress: Option<SocketAddr>,
    /// Health and metrics of the other roles.
    pub health: Option<SocketAddr>,
}

/// What the roles of one process share.
struct Shared<'a> {
    config: &'a Config,
    store: PgStore,
    analytics: PgStore,
    /// What has to answer for the process to be ready.
    databases: Vec<PgStore>,
    outbox: Arc<Notify>,
    gateways: Arc<Gateways>,
    supervisor: &'a Supervisor,
}

/// Starts `roles` under `supervisor`. Returns as soon as their doors listen; whether they are ready is told by
/// `/readyz`.
///
/// # Errors
/// When a door's address is taken, or the configuration cannot work.
pub async fn start(
    config: &Config,
    roles: &[Role],
    supervisor: &Supervisor,
) -> Result<Addresses, Failure> {
    let outbox = Arc::new(Notify::new());
    let databases = config
        .databases(roles)
        .iter()
        .map(|database| store(database, database.connections, outbox.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    // Where the analytics have a database of their own it is the last, and a process may have no other. A role
    // that needs none never asks.
    let none = || PgStore::new(PgConnectOptions::new(), 1, outbox.clone());
    let main = databases.first().cloned().unwrap_or_else(none);
    let analytics = databases.last().cloned().unwrap_or_else(none);
    let gateways = Gateways::new(config.gateways.clone(), config.facts.secrets.clone())
        .map_err(|error| Failure::because("the gateways cannot be set up", &error))?;
    let shared = Shared {
        config,
        store: main,
        analytics,
        databases,
        outbox,
        gateways: Arc::new(gateways),
        supervisor,
    };
    health::keep_up(supervisor);
    let mut addresses = Addresses::default();
    for role in roles {
        match role {
            Role::Ingress => addresses.ingress = Some(doors::ingress(&shared).await?),
            Role::Api => addresses.api = Some(doors::api(&shared).await?),
            Role::Coordinator => workers::coordinator(&shared)?,
            Role::Relay => workers::relay(&shared)?,
            Role::Refunds => workers::refunds(&shared),
            Role::Notifications => workers::notifications(&shared)?,
            Role::Analytics => workers::analytics(&shared),
        }
    }
    if roles
        .iter()
        .any(|role| !matches!(role, Role::Ingress | Role::Api))
    {
        addresses.health = Some(health::serve(&shared).await?);
    }
    Ok(addresses)
}

/// A store that connects when it is first asked.
///
/// # Errors
/// When the database's URL is none.
pub fn store(
    database: &DatabaseConfig,
    connections: u32,
    outbox: Arc<Notify>,
) -> Result<PgStore, Failure> {
    let options = database
        .connect_options()
        .map_err(|error| Failure::because("the database's URL cannot be used", &error))?;
    Ok(PgStore::new(options, connections, outbox))
}

/// A store for looking at whole tables, which can write nothing.
///
/// # Errors
/// When the database's URL is none.
pub fn reading(database: &DatabaseConfig, connections: u32) -> Result<PgStore, Failure> {
    let options = database
        .connect_options()
        .map_err(|error| Failure::because("the database's URL cannot be used", &error))?;
    Ok(PgStore::reading(options, connections))
}

/// Opens a listener, or says whose setting to change.
async fn listen(setting: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let taken = |error: &std::io::Error| {
        Failure::because(format!("cannot listen on {address}"), error).advise(format!(
            "free the port, or set {setting} to another address"
        ))
    };
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| taken(&error))?;
    let address = listener.local_addr().map_err(|error| taken(&error))?;
    Ok((listener, address))
}

/// The keys that sign tickets and check older ones.
///
/// # Errors
/// [`KeyError`], which says what to do.
pub fn ticket_keys(config: &TicketsConfig) -> Result<TicketKeys, KeyError> {
    let mut keys = TicketKeys::new(&config.key_id, config.signing_key.expose_secret())?;
    for (id, key) in &config.older_keys {
        keys.accept(id, key)?;
    }
    Ok(keys)
}

/// What signs and checks status addresses.
fn status_tokens(config: &Config) -> Result<StatusTokens, Failure> {
    let weak = |error| Failure::because("api.status_secret cannot be used", &error);
    let mut tokens =
        StatusTokens::new(config.api.status_secret.expose_secret().as_bytes()).map_err(weak)?;
    for older in config
        .api
        .older_status_secrets
        .iter()
        .filter(|secret| is_set(secret))
    {
        tokens = tokens
            .also_accept(older.expose_secret().as_bytes())
            .map_err(weak)?;
    }
    Ok(tokens)
}

/// How a role's executor runs.
fn executor(config: &Config, name: &'static str) -> ExecutorOptions {
    ExecutorOptions {
        in_flight: config.tasks.in_flight,
        lease: Duration::from_secs(config.tasks.lease_seconds.into()),
        call: Duration::from_secs(config.tasks.call_seconds.into()),
        look_every: Duration::from_millis(config.tasks.look_every_ms.into()),
        ..ExecutorOptions::usual(name)
    }
}

impl IngressConfig {
    /// The ingress's own options.
    pub fn options(&self) -> IngressOptions {
        IngressOptions {
            largest_body: self.largest_body_bytes,
            answer_within: Duration::from_millis(self.answer_within_ms),
            body_within: Duration::from_millis(self.body_within_ms),
            in_flight_requests: self.in_flight_requests,
            hints_per_second: self.hints_per_second,
            trusted_proxies: self.trusted_proxies.clone(),
            ..IngressOptions::default()
        }
    }
}

/// Starts the gateway simulator.
///
/// # Errors
/// When its address is taken.
pub async fn simulator(config: &Config, supervisor: &Supervisor) -> Result<SocketAddr, Failure> {
    let simulator = &config.simulator;
    let (listener, address) = listen("simulator.listen", simulator.listen).await?;
    let mut options = boxoffice_gateway_sim::Options::new(simulator.api_key.expose_secret());
    if is_set(&simulator.webhook_secret) {
        options.webhook = Some(boxoffice_gateway_sim::Webhook {
            url: simulator.webhook_url.clone(),
            secret: simulator.webhook_secret.expose_secret().to_owned(),
        });
    }
    if let Some(key_id) = optional(&simulator.razorpay_key_id) {
        let secret = &simulator.razorpay_webhook_secret;
        options.razorpay = Some(boxoffice_gateway_sim::RazorpayOptions {
            key_id,
            key_secret: simulator.razorpay_key_secret.expose_secret().to_owned(),
            webhook: is_set(secret).then(|| boxoffice_gateway_sim::Webhook {
                url: simulator.razorpay_webhook_url.clone(),
                secret: secret.expose_secret().to_owned(),
            }),
        });
    }
    if let Some(client_id) = optional(&simulator.cashfree_client_id) {
        // It signs its webhooks with the secret of the API.
        let secret = &simulator.cashfree_client_secret;
        options.cashfree = Some(boxoffice_gateway_sim::CashfreeOptions {
            client_id,
            client_secret: secret.expose_secret().to_owned(),
            reserves: false,
            webhook: is_set(secret).then(|| boxoffice_gateway_sim::Webhook {
                url: simulator.cashfree_webhook_url.clone(),
                secret: secret.expose_secret().to_owned(),
            }),
        });
    }
    if let Some(merchant) = optional(&simulator.adyen_merchant) {
        let key = &simulator.adyen_hmac_key;
        options.adyen = Some(boxoffice_gateway_sim::AdyenOptions {
            merchant,
            api_key: simulator.adyen_api_key.expose_secret().to_owned(),
            webhook: is_set(key).then(|| boxoffice_gateway_sim::Webhook {
                url: simulator.adyen_webhook_url.clone(),
                secret: key.expose_secret().to_owned(),
            }),
        });
    }
    if let Some(script) = optional(&simulator.script) {
        let script = serde_json::from_str(&script).map_err(|error| {
            Failure::because("simulator.script cannot be used", &error)
                .advise(r#"write it as '{"seed": 7, "mix": {"lost": 50}}'"#)
        })?;
        options.script = Some(script);
    }
    options.state_file =
        Some(simulator.state_file.clone()).filter(|file| !file.as_os_str().is_empty());
    if let Some(address) = optional(&simulator.mail_listen) {
        let listen = address.parse().map_err(|error| {
            Failure::because("simulator.mail_listen cannot be used", &error)
                .advise("write it as 127.0.0.1:2525")
        })?;
        options.mail = Some(boxoffice_gateway_sim::MailServerOptions {
            listen,
            letters: simulator.mail_files.clone(),
        });
    }
    let listener = Arc::new(tokio::sync::Mutex::new(Some(listener)));
    supervisor.spawn("simulator", Stage::Rest, Ending::EndProcess, move |stop| {
        let (options, listener) = (options.clone(), listener.clone());
        async move {
            let listener = listener
                .lock()
                .await
                .take()
                .ok_or_else(|| anyhow::anyhow!("the listener is gone"))?;
            boxoffice_gateway_sim::serve(listener, options, stop.child_token()).await?;
            anyhow::Ok(())
        }
    });
    Ok(address)
}

//! What a development system stands on: servers with their schema and topics, and the settings to reach them.

use boxoffice_dev_servers::{
    Kafka, KafkaOptions, Postgres, PostgresOptions, Progress, Tuning, fetch,
};
use secrecy::ExposeSecret;

use super::place::{Place, dict};
use crate::config::{self, Config, Layers};
use crate::demo::Target;
use crate::failure::Failure;
use crate::roles::Role;
use crate::schema;

/// Servers that run already. What is not given is started as a child, with its data in the place.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// `host:port` of a broker.
    pub kafka: Option<String>,
    /// The database's URL.
    pub database: Option<String>,
}

/// Servers that we have started.
pub struct Children {
    /// The broker.
    pub kafka: Option<Kafka>,
    /// The database server.
    pub postgres: Option<Postgres>,
}

/// How our own servers are set.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// How much machine the broker may take.
    pub kafka: Tuning,
    /// How many partitions each topic has: at most so many coordinators have something to do.
    pub partitions: i32,
    /// The broker's properties, before ours.
    pub properties: Vec<(String, String)>,
    /// PostgreSQL's settings, before ours.
    pub settings: Vec<(String, String)>,
}

impl Default for Tuned {
    fn default() -> Self {
        Self {
            kafka: Tuning::default(),
            partitions: 2,
            properties: Vec::new(),
            settings: Vec::new(),
        }
    }
}

/// Servers that run, with schema and topics, and the settings of a system on them.
pub struct Ground {
    // In the order in which they go.
    /// The servers that we have started.
    pub children: Children,
    /// The configuration of the system.
    pub config: Config,
    /// Where its doors will be.
    pub target: Target,
    /// Where its state is.
    pub place: Place,
}

impl Ground {
    /// Starts the servers, migrates, makes topics, and leaves the settings in the place.
    ///
    /// # Errors
    /// When something cannot be started; says what to do.
    pub async fn lay(
        place: Place,
        servers: Servers,
        tuned: &Tuned,
        progress: &dyn Progress,
        usual_ports: bool,
    ) -> Result<Self, Failure> {
        let ports = place.ports(usual_ports)?;
        let children = own_servers(&place, &servers, tuned, progress).await?;
        let kafka = children
            .kafka
            .as_ref()
            .map(Kafka::bootstrap)
            .or(servers.kafka)
            .unwrap_or_default();
        let own = children.postgres.as_ref();
        // The roles take the shortest way; whoever is told where it is may come from anywhere.
        let (database, shown) = match own {
            Some(own) => (own.local_url(), own.url()),
            None => {
                let given = servers.database.unwrap_or_default();
                (given.clone(), given)
            }
        };
        let own_kafka = children.kafka.is_some();
        let text = settings(
            &place,
            &kafka,
            &database,
            ports,
            own_kafka,
            tuned.partitions,
        )?;
        place.leave_settings(&text)?;
        let layers = Layers {
            development: dict(&text),
            ..Layers::default()
        };
        let config = config::load(&layers, &Role::ALL)?.config;
        let applied = schema::migrate(&config.database)
            .await
            .map_err(schema::SchemaError::into_failure)?;
        progress.line(&format!("schema up to date ({applied} migrations applied)"));
        schema::create_topics(&config).await?;
        let target = target(&config, Some(&shown))
            .ok_or_else(|| Failure::new("the settings of the development system are not whole"))?;
        Ok(Self {
            children,
            config,
            target,
            place,
        })
    }

    /// Stops the servers.
    ///
    /// # Errors
    /// When one does not stop in time.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(mut kafka) = self.children.kafka.take() {
            kafka
                .stop()
                .await
                .map_err(|error| Failure::because("Kafka did not stop", &error))?;
        }
        if let Some(mut postgres) = self.children.postgres.take() {
            postgres
                .stop()
                .await
                .map_err(|error| Failure::because("PostgreSQL did not stop", &error))?;
        }
        Ok(())
    }
}

async fn own_servers(
    place: &Place,
    given: &Servers,
    tuned: &Tuned,
    progress: &dyn Progress,
) -> Result<Children, Failure> {
    if given.kafka.is_some() && given.database.is_some() {
        return Ok(Children {
            kafka: None,
            postgres: None,
        });
    }
    let fetched = fetch(progress)
        .await
        .map_err(|error| Failure::because("Kafka and PostgreSQL are not to be had", &error))?;
    let kafka = async {
        let mut options = KafkaOptions::new(place.dir().join("kafka"));
        options.tuning = tuned.kafka;
        options.properties.clone_from(&tuned.properties);
        match given.kafka {
            Some(_) => Ok(None),
            None => Kafka::start(&fetched, &options).await.map(Some),
        }
    };
    let postgres = async {
        let mut options = PostgresOptions::new(place.dir().join("postgres"));
        options.settings.clone_from(&tuned.settings);
        match given.database {
            Some(_) => Ok(None),
            None => Postgres::start(&fetched, &options).await.map(Some),
        }
    };
    let (kafka, postgres) = tokio::join!(kafka, postgres);
    let kafka = kafka.map_err(|error| Failure::because("Kafka cannot be started", &error))?;
    let postgres =
        postgres.map_err(|error| Failure::because("PostgreSQL cannot be started", &error))?;
    progress.line("Kafka and PostgreSQL run");
    Ok(Children { kafka, postgres })
}

/// The settings of a development system, as a configuration file.
fn settings(
    place: &Place,
    kafka: &str,
    database: &str,
    ports: [u16; 5],
    own: bool,
    partitions: i32,
) -> Result<String, Failure> {
    let secrets = dict(&place.secrets()?).unwrap_or_default();
    let secret = |name: &str| {
        secrets
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let [api, ingress, simulator, health, mail] = ports;
    let dir = place.dir().display();
    // Our own broker allows short sessions: what a killed run left in its groups is forgotten sooner.
    let session = if own {
        "session_timeout_ms = 1500\n"
    } else {
        ""
    };
    // Nobody but the command that started it calls such a system, and that comes from one address.
    let limits = if place.is_temporary() {
        "address_per_second = 0\n"
    } else {
        ""
    };
    Ok(format!(
        r#"# Written by `boxoffice dev` at each start; commands in this directory use it.
[kafka]
brokers = "{kafka}"
partitions = {partitions}
replication = 1
{session}[database]
url = "{database}"
[ingress]
listen = "127.0.0.1:{ingress}"
[api]
listen = "127.0.0.1:{api}"
public_base_url = "http://127.0.0.1:{api}"
{limits}jwt_secret = "{jwt}"
status_secret = "{status}"
[tickets]
key_id = "{key_id}"
signing_key = "{key}"
[[gateways]]
gateway = "stripe"
secrets = ["{stripe}"]
api = {{ base_url = "http://127.0.0.1:{simulator}", api_key = "{stripe_api}", timeout_ms = 5000 }}
line = {{ calls_per_second = 1000, burst = 1000, open_seconds = 2 }}
[[gateways]]
gateway = "razorpay"
secrets = ["{razorpay}"]
api = {{ base_url = "http://127.0.0.1:{simulator}/razorpay", user = "rzp_test_boxoffice", api_key = "{razorpay_api}", timeout_ms = 5000 }}
line = {{ calls_per_second = 1000, burst = 1000, open_seconds = 2 }}
[[gateways]]
gateway = "generic"
secrets = ["{generic}"]
[facts]
secrets = ["{facts}"]
[mail]
smtp_url = "smtp://127.0.0.1:{mail}"
[simulator]
listen = "127.0.0.1:{simulator}"
webhook_url = "http://127.0.0.1:{ingress}/webhooks/stripe"
webhook_secret = "{stripe}"
api_key = "{stripe_api}"
razorpay_key_id = "rzp_test_boxoffice"
razorpay_key_secret = "{razorpay_api}"
razorpay_webhook_url = "http://127.0.0.1:{ingress}/webhooks/razorpay"
razorpay_webhook_secret = "{razorpay}"
state_file = "{dir}/gateway.json"
mail_listen = "127.0.0.1:{mail}"
mail_files = "{dir}/mail"
[health]
listen = "127.0.0.1:{health}"
"#,
        jwt = secret("jwt"),
        status = secret("status"),
        key_id = secret("ticket_key_id"),
        key = secret("ticket_key"),
        stripe = secret("stripe_webhook"),
        stripe_api = secret("stripe_api"),
        razorpay = secret("razorpay_webhook"),
        razorpay_api = secret("razorpay_api"),
        generic = secret("generic_webhook"),
        facts = secret("facts"),
    ))
}

/// Where the system of a development configuration is. `None`: it is none.
pub fn target(config: &Config, database: Option<&str>) -> Option<Target> {
    let stripe = config
        .gateways
        .iter()
        .find(|account| account.gateway == "stripe")?;
    Some(Target {
        api: format!("http://{}", config.api.listen),
        ingress: format!("http://{}", config.ingress.listen),
        simulator: format!("http://{}", config.simulator.listen),
        database: database.map_or_else(
            || config.database.url.expose_secret().to_owned(),
            str::to_owned,
        ),
        kafka: config.kafka.brokers.clone(),
        jwt_secret: config.api.jwt_secret.expose_secret().to_owned(),
        webhook_secret: stripe.secrets.first()?.secret.expose_secret().to_owned(),
    })
}

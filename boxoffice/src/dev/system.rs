//! The whole system in one process, with its servers as children.

use std::time::{Duration, Instant};

use boxoffice_booking_api::shows::{NewShow, ShowError, create_show, put_on_sale};
use boxoffice_dev_servers::{Kafka, KafkaOptions, Postgres, PostgresOptions, Progress, fetch};
use boxoffice_saga::identity::ShowId;
use secrecy::ExposeSecret;
use sqlx::postgres::PgPoolOptions;
use time::OffsetDateTime;
use time::macros::datetime;

use super::place::{Place, dict};
use crate::config::{self, Config, Layers};
use crate::demo::Target;
use crate::failure::Failure;
use crate::roles::{self, Role};
use crate::supervisor::Supervisor;
use crate::{schema, terminal};

/// How long everything may take to become ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Servers that run already. What is not given is started as a child, with its data in the place.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// `host:port` of a broker.
    pub kafka: Option<String>,
    /// The database's URL.
    pub database: Option<String>,
}

/// Servers that we have started.
struct Children {
    kafka: Option<Kafka>,
    postgres: Option<Postgres>,
}

/// A running system.
pub struct System {
    // In the order in which they go.
    supervisor: Supervisor,
    children: Children,
    config: Config,
    target: Target,
    place: Place,
}

impl System {
    /// Starts the servers, migrates, makes topics and demo shows, starts every role and the simulator, and
    /// waits until all is ready.
    ///
    /// # Errors
    /// When something cannot be started; says what to do.
    pub async fn start(
        place: Place,
        servers: Servers,
        progress: &dyn Progress,
        usual_ports: bool,
    ) -> Result<Self, Failure> {
        let ports = place.ports(usual_ports)?;
        let children = own_servers(&place, &servers, progress).await?;
        let kafka = children
            .kafka
            .as_ref()
            .map(Kafka::bootstrap)
            .or(servers.kafka)
            .unwrap_or_default();
        let database = children
            .postgres
            .as_ref()
            .map(Postgres::url)
            .or(servers.database)
            .unwrap_or_default();
        let text = settings(&place, &kafka, &database, ports, children.kafka.is_some())?;
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
        demo_shows(&database).await?;
        progress.line("topics and demo shows are there");
        let supervisor = Supervisor::default();
        roles::simulator(&config, &supervisor).await?;
        roles::start(&config, &Role::ALL, &supervisor).await?;
        let target = target(&config, Some(&database))
            .ok_or_else(|| Failure::new("the settings of the development system are not whole"))?;
        let system = Self {
            supervisor,
            children,
            config,
            target,
            place,
        };
        system.ready(progress).await?;
        Ok(system)
    }

    /// Where everything is.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The configuration in effect.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Where its state is.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Returns when a part has ended that cannot be started again.
    pub async fn fatal(&self) -> String {
        self.supervisor.fatal().await
    }

    /// Returns when a server that we have started has ended by itself.
    pub async fn server_ended(&self) -> String {
        let kafka = async {
            match &self.children.kafka {
                Some(kafka) => {
                    let _ = kafka.exited().await;
                    format!(
                        "Kafka ended by itself; its log is {}",
                        kafka.log().display()
                    )
                }
                None => std::future::pending().await,
            }
        };
        let postgres = async {
            match &self.children.postgres {
                Some(postgres) => {
                    let _ = postgres.exited().await;
                    format!(
                        "PostgreSQL ended by itself; its log is {}",
                        postgres.log().display()
                    )
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            reason = kafka => reason,
            reason = postgres => reason,
        }
    }

    async fn ready(&self, progress: &dyn Progress) -> Result<(), Failure> {
        let http = reqwest::Client::new();
        let health = format!("http://{}", self.config.health.listen);
        let parts = [
            ("booking API", &self.target.api),
            ("webhook ingress", &self.target.ingress),
            ("workers", &health),
        ];
        let until = Instant::now() + PATIENCE;
        for (name, base) in parts {
            loop {
                let answer = http.get(format!("{base}/readyz")).send().await;
                let why = match answer {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                if Instant::now() > until {
                    return Err(
                        Failure::new(format!("the {name} did not become ready: {why}"))
                            .advise(format!("the log is {}", self.place.log_file().display())),
                    );
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            progress.line(&format!("{name} ready"));
        }
        Ok(())
    }

    /// Drains everything, then stops the servers.
    ///
    /// # Errors
    /// When a server does not stop in time.
    pub async fn stop(mut self) -> Result<(), Failure> {
        let dropped = self.supervisor.drain(self.config.shutdown.deadline()).await;
        if !dropped.is_empty() {
            terminal::line(format!(
                "not finished in time, and coming back at the next start: {}",
                dropped.join(", ")
            ));
        }
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
        .map_err(|error| Failure::because("Kafka and PostgreSQL cannot be fetched", &error))?;
    let kafka = async {
        let options = KafkaOptions::new(place.dir().join("kafka"));
        match given.kafka {
            Some(_) => Ok(None),
            None => Kafka::start(&fetched, &options).await.map(Some),
        }
    };
    let postgres = async {
        let options = PostgresOptions::new(place.dir().join("postgres"));
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
partitions = 2
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

/// The shows that a newcomer finds. Far enough away to last.
const OPENING: OffsetDateTime = datetime!(2035-01-01 20:00 UTC);

async fn demo_shows(database: &str) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because("the demo shows cannot be made", error)
    };
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect(database)
        .await
        .map_err(|error| failed(&error))?;
    let rupees = "INR"
        .parse()
        .map_err(|error: boxoffice_saga::money::MoneyError| failed(&error))?;
    let mut evening = NewShow::hall("An ordinary evening", OPENING, rupees, 10, 12, 45_000);
    evening.external_ref = Some("demo-evening".to_owned());
    let mut small = NewShow::hall("A small hall", OPENING, rupees, 2, 5, 30_000);
    small.external_ref = Some("demo-small".to_owned());
    let mut short = NewShow::hall("Holds of five seconds", OPENING, rupees, 2, 5, 45_000);
    short.external_ref = Some("demo-five-seconds".to_owned());
    short.terms.hold_ms = 5_000;
    short.terms.grace_ms = 0;
    short.terms.extension_ms = 0;
    short.terms.extension_limit_ms = 0;
    short.terms.warning_ms = 0;
    for (number, mut show) in [evening, small, short].into_iter().enumerate() {
        let id = ShowId::try_from(number as u64 + 1).map_err(|error| failed(&error))?;
        show.show = Some(id);
        match create_show(&pool, &show).await {
            // Taken: there from an earlier start, or somebody's in a database that was given to us.
            Ok(_) | Err(ShowError::Taken(_)) => {
                match put_on_sale(&pool, id).await {
                    // Somebody has cancelled or removed it; that is theirs to do here too.
                    Ok(_) | Err(ShowError::Cancelled(_) | ShowError::Removed(_)) => {}
                    Err(error) => return Err(failed(&error)),
                }
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    pool.close().await;
    Ok(())
}

//! The whole system in one process, with its servers as children.

use std::time::{Duration, Instant};

use boxoffice_booking_api::shows::{NewShow, ShowError, create_show, put_on_sale};
use boxoffice_dev_servers::Progress;
use boxoffice_saga::identity::ShowId;
use sqlx::postgres::PgPoolOptions;
use time::OffsetDateTime;
use time::macros::datetime;

use super::ground::{Ground, Servers, Tuned};
use super::place::Place;
use crate::config::Config;
use crate::demo::Target;
use crate::failure::Failure;
use crate::roles::{self, Role};
use crate::supervisor::Supervisor;
use crate::terminal;

/// How long everything may take to become ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running system.
pub struct System {
    // In the order in which they go.
    supervisor: Supervisor,
    ground: Ground,
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
        let ground = Ground::lay(place, servers, &Tuned::default(), progress, usual_ports).await?;
        demo_shows(&ground.target.database).await?;
        progress.line("topics and demo shows are there");
        let supervisor = Supervisor::default();
        roles::simulator(&ground.config, &supervisor).await?;
        roles::start(&ground.config, &Role::ALL, &supervisor).await?;
        let system = Self { supervisor, ground };
        system.ready(progress).await?;
        Ok(system)
    }

    /// Where everything is.
    pub const fn target(&self) -> &Target {
        &self.ground.target
    }

    /// The configuration in effect.
    pub const fn config(&self) -> &Config {
        &self.ground.config
    }

    /// Where its state is.
    pub const fn place(&self) -> &Place {
        &self.ground.place
    }

    /// Returns when a part has ended that cannot be started again.
    pub async fn fatal(&self) -> String {
        self.supervisor.fatal().await
    }

    /// Returns when a server that we have started has ended by itself.
    pub async fn server_ended(&self) -> String {
        let kafka = async {
            match &self.ground.children.kafka {
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
            match &self.ground.children.postgres {
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
        let health = format!("http://{}", self.ground.config.health.listen);
        let parts = [
            ("booking API", &self.ground.target.api),
            ("webhook ingress", &self.ground.target.ingress),
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
                        Failure::new(format!("the {name} did not become ready: {why}")).advise(
                            format!("the log is {}", self.ground.place.log_file().display()),
                        ),
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
    pub async fn stop(self) -> Result<(), Failure> {
        let dropped = self
            .supervisor
            .drain(self.ground.config.shutdown.deadline())
            .await;
        if !dropped.is_empty() {
            terminal::line(format!(
                "not finished in time, and coming back at the next start: {}",
                dropped.join(", ")
            ));
        }
        self.ground.stop().await
    }
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

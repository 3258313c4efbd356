//! What is measured on: real servers in a temporary place, and every role in a process of its own beside us.

use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use boxoffice_dev_servers::{Bar, Progress, Silent, Tuning};
use boxoffice_producers::topics;
use boxoffice_turn::postgres::PgStore;

use super::floor::{self, Floor};
use super::meter::{Processes, Reading};
use super::report::Report;
use crate::demo::Stage;
use crate::dev::{Ground, Place, Servers, Tuned, signal};
use crate::failure::Failure;
use crate::logging::{self, Destination};
use crate::{audit, extent, terminal};

/// How long a part may take to become ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what was left to do at the end may take.
const LEFT_OVER: Duration = Duration::from_secs(600);

/// What stands out of the way of a measurement, as variables of the environment: all load comes from one address, and
/// each connection is many users. The simulator keeps its books in memory: it would write all of them to its file again and
/// again, and nobody answers meanwhile.
pub const SET_ASIDE: [(&str, &str); 3] = [
    ("BOXOFFICE_API__ADDRESS_PER_SECOND", "0"),
    ("BOXOFFICE_API__USER_PER_SECOND", "0"),
    ("BOXOFFICE_SIMULATOR__STATE_FILE", ""),
];

/// Everything but the coordinator, in one process.
pub const BUT_COORDINATOR: [&str; 3] = [
    "ingress",
    "--with",
    "api,relay,refunds,notifications,analytics",
];

/// A part of the product, as a process of its own. It ends when this goes.
#[derive(Debug)]
pub struct Part {
    child: Child,
}

impl Part {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A system to be measured.
pub struct Rig {
    // In the order in which they go.
    /// Every role.
    pub all: Option<Part>,
    /// The gateway simulator.
    simulator: Option<Part>,
    /// To act on it.
    pub stage: Arc<Stage>,
    /// Its servers.
    pub ground: Ground,
    settings: Vec<(String, String)>,
}

/// Which rig.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Settings of ours besides, as variables of the environment.
    pub settings: &'a [(&'a str, &'a str)],
    /// The roles that begin, and their doors; none named: all.
    pub roles: &'a [&'a str],
    /// The broker's properties besides.
    pub properties: &'a [(&'a str, &'a str)],
    /// Whether a second coordinator will join, for which topics need a second partition. Otherwise they have one, for each
    /// costs a produce request, and a fetch of every consumer, a page of events.
    pub two_coordinators: bool,
    /// Whether a person watches.
    pub progress: bool,
}

impl Rig {
    /// Starts servers, the simulator and every role, and waits until all of them are ready.
    ///
    /// # Errors
    /// When something cannot be started; says what to do.
    pub async fn start(wanted: &Wanted<'_>) -> Result<Self, Failure> {
        let place = Place::temporary()?;
        logging::install(&place.log_settings()?, Destination::File(&place.log_file()))?;
        let progress: &dyn Progress = if wanted.progress {
            &Bar::default()
        } else {
            &Silent
        };
        let owned = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<Vec<_>>()
        };
        let tuned = Tuned {
            kafka: Tuning::Roomy,
            partitions: if wanted.two_coordinators { 2 } else { 1 },
            properties: owned(wanted.properties),
            settings: owned(&POSTGRES),
        };
        let ground = Ground::lay(place, Servers::default(), &tuned, progress, false).await?;
        let mut settings = owned(&SET_ASIDE);
        settings.extend(owned(wanted.settings));
        let failed = |error: anyhow::Error| {
            Failure::because(
                "the system to be measured cannot be started",
                error.as_ref(),
            )
        };
        let stage = Stage::unwatched(ground.target.clone())
            .await
            .map_err(failed)?;
        sqlx::query("create extension if not exists pg_stat_statements")
            .execute(&stage.database)
            .await
            .map_err(|error| Failure::because("pg_stat_statements cannot be had", &error))?;
        let mut rig = Self {
            all: None,
            simulator: None,
            stage,
            ground,
            settings,
        };
        rig.simulator = Some(
            rig.part(&["gateway-sim"], &[("BOXOFFICE_SIMULATOR__MAIL_FILES", "")])
                .map_err(failed)?,
        );
        match wanted.roles {
            [] => {
                rig.start_all().map_err(failed)?;
                rig.ready().await.map_err(failed)?;
            }
            roles => {
                rig.all = Some(rig.part(roles, &[]).map_err(failed)?);
                let door = format!("{}/readyz", rig.stage.target.ingress);
                rig.answers(&door).await.map_err(failed)?;
            }
        }
        Ok(rig)
    }

    /// Starts a system, measures on it, and ends it, whatever came of it.
    ///
    /// # Errors
    /// When it cannot be started or ended; when `measure` fails.
    pub async fn measured(
        wanted: &Wanted<'_>,
        measure: impl AsyncFnOnce(&mut Self) -> anyhow::Result<Report>,
    ) -> Result<Report, Failure> {
        // Whoever interrupts it leaves no process behind: each ends when what stands for it here goes.
        let mut interrupted = pin!(signal());
        let mut rig = tokio::select! {
            rig = Self::start(wanted) => rig?,
            () = &mut interrupted => return Err(Failure::new("the measurement was interrupted")),
        };
        let measured = tokio::select! {
            measured = measure(&mut rig) => measured,
            () = &mut interrupted => Err(anyhow!("it was interrupted")),
        };
        rig.stop().await?;
        measured.map_err(|error| Failure::because("the measurement has failed", error.as_ref()))
    }

    /// A setting of ours, as a variable of the environment, for what is started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Starts every role in one process.
    ///
    /// # Errors
    /// When there is no process to be had.
    pub fn start_all(&mut self) -> anyhow::Result<()> {
        self.all = Some(self.part(&["all"], &[])?);
        Ok(())
    }

    /// Starts a part, its log beside the others.
    ///
    /// # Errors
    /// When there is no process to be had.
    pub fn part(&self, arguments: &[&str], settings: &[(&str, &str)]) -> anyhow::Result<Part> {
        let config = self.ground.place.dir().join("boxoffice.toml");
        let config = config.to_string_lossy();
        let name = arguments.first().copied().unwrap_or_default();
        self.process(
            name,
            &[arguments, &["--config", &config]].concat(),
            settings,
        )
    }

    /// Starts this program as another process, its log under `name`.
    ///
    /// # Errors
    /// When there is no process to be had.
    pub fn process(
        &self,
        name: &str,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Part> {
        let log = self.log(name);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)?;
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("no process for a part of the system")?;
        Ok(Part { child })
    }

    /// Starts the booking API once more, as a process of its own. Returns where it listens.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn another_api(&self) -> anyhow::Result<(Part, String)> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let listen = listener.local_addr()?.to_string();
        drop(listener);
        let part = self.part(&["api"], &[("BOXOFFICE_API__LISTEN", &listen)])?;
        self.answers(&format!("http://{listen}/readyz")).await?;
        Ok((part, listen))
    }

    /// Starts a role as a process of its own, beside others. Nobody asks for its health.
    ///
    /// # Errors
    /// When there is no process to be had.
    pub fn beside(&self, role: &str, settings: &[(&str, &str)]) -> anyhow::Result<Part> {
        let door = [("BOXOFFICE_HEALTH__LISTEN", "127.0.0.1:0")];
        self.part(&[role], &[&door, settings].concat())
    }

    /// Where a part writes what it says.
    fn log(&self, part: &str) -> PathBuf {
        self.ground.place.dir().join(format!("{part}.log"))
    }

    /// Waits until every door says that it is ready.
    ///
    /// # Errors
    /// When one is not within a minute; with the end of its log.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let config = &self.ground.config;
        for door in [
            &config.api.listen,
            &config.ingress.listen,
            &config.health.listen,
        ] {
            self.answers(&format!("http://{door}/readyz")).await?;
        }
        self.answers(&format!("{}/_sim/clock", self.stage.target.simulator))
            .await
    }

    /// Waits until an address answers with success.
    ///
    /// # Errors
    /// When it does not within a minute.
    pub async fn answers(&self, address: &str) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.stage.http.get(address).send().await;
            let why = match answer {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if Instant::now() > until {
                let said = std::fs::read_to_string(self.log("all")).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(20).collect();
                bail!("{address} did not become ready: {why}\n{}", last.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What everything has used up to now: `beside` are parts of ours that are counted with every role.
    ///
    /// # Errors
    /// When a process is gone, or a server does not answer.
    pub async fn reading(&self, beside: &[&Part]) -> anyhow::Result<Reading> {
        let beside = beside.iter().map(|part| part.pid());
        let ours: Vec<u32> = self.all.iter().map(Part::pid).chain(beside).collect();
        self.reading_of(&ours).await
    }

    /// The same, with these processes as all of ours.
    ///
    /// # Errors
    /// As [`Rig::reading`].
    pub async fn reading_of(&self, ours: &[u32]) -> anyhow::Result<Reading> {
        let mut processes = Processes {
            segments: self.ground.place.dir().join("kafka"),
            ..Processes::default()
        };
        processes
            .single
            .extend(ours.iter().map(|pid| ("boxoffice", *pid)));
        let simulator = self.simulator.as_ref().map(Part::pid);
        processes
            .single
            .extend(simulator.map(|pid| ("simulator", pid)));
        let children = &self.ground.children;
        let kafka = children.kafka.as_ref().and_then(|kafka| kafka.pid());
        processes.single.extend(kafka.map(|pid| ("kafka", pid)));
        processes.postgres = children
            .postgres
            .as_ref()
            .and_then(|postgres| postgres.pid());
        let connection = self.ground.config.kafka.connection();
        let mut records = 0;
        for topic in topics::ALL {
            let extent = extent::of(topic.name, &connection)
                .await
                .map_err(|failure| anyhow::anyhow!(failure.in_one_line()))?;
            records += extent.values().map(|range| range.end).sum::<i64>();
        }
        Reading::take(&processes, &self.stage.database, records).await
    }

    /// What this machine does now with nothing of ours in the way.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn floor(&self) -> anyhow::Result<Floor> {
        let target = &self.stage.target;
        Floor::measure(&target.kafka, &target.database).await
    }

    /// A fresh topic, whose name begins so.
    ///
    /// # Errors
    /// When Kafka does not make it.
    pub async fn topic(&self, name: &str) -> anyhow::Result<String> {
        floor::topic(&self.stage.target.kafka, name).await
    }

    /// Waits until nothing is left to publish or to decide, and evaluates every promise.
    ///
    /// # Errors
    /// When a promise is broken, with what is wrong, or when something is left after ten minutes.
    pub async fn audit(&self) -> anyhow::Result<String> {
        let url = &self.stage.target.database;
        let store = &PgStore::reading(url.parse()?, 2);
        let kafka = self.ground.config.kafka.connection();
        let until = Instant::now() + LEFT_OVER;
        loop {
            let found = audit::audit(store, &kafka, |_, _| ())
                .await
                .map_err(|failure| anyhow::anyhow!(failure.in_one_line()))?;
            let left = found.unpublished + found.undecided_webhooks;
            if !found.holds() {
                bail!("a promise is broken:\n{}", found.in_words());
            }
            if left == 0 {
                return Ok(found.in_words());
            }
            if Instant::now() > until {
                bail!(
                    "{left} records were never dealt with:\n{}",
                    found.in_words()
                );
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Ends everything.
    ///
    /// # Errors
    /// When a server does not stop.
    pub async fn stop(mut self) -> Result<(), Failure> {
        self.all = None;
        self.simulator = None;
        self.ground.stop().await
    }
}

/// PostgreSQL as a server of this size would be set by whoever runs it; commits reach the disk.
const POSTGRES: [(&str, &str); 5] = [
    ("shared_buffers", "2GB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "5min"),
    ("shared_preload_libraries", "pg_stat_statements"),
    ("pg_stat_statements.track", "top"),
];

/// Says a line to a person who watches.
pub fn says(progress: bool, text: &str) {
    if progress {
        terminal::line(text);
    }
}

//! A real Apache Kafka as a child process: one node that is broker and controller.

pub(crate) mod class_archive;
mod jvm;
mod properties;
mod ready;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::signal::Signal;

use crate::error::{ServerError, Tried};
use crate::fetch::Fetched;
use crate::log_tail::Mark;
use crate::orphan;
use crate::process::{Process, describe};
use crate::state_dir::StateDir;

const NAME: &str = "Kafka";
/// A log recovery after a crash, on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
const FORMAT_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(15);
/// JVM output beyond this is thrown away at the next start.
const LOG_LIMIT: u64 = 10 << 20;
const PORT_TAKEN: &str = "Address already in use";

/// How much machine a Kafka may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tuning {
    /// For development and tests: starts in 2 s, 160 MB; short session timeouts are allowed.
    #[default]
    Small,
    /// For benchmarks: a heap of 640 MB, most of it for what does not live long. The small one stands still for 5–20 ms
    /// several times a second under load.
    Roomy,
}

/// How to start a Kafka.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Everything it keeps lies here; it belongs to one Kafka.
    pub dir: PathBuf,
    /// The broker's port; without one a free port is chosen and remembered in `dir`.
    pub port: Option<u16>,
    /// How much machine it may take.
    pub tuning: Tuning,
    /// Properties that go before ours.
    pub properties: Vec<(String, String)>,
    /// Where to write a class archive at the end.
    pub(crate) archive_to: Option<PathBuf>,
}

impl KafkaOptions {
    /// A small Kafka in `dir` on a port of its own choice.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            port: None,
            tuning: Tuning::Small,
            properties: Vec::new(),
            archive_to: None,
        }
    }
}

/// A Kafka that runs, or was stopped and may be started again on the same directory and port.
///
/// Dropping it kills it.
#[derive(Debug)]
pub struct Kafka {
    // Declared before the directory: the process must be gone when the directory is given free.
    process: Option<Process>,
    port: u16,
    controller_port: u16,
    state: StateDir,
    options: KafkaOptions,
    fetched: Fetched,
}

impl Kafka {
    /// Starts it and returns when it answers. What an earlier run left behind in the directory is ended first.
    pub async fn start(fetched: &Fetched, options: &KafkaOptions) -> Result<Self, ServerError> {
        let state = StateDir::hold(&options.dir, NAME)?;
        orphan::end_recorded(&pid_file(state.path()), Signal::SIGTERM).await?;
        let port = state.port("port", options.port, &[])?;
        let controller_port = state.port("controller-port", None, &[port])?;
        let mut kafka = Self {
            process: None,
            port,
            controller_port,
            state,
            options: options.clone(),
            fetched: fetched.clone(),
        };
        let mut launched = kafka.launch().await;
        if let Err(ServerError::PortTaken { .. }) = launched
            && options.port.is_none()
        {
            // Somebody was faster at a port that we had found free; there are others.
            kafka.port = kafka.state.port("port", None, &[])?;
            kafka.controller_port = kafka.state.port("controller-port", None, &[kafka.port])?;
            launched = kafka.launch().await;
        }
        launched.map(|()| kafka)
    }

    /// Where clients connect.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The broker's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Where it logs.
    pub fn log(&self) -> PathBuf {
        log_file(self.state.path())
    }

    /// Returns when the running Kafka ends, by itself or by somebody else's hand.
    pub async fn exited(&self) -> Result<ExitStatus, ServerError> {
        self.running()?
            .exited()
            .await
            .tried("wait for Kafka in", self.state.path())
    }

    /// Stops it in order; kills it when it has not stopped in time.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        if let Some(process) = &self.process {
            let orderly = process.stop(Signal::SIGTERM, STOP_DEADLINE).await;
            if !orderly.tried("stop Kafka in", self.state.path())? {
                tracing::warn!("Kafka did not stop in time and was killed");
            }
        }
        self.ended();
        Ok(())
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<(), ServerError> {
        if let Some(process) = &self.process {
            process
                .kill()
                .await
                .tried("kill Kafka in", self.state.path())?;
        }
        self.ended();
        Ok(())
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&self) -> Result<(), ServerError> {
        let paused = self.running()?.signal(Signal::SIGSTOP);
        paused.tried("pause Kafka in", self.state.path())
    }

    /// SIGCONT, after a pause.
    pub fn resume(&self) -> Result<(), ServerError> {
        let resumed = self.running()?.signal(Signal::SIGCONT);
        resumed.tried("resume Kafka in", self.state.path())
    }

    /// Stops it if it runs, and starts it on the same directory and port, with everything it had kept.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.stop().await?;
        self.launch().await
    }

    fn running(&self) -> Result<&Process, ServerError> {
        self.process
            .as_ref()
            .ok_or(ServerError::NotRunning { server: NAME })
    }

    fn ended(&mut self) {
        self.process = None;
        orphan::forget(&pid_file(self.state.path()));
    }

    async fn launch(&mut self) -> Result<(), ServerError> {
        self.write_configuration()?;
        let archive = self.fetched.class_archive.clone();
        let died = match self.format_and_start(archive.as_deref()).await {
            Err(died @ ServerError::Died { .. }) => died,
            result => return result,
        };
        if let ServerError::Died { tail, .. } = &died
            && tail.contains(PORT_TAKEN)
        {
            return Err(ServerError::PortTaken {
                server: NAME,
                port: self.port,
            });
        }
        let Some(archive) = archive else {
            return Err(died);
        };
        // The JVM sees most broken archives itself and goes on without; one that kills it is found here.
        self.format_and_start(None).await?;
        tracing::warn!("Kafka's class archive is broken and was removed");
        drop(std::fs::remove_file(archive));
        self.fetched.class_archive = None;
        Ok(())
    }

    async fn format_and_start(&mut self, archive: Option<&Path>) -> Result<(), ServerError> {
        self.format(archive).await?;
        let dir = self.state.path().to_owned();
        let mut command = jvm::java(&self.fetched, self.options.tuning, archive);
        if let Some(file) = &self.options.archive_to {
            command.arg(format!("-XX:ArchiveClassesAtExit={}", file.display()));
        }
        command
            .arg(format!(
                "-Dlog4j2.configurationFile={}",
                logging_file(&dir).display()
            ))
            .arg("kafka.Kafka")
            .arg(properties_file(&dir));
        let mark = output_to(&mut command, &dir)?;
        // SIGTERM when we die: it shuts down in order, and so the next start is quick.
        let process = Process::spawn(command, Signal::SIGTERM, Signal::SIGKILL)
            .await
            .tried("run", &self.fetched.java)?;
        orphan::record(&pid_file(&dir), process.pid())?;
        let process = self.process.insert(process);

        let since = Instant::now();
        loop {
            if let Some(status) = process.ended().tried("wait for Kafka in", &dir)? {
                self.ended();
                return Err(ServerError::Died {
                    server: NAME,
                    how: describe(status),
                    tail: mark.tail(),
                });
            }
            if ready::answers(self.port).await {
                return Ok(());
            }
            if since.elapsed() > START_DEADLINE {
                drop(self.kill().await);
                return Err(ServerError::NotReady {
                    server: NAME,
                    seconds: START_DEADLINE.as_secs(),
                    tail: mark.tail(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn write_configuration(&self) -> Result<(), ServerError> {
        let dir = self.state.path();
        let (file, text) = (
            properties_file(dir),
            properties::server(
                &self.options,
                &data_dir(dir),
                self.port,
                self.controller_port,
            ),
        );
        std::fs::write(&file, text).tried("write", &file)?;
        let (file, text) = (logging_file(dir), properties::logging(&log_file(dir)));
        std::fs::write(&file, text).tried("write", &file)
    }

    /// Formats the data directory unless that was done before, completely.
    async fn format(&self, archive: Option<&Path>) -> Result<(), ServerError> {
        let dir = self.state.path();
        // Written after the format: a directory without it was left behind half-formatted, and nothing was ever
        // stored in it.
        let formatted = dir.join("formatted");
        if formatted.exists() {
            return Ok(());
        }
        let data = data_dir(dir);
        if data.exists() {
            std::fs::remove_dir_all(&data).tried("remove", &data)?;
        }
        let cluster = cluster_id();
        let mut command = jvm::java(&self.fetched, Tuning::Small, archive);
        command
            .arg(format!(
                "-Dlog4j2.configurationFile={}",
                logging_file(dir).display()
            ))
            .args(["kafka.tools.StorageTool", "format", "-t", &cluster, "-c"])
            .arg(properties_file(dir));
        let mark = output_to(&mut command, dir)?;
        let status = Process::run(command, FORMAT_DEADLINE)
            .await
            .tried("format", &data)?;
        if !status.success() {
            return Err(ServerError::Died {
                server: "Kafka's format",
                how: describe(status),
                tail: mark.tail(),
            });
        }
        std::fs::write(&formatted, cluster).tried("write", &formatted)
    }
}

fn cluster_id() -> String {
    // Kafka refuses ids that begin with `-`, which its own tools would take for an option.
    loop {
        let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        if !id.starts_with('-') {
            return id;
        }
    }
}

fn output_to(command: &mut Command, dir: &Path) -> Result<Mark, ServerError> {
    let path = out_file(dir);
    let large = path.metadata().is_ok_and(|m| m.len() > LOG_LIMIT);
    let open = OpenOptions::new().create(true).append(true).open(&path);
    let out: File = open.tried("open", &path)?;
    if large {
        out.set_len(0).tried("truncate", &path)?;
    }
    let err = out.try_clone().tried("open", &path)?;
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    Ok(Mark::at_end(&[&log_file(dir), &path]))
}

fn data_dir(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn pid_file(dir: &Path) -> PathBuf {
    dir.join("pid.json")
}

fn properties_file(dir: &Path) -> PathBuf {
    dir.join("server.properties")
}

fn logging_file(dir: &Path) -> PathBuf {
    dir.join("log4j2.properties")
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("kafka.log")
}

fn out_file(dir: &Path) -> PathBuf {
    dir.join("kafka.out")
}

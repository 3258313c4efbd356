//! A real PostgreSQL as a child process, on 127.0.0.1 only.

mod cluster;
mod socket;

use std::fs::OpenOptions;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::error::{ServerError, Tried};
use crate::fetch::Fetched;
use crate::log_tail::Mark;
use crate::process::{Process, describe};
use crate::server_user::ServerUser;
use crate::state_dir::StateDir;
use crate::{orphan, proc_table};

const NAME: &str = "PostgreSQL";
/// A recovery after a crash, on a slow disk.
const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
const LOG_LIMIT: u64 = 10 << 20;
/// Backends of a killed server that have not noticed yet; they do, soon.
const STILL_IN_USE: &str = "is still in use";
const PORT_TAKEN: &str = "Address already in use";

/// How to start a PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Everything it keeps lies here; it belongs to one PostgreSQL.
    pub dir: PathBuf,
    /// Its port; without one a free port is chosen and remembered in `dir`.
    pub port: Option<u16>,
    /// Whether a commit reaches the disk. Only tests may do without.
    pub fsync: bool,
    /// Settings that go before ours.
    pub settings: Vec<(String, String)>,
}

impl PostgresOptions {
    /// A PostgreSQL in `dir` on a port of its own choice, with fsync.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            port: None,
            fsync: true,
            settings: Vec::new(),
        }
    }
}

/// A PostgreSQL that runs, or was stopped and may be started again on the same directory and port.
///
/// Dropping it ends it at once; it recovers at the next start.
#[derive(Debug)]
pub struct Postgres {
    // Declared before the directory: the process must be gone when the directory is given free.
    process: Option<Process>,
    port: u16,
    password: String,
    user: Option<ServerUser>,
    state: StateDir,
    options: PostgresOptions,
    fetched: Fetched,
}

impl Postgres {
    /// Starts it and returns when it takes connections. What an earlier run left behind in the directory is ended
    /// first. A superuser `boxoffice` and a database `boxoffice` are there.
    pub async fn start(fetched: &Fetched, options: &PostgresOptions) -> Result<Self, ServerError> {
        let state = StateDir::hold(&options.dir, NAME)?;
        let user = ServerUser::find()?;
        if let Some(user) = &user {
            user.must_reach(state.path())?;
            user.must_reach(&fetched.postgres)?;
        }
        orphan::end_recorded(&pid_file(state.path()), Signal::SIGINT).await?;
        end_unrecorded(&data_dir(state.path())).await?;
        let port = state.port("port", options.port, &[])?;
        let password =
            cluster::prepare(fetched, state.path(), user.as_ref(), options.fsync).await?;
        socket::prepare(state.path(), user.as_ref())?;
        let mut postgres = Self {
            process: None,
            port,
            password,
            user,
            state,
            options: options.clone(),
            fetched: fetched.clone(),
        };
        let mut launched = postgres.launch().await;
        if let Err(ServerError::PortTaken { .. }) = launched
            && options.port.is_none()
        {
            // Somebody was faster at the port that we had found free; there are others.
            postgres.port = postgres.state.port("port", None, &[])?;
            launched = postgres.launch().await;
        }
        launched.map(|()| postgres)
    }

    /// Where clients connect, as the superuser of this private server, to the database `boxoffice`.
    pub fn url(&self) -> String {
        self.url_of("boxoffice")
    }

    /// The same for another database.
    pub fn url_of(&self, database: &str) -> String {
        format!(
            "postgres://boxoffice:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// The same database by way of the Unix socket, for whoever runs on this machine: no TCP, which takes a few percent of what
    /// both sides do. By TCP after all where the socket's path would be too long or not fit into a URL as it is.
    pub fn local_url(&self) -> String {
        match socket::usable(self.state.path()) {
            Some(dir) => format!(
                "postgres://boxoffice:{}@localhost:{}/boxoffice?host={}",
                self.password,
                self.port,
                dir.display()
            ),
            None => self.url(),
        }
    }

    /// Its port.
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

    /// Returns when the running PostgreSQL ends, by itself or by somebody else's hand.
    pub async fn exited(&self) -> Result<ExitStatus, ServerError> {
        let exited = self.running()?.exited().await;
        exited.tried("wait for PostgreSQL in", self.state.path())
    }

    /// Stops it in order, disconnecting its clients (a fast shutdown); kills it when it has not stopped in time.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        if let Some(process) = &self.process {
            let orderly = process.stop(Signal::SIGINT, STOP_DEADLINE).await;
            if !orderly.tried("stop PostgreSQL in", self.state.path())? {
                tracing::warn!("PostgreSQL did not stop in time and was killed");
            }
        }
        self.ended();
        Ok(())
    }

    /// SIGKILL to all of it, as if the power had failed, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<(), ServerError> {
        if let Some(process) = &self.process {
            process
                .kill()
                .await
                .tried("kill PostgreSQL in", self.state.path())?;
        }
        self.ended();
        Ok(())
    }

    /// SIGSTOP to all of it: it keeps its connections and answers nothing.
    pub fn pause(&self) -> Result<(), ServerError> {
        let paused = self.running()?.signal_tree(Signal::SIGSTOP);
        paused.tried("pause PostgreSQL in", self.state.path())
    }

    /// SIGCONT, after a pause.
    pub fn resume(&self) -> Result<(), ServerError> {
        let resumed = self.running()?.signal_tree(Signal::SIGCONT);
        resumed.tried("resume PostgreSQL in", self.state.path())
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
        let since = Instant::now();
        loop {
            match self.start_process(since).await {
                Err(ServerError::Died { tail, .. })
                    if tail.contains(STILL_IN_USE) && since.elapsed() < START_DEADLINE =>
                {
                    tokio::time::sleep(POLL * 10).await;
                }
                Err(ServerError::Died { tail, .. }) if tail.contains(PORT_TAKEN) => {
                    return Err(ServerError::PortTaken {
                        server: NAME,
                        port: self.port,
                    });
                }
                result => return result,
            }
        }
    }

    async fn start_process(&mut self, since: Instant) -> Result<(), ServerError> {
        let dir = self.state.path().to_owned();
        let data = data_dir(&dir);
        let mut command = program(&self.fetched, "postgres", &dir, self.user.as_ref());
        command.arg("-D").arg(&data);
        for (name, value) in self.settings() {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let log = log_file(&dir);
        let open = OpenOptions::new().create(true).append(true).open(&log);
        let out = open.tried("open", &log)?;
        if out.metadata().is_ok_and(|m| m.len() > LOG_LIMIT) {
            out.set_len(0).tried("truncate", &log)?;
        }
        let err = out.try_clone().tried("open", &log)?;
        let mark = Mark::at_end(&[&log]);
        command.stdin(Stdio::null()).stdout(out).stderr(err);

        // SIGINT when we die: a fast shutdown, after which nothing needs to be recovered.
        let process = Process::spawn(command, Signal::SIGINT, Signal::SIGQUIT)
            .await
            .tried("run", &self.fetched.postgres)?;
        orphan::record(&pid_file(&dir), process.pid())?;
        let process = self.process.insert(process);
        loop {
            if let Some(status) = process.ended().tried("wait for PostgreSQL in", &dir)? {
                self.ended();
                return Err(ServerError::Died {
                    server: NAME,
                    how: describe(status),
                    tail: mark.tail(),
                });
            }
            if says_ready(&data, process.pid()) && connects(self.port).await {
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

    fn settings(&self) -> Vec<(String, String)> {
        let port = self.port.to_string();
        let socket = socket::usable(self.state.path());
        let socket = socket.map_or_else(String::new, |dir| dir.display().to_string());
        let ours = [
            ("port", port.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", socket.as_str()),
            ("shared_buffers", "64MB"),
            ("max_connections", "100"),
            ("wal_compression", "pglz"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("log_checkpoints", "off"),
        ];
        let unsafe_but_fast = [("fsync", "off"), ("full_page_writes", "off")];
        ours.iter()
            .chain(unsafe_but_fast.iter().filter(|_| !self.options.fsync))
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            // The last of equal settings counts.
            .chain(self.options.settings.iter().cloned())
            .collect()
    }
}

/// A statement's memory goes back to the C library when it ends, and from there to the kernel at once, page by page, to be
/// asked for again by the next statement. So much of it is kept instead, in bytes, by each session
/// (<https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html>).
const KEEP_MEMORY: [(&str, &str); 2] = [
    ("MALLOC_TOP_PAD_", "1048576"),
    ("MALLOC_TRIM_THRESHOLD_", "4194304"),
];

/// One of PostgreSQL's programs, as its user and without our environment (PGPORT and the like).
fn program(fetched: &Fetched, name: &str, dir: &Path, user: Option<&ServerUser>) -> Command {
    let mut command = Command::new(fetched.postgres.join("bin").join(name));
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .envs(KEEP_MEMORY)
        .current_dir(dir);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    if let Some(user) = user {
        user.apply(&mut command);
    }
    command
}

/// postmaster.pid: the pid in its first line, the state in its eighth.
fn says_ready(data: &Path, pid: u32) -> bool {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid)
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

async fn connects(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_ok()
}

/// Ends a server that runs in this data directory though our record does not know it, and removes a postmaster.pid whose
/// process is gone: PostgreSQL would not start when another process has that number by now.
async fn end_unrecorded(data: &Path) -> Result<(), ServerError> {
    let file = data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&file) else {
        return Ok(());
    };
    let pid: Option<u32> = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok());
    if let Some(pid) = pid
        && proc_table::command_line(pid)
            .is_some_and(|line| line.contains(&data.display().to_string()))
    {
        orphan::end(pid, Signal::SIGINT, &file).await?;
    }
    match std::fs::remove_file(&file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).tried("remove", &file),
        _ => Ok(()),
    }
}

fn data_dir(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn pid_file(dir: &Path) -> PathBuf {
    dir.join("pid.json")
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("postgres.log")
}

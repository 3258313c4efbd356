//! A child process: waiting with a deadline, signals to the whole server, stop, kill.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::{proc_table, spawner};

/// How often an end that no SIGCHLD told us of is looked for.
const TICK: Duration = Duration::from_millis(100);

/// How long the last remains of a killed server, and `Drop`, are waited for, so that a test's directory can be removed
/// right after.
const GONE_WAIT: Duration = Duration::from_secs(2);

/// A running child in its own process group. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    state: Mutex<State>,
    on_drop: Signal,
}

/// Signals are sent and the child is reaped under one lock, so that no signal ever reaches a reused pid.
#[derive(Debug)]
enum State {
    Running(Child),
    Ended(ExitStatus),
    Dropped,
}

impl Process {
    /// Spawns; `death` is sent when we die, `on_drop` when the handle is dropped.
    pub(crate) async fn spawn(
        command: Command,
        death: Signal,
        on_drop: Signal,
    ) -> io::Result<Self> {
        let child = spawner::spawn(command, death).await?;
        Ok(Self {
            pid: child.id(),
            state: Mutex::new(State::Running(child)),
            on_drop,
        })
    }

    /// Runs a command that ends by itself; beyond `deadline` it is killed and `TimedOut` is returned.
    pub(crate) async fn run(command: Command, deadline: Duration) -> io::Result<ExitStatus> {
        let process = Self::spawn(command, Signal::SIGKILL, Signal::SIGKILL).await?;
        match process.wait(deadline).await? {
            Some(status) => Ok(status),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The status, when it has ended.
    pub(crate) fn ended(&self) -> io::Result<Option<ExitStatus>> {
        ended(&mut self.locked())
    }

    /// Waits for the end, however long.
    pub(crate) async fn exited(&self) -> io::Result<ExitStatus> {
        // Registered before the look, so that an end in between is not missed.
        let mut sigchld = signal(SignalKind::child())?;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            drop(tokio::time::timeout(TICK, sigchld.recv()).await);
        }
    }

    /// Waits for the end; `None` when it has not come within `deadline`.
    pub(crate) async fn wait(&self, deadline: Duration) -> io::Result<Option<ExitStatus>> {
        match tokio::time::timeout(deadline, self.exited()).await {
            Ok(status) => status.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Sends a signal to the child alone; nothing happens when it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let mut state = self.locked();
        if ended(&mut state)?.is_some() {
            return Ok(());
        }
        proc_table::send(self.pid, signal)
    }

    /// Sends a signal to the child and then to each of its own children (PostgreSQL's backends lead groups of their
    /// own, so a signal to the group would miss them).
    pub(crate) fn signal_tree(&self, signal: Signal) -> io::Result<()> {
        let mut state = self.locked();
        if ended(&mut state)?.is_some() {
            return Ok(());
        }
        // Once before, because the children of a killed parent are not its children any more; once after, because
        // it may have started some in between.
        let before = proc_table::children(self.pid);
        proc_table::send(self.pid, signal)?;
        for pid in before.into_iter().chain(proc_table::children(self.pid)) {
            drop(proc_table::send(pid, signal));
        }
        Ok(())
    }

    /// Asks it to end by `polite`, and kills it when it has not within `deadline`. True when it ended by itself.
    pub(crate) async fn stop(&self, polite: Signal, deadline: Duration) -> io::Result<bool> {
        self.signal(polite)?;
        // It may be paused; a stopped process handles nothing.
        self.signal_tree(Signal::SIGCONT)?;
        if self.wait(deadline).await?.is_some() {
            return Ok(true);
        }
        self.kill().await?;
        Ok(false)
    }

    /// SIGKILL to it and its children, and waits until all are gone.
    pub(crate) async fn kill(&self) -> io::Result<()> {
        let children = proc_table::children(self.pid);
        self.signal_tree(Signal::SIGKILL)?;
        self.exited().await?;
        // A dying child still holds its ports and shared memory, and is somebody else's to reap.
        let since = Instant::now();
        while children.iter().any(|pid| proc_table::alive(*pid)) && since.elapsed() < GONE_WAIT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended(state: &mut State) -> io::Result<Option<ExitStatus>> {
    if let State::Running(child) = state
        && let Some(status) = child.try_wait()?
    {
        *state = State::Ended(status);
    }
    Ok(match state {
        State::Ended(status) => Some(*status),
        State::Running(_) | State::Dropped => None,
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.signal(self.on_drop));
        drop(self.signal_tree(Signal::SIGCONT));
        let State::Running(mut child) = std::mem::replace(&mut *self.locked(), State::Dropped)
        else {
            return;
        };
        let (gone, wait) = mpsc::channel();
        let reaper = std::thread::Builder::new().name("dev-servers-reaper".into());
        let reaping = reaper.spawn(move || {
            drop(child.wait());
            let _ = gone.send(());
        });
        if reaping.is_ok() {
            let _ = wait.recv_timeout(GONE_WAIT);
        }
    }
}

/// How a process ended, in words.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".into(),
    }
}

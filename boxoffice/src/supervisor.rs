//! Every task that runs for long is started here, with a name, a place in the order of shutting down, and what
//! its end means.
//!
//! * **A stage** says when it is asked to stop: first the doors, so that nothing new comes in; then the workers,
//!   which finish what they have in hand; then the relay, which publishes what they have written; then the rest.
//! * **An ending** says what its own end means: a worker is started again after a pause that grows; the end of a
//!   door ends the process, for a door that was closed cannot be opened again by itself.
//!
//! A panic is an end like any other. Draining is visible in the log and in [`Supervisor::states`], and has a
//! deadline, after which what is left is dropped: everything here survives that, for it survives a kill.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::causes;

/// The first pause before a worker is started again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A worker that ran for so long had a good start: the pause begins anew.
const GOOD_RUN: Duration = Duration::from_secs(60);
/// How often a drain says what it is waiting for.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// The number of times a task has ended by itself.
const ENDED: &str = "boxoffice_task_ended_total";

/// When a task is asked to stop; in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What lets requests in.
    Doors,
    /// Consumers, executors.
    Workers,
    /// What publishes what the others have written.
    Relay,
    /// Health, metrics, the simulator.
    Rest,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Doors, Self::Workers, Self::Relay, Self::Rest];
}

/// What the end of a task means that was not asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is started again, after a pause that grows up to 15 s.
    StartAgain,
    /// The process drains and ends with exit status 1.
    EndProcess,
}

/// How a task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TaskState {
    /// It runs.
    Running,
    /// It has ended by itself, and will be started again.
    Waiting {
        /// How it ended.
        why: String,
    },
    /// It was asked to stop and finishes what it has in hand.
    Draining,
    /// It has ended.
    Ended,
}

struct Running {
    stage: Stage,
    handle: JoinHandle<()>,
    inner: Arc<Mutex<Option<AbortHandle>>>,
}

/// Starts tasks, and ends them. Clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

struct Shared {
    stages: BTreeMap<Stage, CancellationToken>,
    states: Mutex<BTreeMap<String, TaskState>>,
    tasks: Mutex<BTreeMap<String, Running>>,
    fatal: watch::Sender<Option<String>>,
    draining: CancellationToken,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                stages: Stage::ALL
                    .into_iter()
                    .map(|stage| (stage, CancellationToken::new()))
                    .collect(),
                states: Mutex::default(),
                tasks: Mutex::default(),
                fatal: watch::Sender::new(None),
                draining: CancellationToken::new(),
            }),
        }
    }
}

impl Supervisor {
    /// Starts a task. `start` is called with the token that asks it to stop; again for each new start.
    pub fn spawn<S, F, E>(&self, name: &str, stage: Stage, ending: Ending, start: S)
    where
        S: Fn(CancellationToken) -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error> + 'static,
    {
        let stop = self.shared.stages.get(&stage).cloned().unwrap_or_default();
        let inner = Arc::new(Mutex::new(None));
        let watched = watch_over(
            self.shared.clone(),
            name.to_owned(),
            ending,
            stop,
            inner.clone(),
            start,
        );
        self.shared.set(name, TaskState::Running);
        let handle = tokio::spawn(watched);
        lock(&self.shared.tasks).insert(
            name.to_owned(),
            Running {
                stage,
                handle,
                inner,
            },
        );
    }

    /// How every task is, by name.
    pub fn states(&self) -> BTreeMap<String, TaskState> {
        lock(&self.shared.states).clone()
    }

    /// Whether a shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.is_cancelled()
    }

    /// Returns when a task has ended whose end ends the process, with the reason.
    pub async fn fatal(&self) -> String {
        let mut fatal = self.shared.fatal.subscribe();
        match fatal.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Asks one stage after the other to stop and waits for it; what has not ended by the deadline is dropped.
    /// Returns the names of what was dropped.
    pub async fn drain(&self, deadline: Duration) -> Vec<String> {
        self.shared.draining.cancel();
        let until = Instant::now() + deadline;
        let mut dropped = Vec::new();
        for stage in Stage::ALL {
            let tasks: Vec<(String, Running)> = {
                let mut all = lock(&self.shared.tasks);
                let names: Vec<String> = all
                    .iter()
                    .filter(|(_, task)| task.stage == stage)
                    .map(|(name, _)| name.clone())
                    .collect();
                names
                    .into_iter()
                    .filter_map(|name| all.remove_entry(&name))
                    .collect()
            };
            for (name, _) in &tasks {
                self.shared.set(name, TaskState::Draining);
            }
            if let Some(stop) = self.shared.stages.get(&stage) {
                stop.cancel();
            }
            for (name, mut task) in tasks {
                if !self.end_of(&name, &mut task.handle, until).await {
                    tracing::warn!(task = name, "not finished at the deadline: dropped");
                    if let Some(inner) = lock(&task.inner).take() {
                        inner.abort();
                    }
                    task.handle.abort();
                    dropped.push(name.clone());
                }
                self.shared.set(&name, TaskState::Ended);
            }
        }
        dropped
    }

    async fn end_of(&self, name: &str, handle: &mut JoinHandle<()>, until: Instant) -> bool {
        loop {
            let next = until.min(Instant::now() + SAY_EVERY);
            if tokio::time::timeout_at(next, &mut *handle).await.is_ok() {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            tracing::info!(task = name, seconds_left = left, "draining: waiting");
        }
    }
}

impl Shared {
    fn set(&self, name: &str, state: TaskState) {
        lock(&self.states).insert(name.to_owned(), state);
    }
}

async fn watch_over<S, F, E>(
    shared: Arc<Shared>,
    name: String,
    ending: Ending,
    stop: CancellationToken,
    inner: Arc<Mutex<Option<AbortHandle>>>,
    start: S,
) where
    S: Fn(CancellationToken) -> F + Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<anyhow::Error>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        // A child, so that a task which ends itself by its token does not end its whole stage.
        let run = start(stop.child_token());
        let task = tokio::spawn(async move { run.await.map_err(Into::into) });
        *lock(&inner) = Some(task.abort_handle());
        let why = match task.await {
            Ok(Ok(())) => "it ended without an error".to_owned(),
            Ok(Err(error)) => {
                causes(AsRef::<dyn std::error::Error + 'static>::as_ref(&error)).join(": ")
            }
            Err(error) if error.is_panic() => {
                "it panicked: this is a fault in boxoffice".to_owned()
            }
            Err(_) => "it was dropped".to_owned(),
        };
        if stop.is_cancelled() {
            return;
        }
        metrics::counter!(ENDED, "task" => name.clone()).increment(1);
        if ending == Ending::EndProcess {
            tracing::error!(task = name, why, "ended: the process ends with it");
            shared.set(&name, TaskState::Ended);
            shared
                .fatal
                .send_replace(Some(format!("{name} ended: {why}")));
            return;
        }
        if started.elapsed() >= GOOD_RUN {
            pause = FIRST_PAUSE;
        }
        let jittered = pause.mul_f64(rand::random_range(0.5..1.0));
        let again_in_ms = u64::try_from(jittered.as_millis()).unwrap_or(u64::MAX);
        tracing::error!(
            task = name,
            why,
            again_in_ms,
            "ended by itself, is started again"
        );
        shared.set(&name, TaskState::Waiting { why });
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jittered) => {}
        }
        pause = LONGEST_PAUSE.min(pause * 2);
        shared.set(&name, TaskState::Running);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_fails_or_panics_is_started_again() {
        let supervisor = Supervisor::default();
        let starts = Arc::new(AtomicU32::new(0));
        let counted = starts.clone();
        let (third, mut reached) = tokio::sync::mpsc::channel(1);
        supervisor.spawn("worker", Stage::Workers, Ending::StartAgain, move |stop| {
            let (nth, third) = (counted.fetch_add(1, Ordering::Relaxed), third.clone());
            async move {
                match nth {
                    0 => Err(anyhow::anyhow!("no luck")),
                    1 => panic!("worse"),
                    _ => {
                        let _ = third.send(()).await;
                        stop.cancelled().await;
                        Ok(())
                    }
                }
            }
        });
        reached.recv().await.unwrap();
        assert!(supervisor.drain(Duration::from_secs(1)).await.is_empty());
        assert_eq!(starts.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_door_is_fatal_and_a_task_that_will_not_end_is_dropped() {
        let supervisor = Supervisor::default();
        supervisor.spawn("door", Stage::Doors, Ending::EndProcess, |_| async {
            Err::<(), _>(anyhow::anyhow!("the port is gone"))
        });
        supervisor.spawn("stubborn", Stage::Workers, Ending::StartAgain, |_| async {
            std::future::pending::<Result<(), anyhow::Error>>().await
        });
        assert_eq!(supervisor.fatal().await, "door ended: the port is gone");
        assert_eq!(supervisor.drain(Duration::from_secs(5)).await, ["stubborn"]);
        assert_eq!(supervisor.states()["stubborn"], TaskState::Ended);
    }

    #[tokio::test(start_paused = true)]
    async fn stages_stop_one_after_the_other() {
        let supervisor = Supervisor::default();
        let (ended, mut order) = tokio::sync::mpsc::channel(4);
        for (name, stage) in [
            ("relay", Stage::Relay),
            ("door", Stage::Doors),
            ("worker", Stage::Workers),
        ] {
            let ended = ended.clone();
            supervisor.spawn(name, stage, Ending::StartAgain, move |stop| {
                let ended = ended.clone();
                async move {
                    stop.cancelled().await;
                    let _ = ended.send(name).await;
                    Ok::<(), anyhow::Error>(())
                }
            });
        }
        supervisor.drain(Duration::from_secs(1)).await;
        for expected in ["door", "worker", "relay"] {
            assert_eq!(order.recv().await, Some(expected));
        }
    }
}

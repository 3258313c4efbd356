//! Whether Kafka takes what we write: what the last webhooks met, and, where there were none, what a
//! question to the cluster says.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use boxoffice_producers::SendError;
use tokio::time::{Instant, timeout};

use crate::health::Part;
use crate::publisher::Publisher;

/// For so long an acknowledgement or a failure says how things stand.
const TELLING: Duration = Duration::from_secs(5);
/// For so long an answer about the cluster is used again: `readyz` is open to everybody.
const PROBE_KEPT: Duration = Duration::from_secs(3);
/// So long the cluster may think about it. Whoever asks for readiness mostly waits for a second.
const PROBE_WITHIN: Duration = Duration::from_millis(800);

type Probe = Result<Vec<String>, String>;

pub(crate) struct BrokerWatch {
    began: Instant,
    /// Milliseconds after `began`, plus one; 0 is never.
    acknowledged: AtomicU64,
    failed: Mutex<Option<(Instant, SendError)>>,
    probed: tokio::sync::Mutex<Option<(Instant, Probe)>>,
}

impl BrokerWatch {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            acknowledged: AtomicU64::new(0),
            failed: Mutex::new(None),
            probed: tokio::sync::Mutex::new(None),
        }
    }

    /// The broker has acknowledged a record.
    pub(crate) fn note_acknowledged(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.acknowledged.store(millis + 1, Ordering::Relaxed);
    }

    /// A record was not acknowledged.
    pub(crate) fn note_failed(&self, error: SendError) {
        // A full queue is a matter of load, and too large a record one of that record.
        if !matches!(error, SendError::QueueFull | SendError::TooLarge) {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Instant::now(), error));
        }
    }

    fn last_acknowledged(&self) -> Option<Instant> {
        let millis = self.acknowledged.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.began + Duration::from_millis(millis))
    }

    /// What the last webhook failed with, if that was lately and none was acknowledged since.
    fn failed_since(&self, acknowledged: Option<Instant>) -> Option<SendError> {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = failed?;
        (at.elapsed() < TELLING && acknowledged.is_none_or(|ack| ack < at)).then_some(error)
    }

    /// How things stand.
    pub(crate) async fn part<P: Publisher>(&self, publisher: &P) -> Part {
        let acknowledged = self.last_acknowledged();
        let (why, warnings) = match self.failed_since(acknowledged) {
            Some(error) => (Some(error.to_string()), Vec::new()),
            None => match self.probe(publisher).await {
                Ok(warnings) => (None, warnings),
                Err(why) => {
                    let lately = acknowledged.is_some_and(|at| at.elapsed() < TELLING);
                    (Some(why).filter(|_| !lately), Vec::new())
                }
            },
        };
        Part {
            name: "broker",
            ready: why.is_none(),
            why,
            warnings,
            last_acknowledged_ms_ago: acknowledged
                .map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// Asks the cluster, one question at a time however many want to know.
    async fn probe<P: Publisher>(&self, publisher: &P) -> Probe {
        let mut kept = self.probed.lock().await;
        if let Some((at, probe)) = &*kept
            && at.elapsed() < PROBE_KEPT
        {
            return probe.clone();
        }
        let probe = match timeout(PROBE_WITHIN, publisher.probe()).await {
            Ok(probe) => probe,
            Err(_) => Err("Kafka does not answer".to_owned()),
        };
        *kept = Some((Instant::now(), probe.clone()));
        probe
    }
}

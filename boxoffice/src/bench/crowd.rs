//! Whoever loads the system: many at a time, of whom only what falls between two readings counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::meter::Reading;
use super::rig::Rig;

/// What everybody looks at between one thing and the next.
#[derive(Debug, Default)]
pub struct Gate {
    measuring: AtomicBool,
    over: AtomicBool,
}

impl Gate {
    /// Whether to go on.
    pub fn is_open(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Whether what happens now counts.
    pub fn counts(&self) -> bool {
        self.measuring.load(Ordering::Relaxed) && self.is_open()
    }
}

/// People, each of whom says at the end what they have measured.
pub struct Crowd<T> {
    gate: Arc<Gate>,
    people: JoinSet<anyhow::Result<T>>,
    said: Vec<T>,
}

/// What a crowd did between two readings.
pub struct Measured<T> {
    /// What each of them says.
    pub said: Vec<T>,
    /// So long.
    pub took: Duration,
    /// From when until when, by the database's clock.
    pub from: OffsetDateTime,
    pub until: OffsetDateTime,
    /// What everything had used by then.
    pub before: Reading,
    pub after: Reading,
}

impl<T: Send + 'static> Crowd<T> {
    /// Nobody yet.
    pub fn new() -> Self {
        Self {
            gate: Arc::default(),
            people: JoinSet::new(),
            said: Vec::new(),
        }
    }

    /// What they look at.
    pub fn gate(&self) -> Arc<Gate> {
        self.gate.clone()
    }

    /// One more, who begins at once.
    pub fn join(&mut self, person: impl Future<Output = anyhow::Result<T>> + Send + 'static) {
        self.people.spawn(person);
    }

    /// Waits until then.
    ///
    /// # Errors
    /// As soon as one of them has failed.
    pub async fn until(&mut self, then: Instant) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.people.join_next() => self.said.push(ended??),
                () = tokio::time::sleep_until(then.into()) => return Ok(()),
            }
        }
    }

    /// Closes the gate, and waits for the last of them.
    ///
    /// # Errors
    /// When one of them has failed.
    pub async fn end(self) -> anyhow::Result<Vec<T>> {
        self.gate.over.store(true, Ordering::Relaxed);
        self.all().await
    }

    /// Waits for those who end by themselves.
    ///
    /// # Errors
    /// When one of them has failed.
    pub async fn all(mut self) -> anyhow::Result<Vec<T>> {
        while let Some(ended) = self.people.join_next().await {
            self.said.push(ended??);
        }
        Ok(self.said)
    }

    /// A closed loop: lets them go on for `warm_up` unmeasured, then for `seconds`, and ends them. `process`: whose CPU and
    /// memory are ours, if not those of every role.
    ///
    /// # Errors
    /// When one of them has failed, or a server does not answer.
    pub async fn measured(
        mut self,
        rig: &Rig,
        process: Option<u32>,
        warm_up: Duration,
        seconds: Duration,
    ) -> anyhow::Result<Measured<T>> {
        let reading = async || match process {
            Some(process) => rig.reading_of(&[process]).await,
            None => rig.reading(&[]).await,
        };
        self.until(Instant::now() + warm_up).await?;
        let before = reading().await?;
        let from = rig.stage.now().await?;
        let since = Instant::now();
        self.gate.measuring.store(true, Ordering::Relaxed);
        self.until(since + seconds).await?;
        self.gate.over.store(true, Ordering::Relaxed);
        let took = since.elapsed();
        let until = rig.stage.now().await?;
        let after = reading().await?;
        Ok(Measured {
            said: self.end().await?,
            took,
            from,
            until,
            before,
            after,
        })
    }
}

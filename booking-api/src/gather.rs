//! Gathering reads: whoever asks while a read is under way shares the next one.
//!
//! A read never starts before it was asked for, so an answer is never older than the question. Neither a read
//! nor a question lasts longer than the limit for reads, so that nothing gathers behind a database that stands
//! still.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use boxoffice_turn::TurnError;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::deadline;
use crate::problem::Problem;

/// What a read of many keys comes to. Keys that do not exist are left out.
pub type Found<K, V> = Result<HashMap<K, V>, ReadFailed>;
type Reader<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, Found<K, V>> + Send + Sync;
type Asker<V> = oneshot::Sender<Result<Option<V>, ReadFailed>>;

/// Why a read did not come about. Logged where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFailed {
    /// The database is not there.
    Unavailable,
    /// A row that cannot be read, or a bug.
    Internal,
}

impl From<TurnError> for ReadFailed {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::Unavailable(source) => {
                tracing::warn!(
                    error = &source as &dyn std::error::Error,
                    "the database does not answer"
                );
                Self::Unavailable
            }
            TurnError::Busy(_) => Self::Unavailable,
            error => {
                tracing::error!(%error, "a read failed");
                Self::Internal
            }
        }
    }
}

impl From<sqlx::Error> for ReadFailed {
    fn from(error: sqlx::Error) -> Self {
        TurnError::from(error).into()
    }
}

impl From<ReadFailed> for Problem {
    fn from(failed: ReadFailed) -> Self {
        match failed {
            ReadFailed::Unavailable => Self::unavailable(),
            ReadFailed::Internal => Self::internal(),
        }
    }
}

/// Gathers the keys that are asked for at the same time into one read.
pub struct Gather<K, V> {
    shared: Arc<Shared<K, V>>,
}

struct Shared<K, V> {
    waiting: Mutex<Waiting<K, V>>,
    read: Box<Reader<K, V>>,
    most: usize,
    at_once: usize,
    within: Duration,
}

struct Waiting<K, V> {
    askers: HashMap<K, Vec<Asker<V>>>,
    running: usize,
}

impl<K, V> Gather<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Reads with `read`, at most `most` keys a time and `at_once` reads beside each other.
    pub fn new<F>(most: usize, at_once: usize, read: F) -> Self
    where
        F: Fn(Vec<K>) -> BoxFuture<'static, Found<K, V>> + Send + Sync + 'static,
    {
        Self::limited(most, at_once, deadline::READ, read)
    }

    fn limited<F>(most: usize, at_once: usize, within: Duration, read: F) -> Self
    where
        F: Fn(Vec<K>) -> BoxFuture<'static, Found<K, V>> + Send + Sync + 'static,
    {
        let waiting = Mutex::new(Waiting {
            askers: HashMap::new(),
            running: 0,
        });
        Self {
            shared: Arc::new(Shared {
                waiting,
                read: Box::new(read),
                most,
                at_once,
                within,
            }),
        }
    }

    /// What `key` is now; `None` if there is no such thing.
    ///
    /// # Errors
    /// [`ReadFailed`].
    pub async fn read(&self, key: K) -> Result<Option<V>, ReadFailed> {
        let (asker, answer) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting();
            waiting.askers.entry(key).or_default().push(asker);
            if waiting.running < self.shared.at_once {
                waiting.running += 1;
                tokio::spawn(self.shared.clone().run());
            }
        }
        match timeout(self.shared.within, answer).await {
            Ok(answer) => answer.unwrap_or(Err(ReadFailed::Internal)),
            Err(_) => Err(ReadFailed::Unavailable),
        }
    }
}

impl<K, V> Shared<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    fn waiting(&self) -> MutexGuard<'_, Waiting<K, V>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until nobody waits any more.
    async fn run(self: Arc<Self>) {
        loop {
            // Requests that have arrived already are read before this goes on: they share the read.
            tokio::task::yield_now().await;
            let Some(batch) = self.next() else { return };
            let keys: Vec<K> = batch.keys().copied().collect();
            let read = AssertUnwindSafe((self.read)(keys)).catch_unwind();
            let found = match timeout(self.within, read).await {
                Ok(found) => found.unwrap_or(Err(ReadFailed::Internal)),
                Err(_) => {
                    tracing::warn!(within = ?self.within, "the database does not answer a read in time");
                    Err(ReadFailed::Unavailable)
                }
            };
            for (key, askers) in batch {
                let answer = match &found {
                    Ok(found) => Ok(found.get(&key).cloned()),
                    Err(failed) => Err(*failed),
                };
                for asker in askers {
                    // Whoever has gone away needs no answer.
                    let _ = asker.send(answer.clone());
                }
            }
        }
    }

    fn next(&self) -> Option<HashMap<K, Vec<Asker<V>>>> {
        let mut waiting = self.waiting();
        // Nothing is read for those who have given up.
        waiting.askers.retain(|_, askers| {
            askers.retain(|asker| !asker.is_closed());
            !askers.is_empty()
        });
        if waiting.askers.len() <= self.most {
            let batch = std::mem::take(&mut waiting.askers);
            if batch.is_empty() {
                waiting.running -= 1;
                return None;
            }
            return Some(batch);
        }
        let keys: Vec<K> = waiting.askers.keys().take(self.most).copied().collect();
        Some(
            keys.into_iter()
                .filter_map(|key| waiting.askers.remove_entry(&key))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_during_a_read_share_the_next() {
        let reads = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(0));
        let gather = {
            let (reads, gate) = (reads.clone(), gate.clone());
            Gather::new(100, 1, move |keys: Vec<u32>| {
                let (reads, gate) = (reads.clone(), gate.clone());
                async move {
                    let nth = reads.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    Ok(keys
                        .into_iter()
                        .filter(|key| *key != 7)
                        .map(|key| (key, nth))
                        .collect())
                }
                .boxed()
            })
        };
        let gather = Arc::new(gather);
        let ask = |key| {
            let gather = gather.clone();
            tokio::spawn(async move { gather.read(key).await })
        };
        let first = ask(1);
        while reads.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let rest: Vec<_> = [1, 2, 2, 7].into_iter().map(ask).collect();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(2);
        assert_eq!(first.await.unwrap(), Ok(Some(0)));
        let mut answers = Vec::new();
        for asked in rest {
            answers.push(asked.await.unwrap());
        }
        assert_eq!(answers, [Ok(Some(1)), Ok(Some(1)), Ok(Some(1)), Ok(None)]);
    }

    #[tokio::test]
    async fn a_read_that_never_ends_holds_nobody_up() {
        let reads = Arc::new(AtomicUsize::new(0));
        let seen = reads.clone();
        let gather = Gather::limited(1, 1, Duration::from_millis(20), move |keys: Vec<u32>| {
            let nth = reads.fetch_add(1, Ordering::SeqCst);
            async move {
                if nth == 0 {
                    std::future::pending::<()>().await;
                }
                Ok(keys.into_iter().map(|key| (key, nth)).collect())
            }
            .boxed()
        });
        let (stuck, behind) = tokio::join!(gather.read(1), gather.read(2));
        assert_eq!(stuck, Err(ReadFailed::Unavailable));
        // In time for the next read, or not: never stuck.
        assert!([Err(ReadFailed::Unavailable), Ok(Some(1))].contains(&behind));
        while gather.shared.waiting().running > 0 {
            tokio::task::yield_now().await;
        }
        let before = seen.load(Ordering::SeqCst);
        assert_eq!(gather.read(3).await, Ok(Some(before)));
        assert!(gather.shared.waiting().askers.is_empty());
    }

    #[tokio::test]
    async fn a_failed_or_panicking_read_fails_its_askers_and_not_the_next() {
        let reads = AtomicUsize::new(0);
        let gather = Gather::new(1, 1, move |keys: Vec<u32>| {
            let nth = reads.fetch_add(1, Ordering::SeqCst);
            async move {
                match nth {
                    0 => Err(ReadFailed::Unavailable),
                    1 => panic!("a bug"),
                    _ => Ok(keys.into_iter().map(|key| (key, ())).collect()),
                }
            }
            .boxed()
        });
        assert_eq!(gather.read(1).await, Err(ReadFailed::Unavailable));
        assert_eq!(gather.read(1).await, Err(ReadFailed::Internal));
        assert_eq!(gather.read(1).await, Ok(Some(())));
    }
}

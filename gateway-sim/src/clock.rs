//! The simulator's movable clock, and the one place here that asks the machine for the time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;

/// The machine's clock plus an offset that only grows.
pub(crate) struct Clock {
    ahead_ms: AtomicI64,
    moved: watch::Sender<()>,
}

impl Clock {
    pub(crate) fn new(ahead_ms: i64) -> Self {
        Self {
            ahead_ms: AtomicI64::new(ahead_ms),
            moved: watch::Sender::new(()),
        }
    }

    /// The machine's time: signatures bear it, because those who check them have no movable clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "a gateway has a clock of its own; this is the one place"
    )]
    pub(crate) fn machine() -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    /// The time in the simulated world.
    pub(crate) fn now(&self) -> OffsetDateTime {
        Self::machine() + time::Duration::milliseconds(self.ahead_ms())
    }

    pub(crate) fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::SeqCst)
    }

    /// Moves on, and wakes all who wait.
    pub(crate) fn advance(&self, by_ms: i64) {
        self.ahead_ms.fetch_add(by_ms, Ordering::SeqCst);
        self.moved.send_replace(());
    }

    /// Waits until the simulated world is there, by real time passing or by being moved.
    pub(crate) async fn sleep_until(&self, due: OffsetDateTime) {
        let mut moved = self.moved.subscribe();
        loop {
            let Ok(left) = Duration::try_from(due - self.now()) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = moved.changed() => {}
            }
        }
    }
}

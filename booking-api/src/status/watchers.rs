//! Who waits for which booking. A wake-up is only a hint to read: the row is the truth.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use boxoffice_saga::identity::BookingId;
use tokio::sync::Notify;

use crate::metric;

/// So many clients may wait for one booking.
const MOST_PER_BOOKING: usize = 100;

/// All who wait.
#[derive(Default)]
pub(crate) struct Watchers {
    waiting: Mutex<HashMap<BookingId, Watched>>,
}

struct Watched {
    bell: Arc<Notify>,
    watchers: usize,
}

impl Watchers {
    /// Registers a watcher, until it is dropped. Whoever reads after this misses nothing, if they prepare to
    /// be woken before each read: see [`Watcher::bell`].
    pub(super) fn watch(self: &Arc<Self>, booking: BookingId) -> Watcher {
        let mut waiting = self.waiting();
        let watched = waiting.entry(booking).or_insert_with(|| Watched {
            bell: Arc::default(),
            watchers: 0,
        });
        watched.watchers += 1;
        metrics::gauge!(metric::STATUS_WAITING).increment(1.0);
        Watcher {
            all: self.clone(),
            booking,
            bell: watched.bell.clone(),
        }
    }

    /// Whether as many wait for `booking` as may: a customer has some windows, and nobody else has their address.
    pub(super) fn crowded(&self, booking: BookingId) -> bool {
        self.waiting()
            .get(&booking)
            .is_some_and(|watched| watched.watchers >= MOST_PER_BOOKING)
    }

    /// Wakes those who wait for `booking`.
    pub(crate) fn wake(&self, booking: BookingId) {
        let bell = self
            .waiting()
            .get(&booking)
            .map(|watched| watched.bell.clone());
        if let Some(bell) = bell {
            bell.notify_waiters();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<BookingId, Watched>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
pub(super) struct Watcher {
    all: Arc<Watchers>,
    booking: BookingId,
    bell: Arc<Notify>,
}

impl Watcher {
    /// Which booking.
    pub(super) const fn booking(&self) -> BookingId {
        self.booking
    }

    /// What rings. Take `notified()` of it and `enable` that before reading.
    pub(super) fn bell(&self) -> &Notify {
        &self.bell
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        metrics::gauge!(metric::STATUS_WAITING).decrement(1.0);
        let mut waiting = self.all.waiting();
        if let Some(watched) = waiting.get_mut(&self.booking) {
            watched.watchers -= 1;
            if watched.watchers == 0 {
                waiting.remove(&self.booking);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use boxoffice_saga::identity::ShowId;
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_are_woken_and_forgotten_when_they_go() {
        let watchers = Arc::new(Watchers::default());
        let booking = |random| BookingId::pack(1, ShowId::try_from(1_u64).unwrap(), random);
        let (one, two, other) = (
            watchers.watch(booking(1)),
            watchers.watch(booking(1)),
            watchers.watch(booking(2)),
        );
        let mut rings: Vec<_> = [&one, &two, &other]
            .into_iter()
            .map(|watcher| Box::pin(watcher.bell().notified()))
            .collect();
        for ring in &mut rings {
            ring.as_mut().enable();
        }
        watchers.wake(booking(1));
        let woken: Vec<bool> = rings
            .iter_mut()
            .map(|ring| ring.as_mut().now_or_never().is_some())
            .collect();
        assert_eq!(woken, [true, true, false]);
        drop(rings);
        drop((one, two));
        assert_eq!(watchers.waiting().len(), 1);
        drop(other);
        assert!(watchers.waiting().is_empty());
        watchers.wake(booking(1));
    }
}

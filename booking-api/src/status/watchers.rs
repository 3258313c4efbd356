//! Who waits for which booking. A wake-up is a hint to read, for the row is the truth; or it brings what a turn of this
//! process has just written into the row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::world::World;
use boxoffice_turn::postgres::read::Case;
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::case::Seen;
use super::recent::Recent;
use crate::metric;

/// So many clients may wait for one booking.
const MOST_PER_BOOKING: usize = 100;

/// All who wait.
#[derive(Default)]
pub(crate) struct Watchers {
    waiting: Mutex<HashMap<BookingId, Watched>>,
    recent: Mutex<Recent>,
}

struct Watched {
    bell: Arc<Bell>,
    watchers: usize,
}

/// What those who wait for one booking hear.
#[derive(Default)]
struct Bell {
    rings: Notify,
    /// The booking as a turn of this process has left it, unless something happened elsewhere since.
    left: Mutex<Option<Seen>>,
}

impl Bell {
    fn ring(&self, left: Option<Seen>) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
        self.rings.notify_waiters();
    }
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

    /// Wakes those who wait for `booking`, to read what has become of it; unless the event of this `sequence` tells of
    /// what a turn of this process has done, of which they know.
    pub(crate) fn heard(&self, booking: BookingId, sequence: u32) {
        if self.recent().knows(booking, sequence) {
            return;
        }
        if let Some(bell) = self.bell(booking) {
            bell.ring(None);
        }
    }

    /// Wakes those who wait for what a turn of this process has just committed, and spares them the reading; and those
    /// who come right after.
    pub(crate) fn show(&self, world: &World) {
        let at = Instant::now();
        for case in Case::changed_by(world, |_| true) {
            let (booking, case, now) = (case.booking.id, Arc::new(case), world.now);
            let seen = Seen { case, now };
            self.recent().keep(seen.clone(), at);
            if let Some(bell) = self.bell(booking) {
                bell.ring(Some(seen));
            }
        }
    }

    /// The booking as a turn of this process has left it a moment ago.
    pub(super) fn lately(&self, booking: BookingId) -> Option<Seen> {
        self.recent().get(booking, Instant::now())
    }

    fn bell(&self, booking: BookingId) -> Option<Arc<Bell>> {
        let waiting = self.waiting();
        waiting.get(&booking).map(|watched| watched.bell.clone())
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<BookingId, Watched>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
pub(super) struct Watcher {
    all: Arc<Watchers>,
    booking: BookingId,
    bell: Arc<Bell>,
}

impl Watcher {
    /// Which booking.
    pub(super) const fn booking(&self) -> BookingId {
        self.booking
    }

    /// What rings. Take `notified()` of it and `enable` that before reading.
    pub(super) fn bell(&self) -> &Notify {
        &self.bell.rings
    }

    /// The booking as a turn of this process has left it after what was seen as `version` at `moment`, if nothing is known
    /// to have happened elsewhere since. A turn's clock is that of its locks: it may commit after a later look.
    pub(super) fn left_after(&self, version: u64, moment: OffsetDateTime) -> Option<Seen> {
        let left = self
            .bell
            .left
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let later = |seen: &&Seen| seen.now > moment || seen.case.booking.version > version;
        left.as_ref().filter(later).cloned()
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
        watchers.heard(booking(1), 1);
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
        watchers.heard(booking(1), 1);
    }
}

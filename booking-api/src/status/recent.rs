//! What turns of this process have just committed, for those who ask about it next: most who wait for a booking have
//! placed it a moment ago, through the same process.
//!
//! It is a memory of rows, not the rows: another process may have changed them since. Whoever is answered by it looks at
//! the rows soon (see [`wait`](super::wait)), and an event that tells of something newer ends it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use boxoffice_saga::identity::BookingId;

use super::case::Seen;

/// For how long a booking is remembered.
const KEPT: Duration = Duration::from_secs(2);
/// How many are remembered; the oldest are forgotten first.
const MOST: usize = 4_096;

/// What was committed lately.
#[derive(Default)]
pub(super) struct Recent {
    bookings: HashMap<BookingId, Kept>,
    /// In the order in which they came, with when.
    order: VecDeque<(Instant, BookingId)>,
}

struct Kept {
    seen: Seen,
    at: Instant,
}

impl Recent {
    /// Remembers a booking as a turn has left it, at `at`. Turns of one booking may tell in another order than they
    /// committed: the later version stays.
    pub(super) fn keep(&mut self, seen: Seen, at: Instant) {
        let booking = seen.case.booking.id;
        let newer = |kept: &Kept| kept.seen.case.booking.version > seen.case.booking.version;
        if self.bookings.get(&booking).is_some_and(newer) {
            return;
        }
        self.bookings.insert(booking, Kept { seen, at });
        self.order.push_back((at, booking));
        while let Some((since, booking)) = self.order.front()
            && (self.order.len() > MOST || at.saturating_duration_since(*since) > KEPT)
        {
            let same = |kept: &Kept| kept.at == *since;
            if self.bookings.get(booking).is_some_and(same) {
                self.bookings.remove(booking);
            }
            self.order.pop_front();
        }
    }

    /// The booking as it was left, if that is not long ago; with the clock as it is now.
    pub(super) fn get(&self, booking: BookingId, at: Instant) -> Option<Seen> {
        let kept = self.bookings.get(&booking)?;
        let ago = at.saturating_duration_since(kept.at);
        (ago <= KEPT).then(|| Seen {
            case: kept.seen.case.clone(),
            now: kept.seen.now + ago,
        })
    }

    /// An event of the booking tells of what happened as its `sequence`-th. Whether that is remembered; if not, what is
    /// remembered is no longer true.
    pub(super) fn knows(&mut self, booking: BookingId, sequence: u32) -> bool {
        let knows = |kept: &Kept| kept.seen.case.booking.sequence >= sequence;
        let knows = self.bookings.get(&booking).is_some_and(knows);
        if !knows {
            self.bookings.remove(&booking);
        }
        knows
    }
}

#[cfg(test)]
mod tests {
    use boxoffice_saga::identity::ShowId;

    use super::super::case::tests::seen;
    use super::*;

    fn left(random: u64, version: u64) -> Seen {
        let mut seen = seen(0.0, None);
        let case = std::sync::Arc::make_mut(&mut seen.case);
        case.booking.id = booking(random);
        case.booking.version = version;
        case.booking.sequence = u32::try_from(version).unwrap();
        seen
    }

    fn booking(random: u64) -> BookingId {
        BookingId::pack(1, ShowId::try_from(1_u64).unwrap(), random)
    }

    fn version(recent: &Recent, at: Instant) -> Option<u64> {
        recent
            .get(booking(1), at)
            .map(|seen| seen.case.booking.version)
    }

    #[test]
    fn the_latest_is_remembered_for_a_while_and_grows_older() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        recent.keep(left(1, 2), start);
        recent.keep(left(1, 1), start);
        assert_eq!(version(&recent, start), Some(2));
        let later = recent.get(booking(1), start + KEPT).unwrap();
        assert_eq!(later.now, left(1, 2).now + KEPT);
        let past = start + KEPT + Duration::from_millis(1);
        assert_eq!(version(&recent, past), None);
        recent.keep(left(2, 1), past);
        assert_eq!((recent.bookings.len(), recent.order.len()), (1, 1));
    }

    #[test]
    fn what_was_left_again_is_remembered_from_then_on() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        recent.keep(left(1, 1), start);
        recent.keep(left(1, 2), start + KEPT / 2);
        recent.keep(left(2, 1), start + KEPT + KEPT / 4);
        assert_eq!(version(&recent, start + KEPT + KEPT / 4), Some(2));
    }

    #[test]
    fn news_from_elsewhere_end_it_and_our_own_do_not() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        recent.keep(left(1, 2), now);
        assert!(recent.knows(booking(1), 1) && recent.knows(booking(1), 2));
        assert_eq!(version(&recent, now), Some(2));
        assert!(!recent.knows(booking(1), 3));
        assert_eq!(version(&recent, now), None);
        assert!(!recent.knows(booking(2), 1));
    }

    #[test]
    fn there_are_never_too_many() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        for nth in 0..=MOST as u64 {
            recent.keep(left(nth, 1), now);
        }
        assert_eq!((recent.bookings.len(), recent.order.len()), (MOST, MOST));
        assert!(recent.get(booking(0), now).is_none());
    }
}

//! Seats of which a glance has just seen that they are somebody's: whoever asks for one of them meanwhile is refused
//! without waiting for the next glance. And the shows of which that is true: they are hot.
//!
//! On the evening of a hot show nearly everybody wants what is gone already. For [`TRUSTED`] a refusal may be older than the
//! question: a seat that another process has given back in that time is refused once more. What turns of this process give
//! back may be asked for at once, but for what a glance still saw that was under way.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_saga::seat::SeatState;
use boxoffice_saga::world::World;

use super::HoldRequest;
use super::glance::{Held, Holder};

/// How long a glance is believed. Less than the margin that a glance leaves before a hold's end.
const TRUSTED: Duration = Duration::from_millis(50);

/// For how long a show is hot after a glance that saw seats taken.
const HOT: Duration = Duration::from_secs(1);

/// More seats of one show are not remembered.
const MOST: usize = 10_000;

/// Who has which seat, as glances saw it.
#[derive(Default)]
pub(super) struct Taken {
    shows: Mutex<HashMap<ShowId, Seen>>,
}

struct Seen {
    at: Instant,
    /// What was seen, and when.
    seats: HashMap<SeatName, (Holder, Instant)>,
}

impl Taken {
    /// A glance that began at `at` saw these seats taken.
    pub(super) fn seen(&self, held: HashMap<ShowId, Held>, at: Instant) {
        let mut shows = self.shows();
        shows.retain(|_, seen| at.saturating_duration_since(seen.at) <= HOT);
        for (show, held) in held {
            let seats = HashMap::new();
            let seen = shows.entry(show).or_insert(Seen { at, seats });
            seen.at = seen.at.max(at);
            if seen.seats.len() > MOST {
                seen.seats.clear();
            }
            let held = held.into_iter();
            seen.seats.extend(held.map(|(seat, by)| (seat, (by, at))));
        }
    }

    /// The seats that this request is sure to lose. None where it may win, or where its key may have an answer.
    pub(super) fn lost(&self, request: &HoldRequest, now: Instant) -> Vec<SeatName> {
        if request.key.is_some() {
            return Vec::new();
        }
        let shows = self.shows();
        let Some(seen) = shows.get(&request.show) else {
            return Vec::new();
        };
        request.lost(|seat| {
            let (by, at) = seen.seats.get(seat)?;
            (now.saturating_duration_since(*at) <= TRUSTED).then_some(by)
        })
    }

    /// Whether many have just wanted the same seats of a show.
    pub(super) fn is_hot(&self, show: ShowId, now: Instant) -> bool {
        let shows = self.shows();
        let seen = shows.get(&show);
        seen.is_some_and(|seen| now.saturating_duration_since(seen.at) <= HOT)
    }

    /// What a turn of this process has committed: seats that are free again may be asked for at once.
    pub(super) fn left(&self, world: &World) {
        let mut shows = self.shows();
        if shows.is_empty() {
            return;
        }
        let free = |state| state == SeatState::Available;
        for key in &world.changes.seats_changed {
            if world.seats.get(key).is_some_and(|seat| free(seat.state))
                && let Some(seen) = shows.get_mut(&key.show)
            {
                seen.seats.remove(&key.seat);
            }
        }
    }

    fn shows(&self) -> MutexGuard<'_, HashMap<ShowId, Seen>> {
        self.shows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::super::scene::{request, seat, show, under_key};
    use super::*;

    /// Ann has is blocked.
    fn glanced_at(at: Instant) -> Taken {
        let taken = Taken::default();
        let held = Held::from([
            ("A-1".to_owned(), Some("ann".to_owned())),
            ("A-2".to_owned(), None),
        ]);
        taken.seen(HashMap::from([(show(), held)]), at);
        // Another glance, at another seat.
        let other = Held::from([("B-1".to_owned(), None)]);
        taken.seen(HashMap::from([(show(), other)]), at);
        taken
    }

    #[test]
    fn whoever_asks_for_what_is_gone_is_told_so_for_a_moment() {
        let now = Instant::now();
        let taken = glanced_at(now);
        let bob = request("bob", &["A-1", "A-2", "A-3"]);
        assert_eq!(taken.lost(&bob, now + TRUSTED), ["A-1", "A-2"]);
        assert_eq!(taken.lost(&request("bob", &["B-1"]), now), ["B-1"]);
        let later = now + TRUSTED + Duration::from_millis(1);
        assert!(taken.lost(&bob, later).is_empty());
        assert!(taken.is_hot(show(), now + HOT));
        assert!(taken.lost(&request("bob", &["A-3"]), now).is_empty());
        let cooled = now + HOT + Duration::from_millis(1);
        assert!(!taken.is_hot(show(), cooled));
        taken.seen(HashMap::new(), cooled);
        assert!(taken.shows().is_empty());
    }

    /// A newer hold replaces one's own, and an answer that was given once is given again.
    #[test]
    fn whoever_may_have_it_goes_to_the_desk() {
        let now = Instant::now();
        let taken = glanced_at(now);
        assert!(taken.lost(&request("ann", &["A-1"]), now).is_empty());
        let again = under_key(request("bob", &["A-1"]), "k");
        assert!(taken.lost(&again, now).is_empty());
    }

    #[test]
    fn what_is_given_back_here_may_be_asked_for_at_once() {
        let now = Instant::now();
        let taken = glanced_at(now);
        let mut world = World::new(OffsetDateTime::UNIX_EPOCH);
        for (name, state) in [("A-1", SeatState::Available), ("A-2", SeatState::Booked)] {
            let seat = seat(name, state);
            world.changes.seats_changed.insert(seat.key.clone());
            world.seats.insert(seat.key.clone(), seat);
        }
        taken.left(&world);
        let bob = request("bob", &["A-1", "A-2"]);
        assert_eq!(taken.lost(&bob, now), ["A-2"]);
    }
}

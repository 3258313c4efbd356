//! A queue per show, bounded, and served in turn.

use std::collections::{HashMap, VecDeque};

use boxoffice_saga::identity::ShowId;

/// Requests by show. First come, first served within a show; one after the other between shows.
pub(super) struct FairQueue<T> {
    lanes: HashMap<ShowId, VecDeque<T>>,
    /// The shows that have requests, next first.
    turns: VecDeque<ShowId>,
    length: usize,
    per_show: usize,
    in_all: usize,
}

/// The show's queue, or the whole, is full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<T> FairQueue<T> {
    /// Holds at most `per_show` requests of a show and `in_all` of all.
    pub(super) fn new(per_show: usize, in_all: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            length: 0,
            per_show,
            in_all,
        }
    }

    /// How many wait.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Appends a request.
    pub(super) fn push(&mut self, show: ShowId, request: T) -> Result<(), Full> {
        if self.length >= self.in_all {
            return Err(Full);
        }
        let lane = self.lanes.entry(show).or_default();
        if lane.len() >= self.per_show {
            return Err(Full);
        }
        if lane.is_empty() {
            self.turns.push_back(show);
        }
        lane.push_back(request);
        self.length += 1;
        Ok(())
    }

    /// Takes up to `most` requests, one of each show in turn.
    pub(super) fn take(&mut self, most: usize) -> Vec<T> {
        let mut taken = Vec::with_capacity(most.min(self.length));
        while taken.len() < most
            && let Some(show) = self.turns.pop_front()
        {
            let Some(lane) = self.lanes.get_mut(&show) else {
                continue;
            };
            if let Some(request) = lane.pop_front() {
                taken.push(request);
                self.length -= 1;
            }
            if lane.is_empty() {
                self.lanes.remove(&show);
            } else {
                self.turns.push_back(show);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(number: u64) -> ShowId {
        ShowId::try_from(number).unwrap()
    }

    #[test]
    fn a_hot_show_does_not_starve_an_ordinary_one() {
        let mut queue = FairQueue::new(1_000, 10_000);
        for nth in 0..1_000 {
            queue.push(show(1), (1, nth)).unwrap();
        }
        for other in 2..=50 {
            queue.push(show(other), (other, 0)).unwrap();
        }
        let batch = queue.take(100);
        assert_eq!(batch.iter().filter(|(show, _)| *show != 1).count(), 49);
        let hot: Vec<_> = batch
            .iter()
            .filter(|(show, _)| *show == 1)
            .map(|(_, nth)| *nth)
            .collect();
        assert_eq!(hot, (0..51).collect::<Vec<_>>());
        assert_eq!(queue.len(), 949);
    }

    #[test]
    fn the_turn_goes_on_where_it_stopped() {
        let mut queue = FairQueue::new(10, 100);
        for number in 1..=3 {
            for _ in 0..2 {
                queue.push(show(number), number).unwrap();
            }
        }
        assert_eq!(queue.take(2), [1, 2]);
        assert_eq!(queue.take(2), [3, 1]);
        assert_eq!(queue.take(9), [2, 3]);
        assert!(queue.take(9).is_empty());
        assert_eq!((queue.len(), queue.lanes.len()), (0, 0));
    }

    #[test]
    fn both_bounds_hold_and_open_again() {
        let mut queue = FairQueue::new(2, 3);
        queue.push(show(1), ()).unwrap();
        queue.push(show(1), ()).unwrap();
        assert_eq!(queue.push(show(1), ()), Err(Full));
        queue.push(show(2), ()).unwrap();
        assert_eq!(queue.push(show(3), ()), Err(Full));
        assert_eq!(queue.lanes.len(), 2);
        queue.take(1);
        assert_eq!(queue.push(show(1), ()), Ok(()));
    }
}

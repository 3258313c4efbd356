//! Many histories, over all processors.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::act::Faults;
use crate::coverage::Coverage;
use crate::history::{self, Ended};
use crate::mistake::Mistake;

/// What came of many histories.
#[derive(Debug, Default)]
pub struct Explored {
    /// How many were made.
    pub histories: u64,
    /// How many choices they had in all.
    pub acts: u64,
    /// What they met.
    pub coverage: Coverage,
    /// The one of the lowest seed that broke a promise.
    pub broken: Option<Ended>,
}

/// Makes the histories of `seeds` seeds from `first` on, with faults among those that are allowed, until one
/// breaks a promise.
pub fn explore(
    first: u64,
    seeds: u64,
    allowed: Faults,
    mistake: Option<Mistake>,
    threads: usize,
) -> Explored {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let all = Mutex::new(Explored::default());
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mine = some(first, seeds, allowed, mistake, &next, &stop);
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.histories += mine.histories;
                all.acts += mine.acts;
                all.coverage.add(mine.coverage);
                let seed = |ended: &Option<Ended>| ended.as_ref().map(|ended| ended.history.seed);
                if mine.broken.is_some()
                    && seed(&all.broken).is_none_or(|seed_of| seed(&mine.broken) < Some(seed_of))
                {
                    all.broken = mine.broken;
                }
            });
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn some(
    first: u64,
    seeds: u64,
    allowed: Faults,
    mistake: Option<Mistake>,
    next: &AtomicU64,
    stop: &AtomicBool,
) -> Explored {
    let mut mine = Explored::default();
    while !stop.load(Ordering::Relaxed) {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        if nth >= seeds {
            break;
        }
        let ended = history::of_seed(first.wrapping_add(nth), allowed, mistake);
        mine.histories += 1;
        mine.acts += u64::try_from(ended.history.acts.len()).unwrap_or(0);
        if ended.broken.is_empty() {
            mine.coverage.add(ended.coverage);
        } else {
            stop.store(true, Ordering::Relaxed);
            mine.broken = Some(ended);
        }
    }
    mine
}

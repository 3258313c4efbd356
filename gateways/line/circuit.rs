//! The circuit breaker of one gateway account: when nobody answers, nobody asks, but for one probe at a time.
//!
//! Closed: calls go through. Open: none does, until the pause is over. Then one call, the probe, goes through,
//! and what comes of it closes the circuit or opens it for another pause.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Of so many calls that were last answered, half must have failed for the circuit to open.
const WINDOW: u32 = 20;
/// How long whoever finds a probe under way is told to wait: by then it is usually known.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// When the circuit opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fuse {
    /// After so many failures in a row; 1 to [`WINDOW`].
    pub(super) failures: u32,
    /// How long nobody asks.
    pub(super) pause: Duration,
}

/// What a circuit is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Closed,
    /// Half open: the one probe is under way.
    Probing,
    Open,
}

/// What came of a call, as far as the gateway's health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answered, whatever it said.
    Well,
    /// No answer, or none that makes sense.
    Ill,
}

/// One gateway account's circuit.
#[derive(Debug)]
pub(super) struct Circuit {
    fuse: Fuse,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    position: Position,
    /// When the pause is over, while open.
    until: Instant,
    /// Rises with every change of position, so that the answer to a call from before it decides nothing.
    era: u64,
    /// The last calls, the latest in the lowest bit: 1 for each that failed.
    failed: u32,
    /// How many calls that is, up to [`WINDOW`].
    seen: u32,
}

/// A call that was let through. Its [outcome](Circuit::settle) must be told.
#[derive(Debug)]
pub(super) struct Pass {
    era: u64,
}

impl Circuit {
    pub(super) fn new(fuse: Fuse) -> Self {
        let state = State {
            position: Position::Closed,
            until: Instant::now(),
            era: 0,
            failed: 0,
            seen: 0,
        };
        Self {
            fuse,
            state: Mutex::new(state),
        }
    }

    /// For how long no call is let through; none if one would be now.
    pub(super) fn shut(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        match state.position {
            Position::Closed => None,
            Position::Probing => Some(PROBE_TIME),
            Position::Open => {
                Some(state.until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
            }
        }
    }

    /// Lets a call through, perhaps as the probe; or says for how long not.
    pub(super) fn enter(&self, now: Instant) -> Result<(Pass, Position), Duration> {
        if let Some(wait) = self.shut(now) {
            return Err(wait);
        }
        let mut state = self.state();
        match state.position {
            Position::Closed => {}
            Position::Open if state.until <= now => state.turn(Position::Probing),
            // Somebody was faster.
            Position::Open | Position::Probing => return Err(PROBE_TIME),
        }
        Ok((Pass { era: state.era }, state.position))
    }

    /// Tells what came of a call. Returns the new position, if that changed it.
    pub(super) fn settle(&self, pass: &Pass, health: Health, now: Instant) -> Option<Position> {
        let mut state = self.state();
        if pass.era != state.era {
            return None;
        }
        let next = match (state.position, health) {
            (Position::Probing, Health::Well) => Position::Closed,
            (Position::Probing, Health::Ill) => Position::Open,
            (Position::Closed, _) => {
                state.note(health);
                if !state.blows(self.fuse.failures) {
                    return None;
                }
                Position::Open
            }
            // In this era nobody was let through.
            (Position::Open, _) => return None,
        };
        state.turn(next);
        state.until = now + self.fuse.pause;
        Some(next)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, position: Position) {
        self.position = position;
        self.era += 1;
        self.failed = 0;
        self.seen = 0;
    }

    fn note(&mut self, health: Health) {
        let window = (1 << WINDOW) - 1;
        self.failed = ((self.failed << 1) | u32::from(health == Health::Ill)) & window;
        self.seen = (self.seen + 1).min(WINDOW);
    }

    fn blows(&self, in_a_row: u32) -> bool {
        self.failed.trailing_ones() >= in_a_row
            || (self.seen == WINDOW && self.failed.count_ones() * 2 >= WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    fn circuit() -> (Circuit, Instant) {
        let fuse = Fuse {
            failures: 3,
            pause: PAUSE,
        };
        (Circuit::new(fuse), Instant::now())
    }

    fn call(circuit: &Circuit, health: Health, now: Instant) -> Option<Position> {
        let (pass, _) = circuit.enter(now).unwrap();
        circuit.settle(&pass, health, now)
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let (circuit, now) = circuit();
        for health in [
            Health::Ill,
            Health::Ill,
            Health::Well,
            Health::Ill,
            Health::Ill,
        ] {
            assert_eq!(call(&circuit, health, now), None);
        }
        assert_eq!(call(&circuit, Health::Ill, now), Some(Position::Open));
        assert_eq!(circuit.shut(now), Some(PAUSE));
        assert_eq!(circuit.enter(now).unwrap_err(), PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_last_twenty_open_it_even_if_never_two_in_a_row() {
        let (circuit, now) = circuit();
        let mut changed = Vec::new();
        for nth in 0..WINDOW {
            let health = if nth % 2 == 0 {
                Health::Ill
            } else {
                Health::Well
            };
            changed.push(call(&circuit, health, now));
        }
        let (last, before) = changed.split_last().unwrap();
        assert!(
            before.iter().all(Option::is_none),
            "not before there are enough to say"
        );
        assert_eq!(*last, Some(Position::Open));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_probe_goes_and_decides() {
        let (circuit, start) = circuit();
        for _ in 0..3 {
            call(&circuit, Health::Ill, start);
        }
        let later = start + PAUSE;
        assert_eq!(circuit.shut(later), None, "whoever has work may come");
        let (probe, position) = circuit.enter(later).unwrap();
        assert_eq!(position, Position::Probing);
        assert_eq!(circuit.shut(later), Some(PROBE_TIME));
        assert!(circuit.enter(later).is_err(), "there is one probe");
        assert_eq!(
            circuit.settle(&probe, Health::Ill, later),
            Some(Position::Open)
        );
        assert_eq!(circuit.shut(later), Some(PAUSE), "and another pause");

        let (probe, _) = circuit.enter(later + PAUSE).unwrap();
        assert_eq!(
            circuit.settle(&probe, Health::Well, later + PAUSE),
            Some(Position::Closed)
        );
        for _ in 0..2 {
            assert_eq!(
                call(&circuit, Health::Ill, later + PAUSE),
                None,
                "it counts anew"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_from_before_the_change_decides_nothing() {
        let (circuit, start) = circuit();
        let (slow, _) = circuit.enter(start).unwrap();
        for _ in 0..3 {
            call(&circuit, Health::Ill, start);
        }
        assert_eq!(circuit.settle(&slow, Health::Well, start), None);
        assert!(circuit.enter(start).is_err());
        let (_probe, _) = circuit.enter(start + PAUSE).unwrap();
        let told = circuit.settle(&slow, Health::Well, start + PAUSE);
        assert_eq!(told, None, "only the probe closes it");
    }
}

//! The orders in which the statements of two turns can come, each that matters once.
//!
//! Two statements *meet* if both touch a table and one of them locks or writes there. Where neighbours do not
//! meet, swapping them changes nothing: neither sees, nor waits for, what the other does. All orders that follow
//! from one another by such swaps are one, and one of them is tried. Which ones those are is found while trying
//! (dynamic partial-order reduction with sleep sets, Flanagan and Godefroid, 2005): in every order that was tried,
//! each pair of statements that meet is looked for whose order could have been the other one, and that is tried
//! too. [`Orders::all`] tries every order without that.

use std::collections::BTreeSet;

/// One of the two turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Left,
    Right,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Left, Self::Right];

    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Something for each side.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Each<T> {
    pub left: T,
    pub right: T,
}

impl<T> Each<T> {
    pub const fn of(&self, side: Side) -> &T {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    pub const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}

/// The tables that a statement touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touches {
    pub reads: BTreeSet<String>,
    /// Locks rows or changes them.
    pub writes: BTreeSet<String>,
}

impl Touches {
    fn meets(&self, other: &Self) -> bool {
        let touched =
            |one: &Self, other: &Self| one.writes.iter().any(|table| other.touches(table));
        touched(self, other) || touched(other, self)
    }

    fn touches(&self, table: &String) -> bool {
        self.reads.contains(table) || self.writes.contains(table)
    }
}

/// A moment at which either side, or only one, could go on.
struct Moment {
    /// The next statement of each side; `None`: it has ended, or waits for a lock of the other.
    next: Each<Option<Touches>>,
    chosen: Side,
    /// Tried from here before.
    tried: Each<bool>,
    /// To be tried from here.
    wanted: Each<bool>,
    /// Tried from an earlier moment, and nothing that it meets has come since: what would follow is known.
    asleep: Each<bool>,
}

impl Moment {
    fn step(&self) -> (Side, &Touches) {
        static NOTHING: Touches = Touches {
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
        };
        let touches = self.next.of(self.chosen).as_ref();
        (self.chosen, touches.unwrap_or(&NOTHING))
    }
}

/// The orders of one pair of turns. Each is tried by asking [`choose`](Self::choose) until both sides have ended,
/// and then [`another`](Self::another) for the next.
pub struct Orders {
    moments: Vec<Moment>,
    /// How many moments of the order in hand have been.
    at: usize,
    /// Who goes on where both can.
    first: Side,
    every_one: bool,
    /// The order in hand is one that was tried already.
    known: bool,
    /// The order in hand did not go as it went before.
    strayed: bool,
    /// How many of the moments were there when the order in hand began.
    planned: usize,
}

impl Orders {
    /// Each order that matters once.
    pub const fn that_matter() -> Self {
        Self {
            moments: Vec::new(),
            at: 0,
            first: Side::Left,
            every_one: false,
            known: false,
            strayed: false,
            planned: 0,
        }
    }

    /// Every order.
    pub fn all() -> Self {
        Self {
            every_one: true,
            ..Self::that_matter()
        }
    }

    /// One after the other, to begin with.
    pub const fn serial(first: Side) -> Self {
        let mut orders = Self::that_matter();
        orders.first = first;
        orders
    }

    /// Whose statement comes next, of those that could. Once this order is known to be one that was tried
    /// already, the first that can go on.
    pub fn choose(&mut self, next: Each<Option<Touches>>) -> Side {
        let first = if next.of(self.first).is_some() {
            self.first
        } else {
            self.first.other()
        };
        if self.known || self.strayed {
            return first;
        }
        self.at += 1;
        if let Some(moment) = self.moments.get(self.at - 1) {
            self.strayed = moment.next != next;
            return if self.strayed { first } else { moment.chosen };
        }
        let asleep = self.moments.last().map_or_else(Each::default, |before| {
            let (_, step) = before.step();
            let asleep = |side: Side| {
                let known =
                    *before.asleep.of(side) || side != before.chosen && *before.tried.of(side);
                let waits = before.next.of(side).as_ref();
                known && !self.every_one && waits.is_some_and(|waits| !waits.meets(step))
            };
            Each {
                left: asleep(Side::Left),
                right: asleep(Side::Right),
            }
        });
        let awake = |side: &Side| next.of(*side).is_some() && !*asleep.of(*side);
        let chosen = [first, first.other()].into_iter().find(awake);
        self.known = chosen.is_none();
        let chosen = chosen.unwrap_or(first);
        let wanted = Each {
            left: self.every_one,
            right: self.every_one,
        };
        self.moments.push(Moment {
            next,
            chosen,
            tried: Each::default(),
            wanted,
            asleep,
        });
        chosen
    }

    /// Whether the same statements in the same order went another way than before: then nothing is known.
    pub const fn strayed(&self) -> bool {
        self.strayed
    }

    /// Tries the order in hand once more, without what it has come to.
    pub fn again(&mut self) {
        self.moments.truncate(self.planned);
        self.begin();
    }

    fn begin(&mut self) {
        self.at = 0;
        self.known = false;
        self.strayed = false;
        self.planned = self.moments.len();
    }

    /// Goes on to another order. `false`: all have been tried.
    pub fn another(&mut self) -> bool {
        if !self.every_one {
            self.want_reversals();
        }
        while let Some(moment) = self.moments.last_mut() {
            *moment.tried.of_mut(moment.chosen) = true;
            let left = |side: &Side| {
                moment.next.of(*side).is_some()
                    && *moment.wanted.of(*side)
                    && !*moment.tried.of(*side)
                    && !*moment.asleep.of(*side)
            };
            if let Some(side) = Side::BOTH.into_iter().find(left) {
                moment.chosen = side;
                self.begin();
                return true;
            }
            self.moments.pop();
        }
        false
    }

    /// Looks at each statement of the order in hand for the last one of the other side that it meets: at that
    /// moment it could have gone first, unless something between the two made it come later.
    fn want_reversals(&mut self) {
        for later in 0..self.moments.len() {
            // At the last moment of a known order, what was not done any more counts too.
            let undone = self.known && later + 1 == self.moments.len();
            let chosen = self.moments[later].chosen;
            for side in Side::BOTH
                .into_iter()
                .filter(|side| undone || *side == chosen)
            {
                if let Some(earlier) = self.race(later, side) {
                    *self.moments[earlier].wanted.of_mut(side) = true;
                }
            }
        }
    }

    fn race(&self, later: usize, side: Side) -> Option<usize> {
        let touches = self.moments[later].next.of(side).as_ref()?;
        let earlier = (0..later).rev().find(|at| {
            let (by, step) = self.moments[*at].step();
            by != side && step.meets(touches)
        })?;
        let ordered = (earlier + 1..later).any(|between| {
            let (by, step) = self.moments[between].step();
            let after = |at: usize| {
                let (by, other) = self.moments[at].step();
                by != side && other.meets(step)
            };
            by == side && (earlier..between).any(after)
        });
        (!ordered).then_some(earlier)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn something(rng: &mut StdRng) -> Touches {
        let mut touches = Touches::default();
        for table in ["a", "b", "c", "d"] {
            if rng.random_bool(0.3) {
                let set = if rng.random_bool(0.5) {
                    &mut touches.reads
                } else {
                    &mut touches.writes
                };
                set.insert(table.to_owned());
            }
        }
        touches
    }

    /// Who of each pair of statements that meet went first.
    type Meetings = BTreeSet<(usize, usize, bool)>;

    /// What an order comes to.
    fn meetings(order: &[(Side, usize)], turns: &Each<Vec<Touches>>) -> Meetings {
        let mut met = BTreeSet::new();
        for (first, (side, at)) in order.iter().enumerate() {
            for (other, then) in &order[first + 1..] {
                if side != other && turns.of(*side)[*at].meets(&turns.of(*other)[*then]) {
                    let left_first = *side == Side::Left;
                    met.insert(if left_first {
                        (*at, *then, true)
                    } else {
                        (*then, *at, false)
                    });
                }
            }
        }
        met
    }

    fn tried(mut orders: Orders, turns: &Each<Vec<Touches>>) -> (usize, BTreeSet<Meetings>) {
        let (mut count, mut seen) = (0, BTreeSet::new());
        loop {
            let mut at = Each { left: 0, right: 0 };
            let mut order = Vec::new();
            loop {
                let next = Each {
                    left: turns.left.get(at.left).cloned(),
                    right: turns.right.get(at.right).cloned(),
                };
                if next == Each::default() {
                    break;
                }
                let side = orders.choose(next);
                order.push((side, *at.of(side)));
                *at.of_mut(side) += 1;
            }
            count += 1;
            seen.insert(meetings(&order, turns));
            if !orders.another() {
                return (count, seen);
            }
        }
    }

    #[test]
    fn what_is_left_out_comes_to_the_same_as_what_is_tried() {
        let (mut few, mut every) = (0, 0);
        for seed in 0..300 {
            let mut rng = StdRng::seed_from_u64(seed);
            let turn = |rng: &mut StdRng| {
                (0..rng.random_range(1..6))
                    .map(|_| something(rng))
                    .collect()
            };
            let turns = Each {
                left: turn(&mut rng),
                right: turn(&mut rng),
            };
            let (all, expected) = tried(Orders::all(), &turns);
            let (that_matter, found) = tried(Orders::that_matter(), &turns);
            assert_eq!(found, expected, "seed {seed}: {turns:?}");
            assert!(that_matter <= all, "seed {seed}");
            every += all;
            few += that_matter;
        }
        println!("{few} of {every} orders");
        assert!(few * 4 < every, "nothing was left out");
    }
}

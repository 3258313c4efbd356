//! What is published when, as a pure rule.
//!
//! A position is drawn before its transaction commits, so rows become visible in another order than that of
//! their positions, and "everything after the last position" would pass some by. The relay goes by
//! visibility instead: a **window** is what snapshot S2 sees and snapshot S1 did not. Within one, rows are
//! published by position; when it is done, S2 takes S1's place. Whatever commits is in exactly one window.
//!
//! One booking's events stay in order, for whoever writes one has locked the booking first: the later one
//! draws its position after the earlier one has committed. So it is in a later window, or in the same one at
//! a higher position.
//!
//! # Where to start reading
//!
//! Windows say nothing of where in the table their rows stand, so each snapshot carries lower bounds with
//! it, and no index on `xact` is needed. A transaction has its id before it draws a position. Let the relay
//! read the last drawn position D, and *afterwards* commit something of its own under the id r: every id
//! above r was given out after D was read, so its positions are above D. A snapshot that is taken after that
//! commit has an `xmax` above r. Hence: transactions from its `xmax` on draw above D ([`Frontier::drawn`]).
//!
//! D read just before the snapshot would not do: `xmax` is one above the last *completed* id. A transaction
//! with such an id may be open, and may have drawn, and the snapshot does not name it.

use std::fmt;
use std::str::FromStr;

/// A `pg_snapshot`: which transactions had finished when it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    xmin: u64,
    xmax: u64,
    in_progress: Vec<u64>,
}

/// A text that is no `pg_snapshot`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pg_snapshot: {0}")]
pub struct NoSnapshot(String);

impl Snapshot {
    /// Whether this transaction had finished. If it committed, a statement under this snapshot sees it.
    pub fn sees(&self, xact: u64) -> bool {
        xact < self.xmax && self.in_progress.binary_search(&xact).is_err()
    }

    /// The transactions below `xmax` that had not finished, by id.
    pub fn in_progress(&self) -> &[u64] {
        &self.in_progress
    }
}

impl FromStr for Snapshot {
    type Err = NoSnapshot;

    fn from_str(text: &str) -> Result<Self, NoSnapshot> {
        let no_snapshot = || NoSnapshot(text.to_owned());
        let number = |part: &str| part.parse::<u64>().map_err(|_| no_snapshot());
        let mut parts = text.splitn(3, ':');
        let (Some(xmin), Some(xmax), Some(list)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(no_snapshot());
        };
        let list = list.split(',').filter(|part| !part.is_empty());
        let in_progress = list.map(number).collect::<Result<Vec<_>, _>>()?;
        if !in_progress.is_sorted() {
            return Err(no_snapshot());
        }
        Ok(Self {
            xmin: number(xmin)?,
            xmax: number(xmax)?,
            in_progress,
        })
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:", self.xmin, self.xmax)?;
        for (nth, xact) in self.in_progress.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(out, "{comma}{xact}")?;
        }
        Ok(())
    }
}

/// A snapshot, and below which positions nothing new can appear after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frontier {
    /// What has been seen.
    pub snapshot: Snapshot,
    /// Transactions from the snapshot's `xmax` on draw only positions above this.
    pub drawn: i64,
    /// The same for each of [`Snapshot::in_progress`].
    pub floors: Vec<i64>,
}

impl Frontier {
    /// Nothing has been seen.
    pub const fn beginning() -> Self {
        let snapshot = Snapshot {
            xmin: 1,
            xmax: 1,
            in_progress: Vec::new(),
        };
        Self {
            snapshot,
            drawn: 0,
            floors: Vec::new(),
        }
    }

    /// The frontier at a newer snapshot. `drawn` as in the module's description.
    pub fn at(&self, snapshot: Snapshot, drawn: i64) -> Self {
        // Who is in progress now was so then, or has an id from xmax on. (A sequence that was set back since
        // gives out what lies above our `drawn` again.)
        let floor = |xact: &u64| match self.snapshot.in_progress.binary_search(xact) {
            Ok(nth) => self.floors.get(nth).copied().unwrap_or(0),
            Err(_) => self.drawn.min(drawn),
        };
        let floors = snapshot.in_progress.iter().map(floor).collect();
        Self {
            snapshot,
            drawn,
            floors,
        }
    }

    /// Whether anything may have been committed since, given a newer snapshot and the last position drawn by
    /// then. `false` is certain.
    pub fn may_have_news(&self, now: &Snapshot, last_drawn: i64) -> bool {
        // Not "greater": a sequence that was set back has drawn something, too.
        last_drawn != self.drawn || self.snapshot.in_progress.iter().any(|xact| now.sees(*xact))
    }

    /// Everything at or below this position that will ever commit has been seen.
    pub fn floor(&self) -> i64 {
        self.floors.iter().copied().fold(self.drawn, i64::min)
    }
}

/// What one snapshot sees and an older one did not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    from: Frontier,
    to: Frontier,
}

impl Window {
    /// The window from all that is published to a newer snapshot.
    pub fn new(from: &Frontier, snapshot: Snapshot, drawn: i64) -> Self {
        Self {
            from: from.clone(),
            to: from.at(snapshot, drawn),
        }
    }

    /// Whether a committed row of this transaction is in it.
    pub fn contains(&self, xact: u64) -> bool {
        self.to.snapshot.sees(xact) && !self.from.snapshot.sees(xact)
    }

    /// All of its rows have positions above this.
    pub fn start(&self) -> i64 {
        if self.to.drawn < self.from.drawn {
            // The sequence was set back: no bound holds.
            return 0;
        }
        let older = self.from.snapshot.in_progress.iter().zip(&self.from.floors);
        let finished = older.filter(|(xact, _)| self.to.snapshot.sees(**xact));
        finished
            .map(|(_, floor)| *floor)
            .fold(self.from.drawn, i64::min)
    }

    /// S1.
    pub fn from(&self) -> &Frontier {
        &self.from
    }

    /// S2, which takes S1's place when the window is done.
    pub fn to(&self) -> &Frontier {
        &self.to
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;

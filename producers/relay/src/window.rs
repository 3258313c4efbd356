//! Windows: which rows a relay publishes next. Pure.

use std::fmt;
use std::str::FromStr;

/// A snapshot of PostgreSQL, as `pg_current_snapshot()` writes it: `xmin:xmax:xip,xip,…`. Transactions below
/// `xmin` are over; from `xmax` on they had not begun; in between, those in `in_progress` were not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The lowest transaction that was not over.
    pub xmin: u64,
    /// The first transaction that had not begun.
    pub xmax: u64,
    /// Transactions in between that were not over, rising.
    pub in_progress: Vec<u64>,
}

impl Snapshot {
    /// Whether what transaction `xid` wrote could be seen, given that it has committed by now.
    pub fn sees(&self, xid: u64) -> bool {
        xid < self.xmin || (xid < self.xmax && self.in_progress.binary_search(&xid).is_err())
    }
}

/// Not the text of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no snapshot")]
pub struct NoSnapshot(String);

impl FromStr for Snapshot {
    type Err = NoSnapshot;

    fn from_str(text: &str) -> Result<Self, NoSnapshot> {
        let bad = || NoSnapshot(text.to_owned());
        let mut parts = text.split(':');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or_else(bad);
        let (xmin, xmax) = (number()?, number()?);
        let rest = parts.next().ok_or_else(bad)?;
        let in_progress = rest
            .split(',')
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().map_err(|_| bad()))
            .collect::<Result<Vec<u64>, _>>()?;
        Ok(Self { xmin, xmax, in_progress })
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let xip: Vec<String> = self.in_progress.iter().map(u64::to_string).collect();
        write!(f, "{}:{}:{}", self.xmin, self.xmax, xip.join(","))
    }
}

/// A snapshot together with lower bounds of the positions that it may have missed.
///
/// A position is drawn after its transaction's id (the outbox's columns are in that order). So a transaction
/// that had not begun when the last drawn position was read has only positions behind that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The last position drawn, read *before* the snapshot was taken: transactions that the snapshot does not
    /// know draw only behind it.
    pub drawn: i64,
    /// For each transaction in progress, in their order: it has only positions behind this one.
    pub floors: Vec<i64>,
}

impl Marked {
    /// The beginning: nothing is known, everything may be missed.
    pub const fn beginning() -> Self {
        Self { snapshot: Snapshot { xmin: 1, xmax: 1, in_progress: Vec::new() }, drawn: 0, floors: Vec::new() }
    }

    /// Where the rows begin that this snapshot may have missed.
    pub fn floor(&self) -> i64 {
        self.floors.iter().copied().fold(self.drawn, i64::min)
    }

    /// The next mark, when the window from here to `snapshot` is published. A transaction that was in progress
    /// already keeps its floor; one that has begun since is behind our `drawn`.
    pub fn next(&self, snapshot: Snapshot, drawn: i64) -> Self {
        let floor = |xid: &u64| match self.snapshot.in_progress.binary_search(xid) {
            Ok(at) => self.floors.get(at).copied().unwrap_or(0),
            Err(_) => self.drawn,
        };
        let floors = snapshot.in_progress.iter().map(floor).collect();
        Self { snapshot, drawn, floors }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn a_snapshot_reads_as_it_is_written() {
        for text in ["10:10:", "10:15:10,12", "748:750:748"] {
            assert_eq!(text.parse::<Snapshot>().unwrap().to_string(), text);
        }
        for text in ["", "10", "10:11", "a:b:", "10:11:x"] {
            assert!(text.parse::<Snapshot>().is_err(), "{text}");
        }
    }

    /// A database of which only transactions, positions and visibility matter.
    #[derive(Default)]
    struct Database {
        next_xid: u64,
        next_position: i64,
        open: BTreeMap<u64, Vec<(i64, u32)>>,
        committed: Vec<(i64, u64, u32)>,
        locks: BTreeMap<u32, u64>,
    }

    impl Database {
        fn snapshot(&self) -> Snapshot {
            let in_progress: Vec<u64> = self.open.keys().copied().collect();
            let xmax = self.next_xid;
            Snapshot { xmin: in_progress.first().copied().unwrap_or(xmax), xmax, in_progress }
        }

        fn something(&mut self, rng: &mut StdRng) {
            let open: Vec<u64> = self.open.keys().copied().collect();
            match rng.random_range(0..4) {
                0 => {
                    self.open.insert(self.next_xid, Vec::new());
                    self.next_xid += 1;
                }
                1 | 2 if !open.is_empty() => {
                    let xid = open[rng.random_range(0..open.len())];
                    let booking = rng.random_range(0..4);
                    // Who writes an event has locked its booking.
                    if *self.locks.entry(booking).or_insert(xid) == xid {
                        self.next_position += 1;
                        let rows = self.open.get_mut(&xid).unwrap();
                        rows.push((self.next_position, booking));
                    }
                }
                _ if !open.is_empty() => self.end(open[rng.random_range(0..open.len())], rng),
                _ => {}
            }
        }

        fn end(&mut self, xid: u64, rng: &mut StdRng) {
            let rows = self.open.remove(&xid).unwrap();
            self.locks.retain(|_, owner| *owner != xid);
            if rng.random_bool(0.8) {
                self.committed.extend(rows.into_iter().map(|(position, booking)| (position, xid, booking)));
            }
        }

        fn finish(&mut self, rng: &mut StdRng) {
            while let Some(xid) = self.open.keys().next().copied() {
                self.end(xid, rng);
            }
        }
    }

    #[test]
    fn every_committed_row_is_in_one_window_and_bookings_keep_their_order() {
        for seed in 0..2_000 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut database = Database { next_xid: 3, ..Database::default() };
            let mut s1 = Marked::beginning();
            let mut published: Vec<(i64, u64, u32)> = Vec::new();
            for round in 0..40 {
                for _ in 0..rng.random_range(0..10) {
                    database.something(&mut rng);
                }
                if round == 39 {
                    database.finish(&mut rng);
                }
                let start = s1.floor();
                let last = database.next_position;
                let s2 = database.snapshot();
                // Rows that commit while the window is read are not in it.
                for _ in 0..rng.random_range(0..3) {
                    if round < 39 {
                        database.something(&mut rng);
                    }
                }
                let mut window: Vec<_> = database
                    .committed
                    .iter()
                    .copied()
                    .filter(|(position, xid, _)| *position > start && !s1.snapshot.sees(*xid) && s2.sees(*xid))
                    .collect();
                window.sort_unstable();
                published.extend(window);
                s1 = s1.next(s2, last);
            }
            let mut everything = database.committed.clone();
            everything.sort_unstable();
            let mut unique = published.clone();
            unique.sort_unstable();
            assert_eq!(unique, everything, "seed {seed}: each row once");
            for booking in 0..4 {
                let of = |rows: &[(i64, u64, u32)]| -> Vec<i64> {
                    rows.iter().filter(|row| row.2 == booking).map(|row| row.0).collect()
                };
                let order = of(&published);
                assert!(order.is_sorted(), "seed {seed}: booking {booking} came as {order:?}");
            }
        }
    }
}

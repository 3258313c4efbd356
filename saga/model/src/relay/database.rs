//! As much of PostgreSQL as the relay rests on: transaction ids, snapshots, a sequence, row locks.

use boxoffice_relay::window::{Frontier, Snapshot};

/// A committed row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    /// As drawn from the sequence.
    pub position: i64,
    /// The transaction's id.
    pub xact: u64,
    /// The booking whose event it is, from 0.
    pub booking: u8,
    /// The event's number in its booking, from 1.
    pub sequence: u8,
}

/// A transaction that writes one event of a booking.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Writer {
    /// Whose event.
    pub booking: u8,
    /// How far it has come.
    pub step: WriterStep,
}

/// How far a writing transaction has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WriterStep {
    /// Not begun.
    Waiting,
    /// It has an id, and may idle with it.
    Begun {
        /// The id.
        xact: u64,
        /// Drawn before the lock, where that rule is removed.
        early: Option<i64>,
    },
    /// It has locked the booking, and knows the event's number.
    Locked {
        /// The id.
        xact: u64,
        /// Drawn before the lock, where that rule is removed.
        early: Option<i64>,
        /// The event's number.
        sequence: u8,
    },
    /// Its row is written and not committed.
    Written(Row),
    /// Committed, or rolled back.
    Ended,
}

impl WriterStep {
    /// The id, while the transaction runs.
    pub fn running(&self) -> Option<u64> {
        match self {
            Self::Begun { xact, .. } | Self::Locked { xact, .. } => Some(*xact),
            Self::Written(row) => Some(row.xact),
            Self::Waiting | Self::Ended => None,
        }
    }

    /// Whether it holds its booking's lock.
    pub fn holds_lock(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Written(_))
    }
}

/// The row `relay_cursor`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CursorRow {
    /// Rises with every claim.
    pub epoch: u8,
    /// Whether the lease of that epoch still runs.
    pub leased: bool,
    /// Everything that it sees is published.
    pub s1: Frontier,
    /// The window in hand, with its `drawn`.
    pub s2: Option<(Snapshot, i64)>,
    /// How far the window in hand is published.
    pub last_position: i64,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    next_xact: u64,
    /// One above the last completed id.
    xmax: u64,
    /// The last drawn position.
    pub drawn: i64,
    /// The writing transactions, those that may still change places sorted.
    pub writers: Vec<Writer>,
    /// Committed rows, by position.
    pub outbox: Vec<Row>,
    /// How many events each booking has committed.
    pub sequences: Vec<u8>,
    /// The cursor.
    pub cursor: CursorRow,
    /// The cursor as it was when a writer committed last: the relay's own commits are not waited for, so a crash
    /// of the server takes it back to this.
    pub durable: CursorRow,
}

impl Database {
    /// A database with one transaction to come per element of `bookings`.
    pub fn new(bookings: &[u8]) -> Self {
        let cursor = CursorRow {
            epoch: 0,
            leased: false,
            s1: Frontier::beginning(),
            s2: None,
            last_position: 0,
        };
        let many = bookings
            .iter()
            .max()
            .map_or(0, |last| usize::from(*last) + 1);
        Self {
            next_xact: 3,
            xmax: 3,
            drawn: 0,
            writers: bookings
                .iter()
                .map(|booking| Writer {
                    booking: *booking,
                    step: WriterStep::Waiting,
                })
                .collect(),
            outbox: Vec::new(),
            sequences: vec![0; many],
            durable: cursor.clone(),
            cursor,
        }
    }

    /// A new transaction's id.
    pub fn give_id(&mut self) -> u64 {
        let xact = self.next_xact;
        self.next_xact += 1;
        xact
    }

    /// The transaction is over.
    pub fn complete(&mut self, xact: u64) {
        self.xmax = self.xmax.max(xact + 1);
    }

    /// A transaction of the relay's own: begun and committed at once. Nobody ever compares its id with anything,
    /// so ids are counted without these: all that is left of it is that every later id is above it.
    pub fn own_commit(&mut self) {
        self.xmax = self.next_xact;
    }

    /// The next position.
    pub fn draw(&mut self) -> i64 {
        self.drawn += 1;
        self.drawn
    }

    /// `pg_current_snapshot()`: `xmax` is one above the last *completed* id.
    ///
    /// # Panics
    /// If the production parser does not take what PostgreSQL writes.
    pub fn snapshot(&self) -> Snapshot {
        let xmax = self.xmax;
        let mut running: Vec<u64> = self
            .writers
            .iter()
            .filter_map(|writer| writer.step.running())
            .filter(|xact| *xact < xmax)
            .collect();
        running.sort_unstable();
        let xmin = running.first().copied().unwrap_or(xmax);
        let list: Vec<String> = running.iter().map(u64::to_string).collect();
        let text = format!("{xmin}:{xmax}:{}", list.join(","));
        match text.parse() {
            Ok(snapshot) => snapshot,
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether somebody has the booking's lock.
    pub fn is_locked(&self, booking: u8) -> bool {
        self.writers
            .iter()
            .any(|writer| writer.booking == booking && writer.step.holds_lock())
    }

    /// Ends a writer. Its row is there from now on, if it commits one.
    pub fn end(&mut self, nth: usize, commit: bool) {
        let step = std::mem::replace(&mut self.writers[nth].step, WriterStep::Ended);
        let Some(xact) = step.running() else { return };
        self.complete(xact);
        if let WriterStep::Written(row) = step
            && commit
        {
            self.sequences[usize::from(row.booking)] += 1;
            self.outbox.push(row);
            self.outbox.sort();
            self.durable = self.cursor.clone();
        }
    }

    /// Writers that have nothing but their plan, or are over, are all alike.
    pub fn in_order(&mut self) {
        self.writers.sort();
    }
}

//! The outbox as PostgreSQL keeps it, and the relays that publish it.
//!
//! A transaction has its id, and may have drawn positions, long before it commits; others commit meanwhile.
//! So rows become visible in another order than that of their positions, and the relay's windows matter.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_relay::progress::{Next, Progress, after_page};
use boxoffice_relay::window::{Frontier, Snapshot, Window};
use boxoffice_saga::identity::BookingId;
use boxoffice_turn::Outgoing;
use time::{Duration, OffsetDateTime};

use crate::kafka::Kafka;
use crate::mistake::Mistake;

/// How long a relay holds the cursor without a word.
const LEASE: Duration = Duration::seconds(10);
/// Rows of a page.
const PAGE: usize = 3;
/// Positions that a transaction draws ahead.
const AHEAD: i64 = 64;

#[derive(Debug)]
struct Row {
    position: i64,
    xact: u64,
    record: Outgoing,
}

/// A transaction that has begun and not committed.
#[derive(Debug)]
struct Begun {
    xact: u64,
    /// The first of the positions that it has drawn.
    position: i64,
    /// How many commits there were before it began.
    since: u64,
    /// It is the so-manieth commit after that.
    after: u64,
}

/// The cursor's row.
#[derive(Debug)]
struct CursorRow {
    epoch: u64,
    lease_until: Option<OffsetDateTime>,
    from: Frontier,
    window: Option<Window>,
    last_position: i64,
}

/// The outbox with the ids and positions of its transactions.
#[derive(Debug)]
pub(crate) struct Outbox {
    rows: Vec<Row>,
    next_xact: u64,
    last_completed: u64,
    running: BTreeSet<u64>,
    last_drawn: i64,
    begun: Vec<Begun>,
    commits: u64,
    /// The last position that was published, for the relay that goes by it.
    published: i64,
    /// The commit that last wrote an event of a booking.
    last_commit: BTreeMap<BookingId, u64>,
    cursor: CursorRow,
    mistake: Option<Mistake>,
}

/// A relay's process.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    holds: Option<Holds>,
}

#[derive(Debug)]
struct Holds {
    epoch: u64,
    deadline: OffsetDateTime,
    progress: Progress,
}

impl Outbox {
    pub fn new(mistake: Option<Mistake>) -> Self {
        Self {
            mistake,
            rows: Vec::new(),
            next_xact: 3,
            last_completed: 2,
            running: BTreeSet::new(),
            last_drawn: 0,
            begun: Vec::new(),
            commits: 0,
            published: 0,
            last_commit: BTreeMap::new(),
            cursor: CursorRow {
                epoch: 0,
                lease_until: None,
                from: Frontier::beginning(),
                window: None,
                last_position: 0,
            },
        }
    }

    fn give_id(&mut self) -> u64 {
        let xact = self.next_xact;
        self.next_xact += 1;
        self.running.insert(xact);
        xact
    }

    fn complete(&mut self, xact: u64) {
        self.running.remove(&xact);
        self.last_completed = self.last_completed.max(xact);
    }

    /// A transaction of the relay's own.
    fn own(&mut self) {
        let xact = self.give_id();
        self.complete(xact);
    }

    /// A transaction begins; it will be one of the next commits.
    pub fn begins(&mut self, after: u64) {
        let xact = self.give_id();
        let position = self.last_drawn + 1;
        self.last_drawn += AHEAD;
        self.begun.push(Begun {
            xact,
            position,
            since: self.commits,
            after: after + 1,
        });
    }

    /// A turn has committed these records.
    pub fn committed(&mut self, records: Vec<Outgoing>) {
        self.commits += 1;
        let commits = self.commits;
        let due = self
            .begun
            .iter()
            .position(|begun| commits >= begun.since + begun.after);
        let begun = due.map(|nth| self.begun.remove(nth));
        // Positions are drawn when the booking is locked: what another has written since was written first.
        let first = |id: &BookingId, begun: &Begun| {
            self.last_commit
                .get(id)
                .is_none_or(|last| *last <= begun.since)
        };
        let ahead = begun.as_ref().filter(|begun| {
            records
                .iter()
                .filter_map(|record| record.booking.as_ref())
                .all(|id| first(id, begun))
        });
        let first_position = match ahead {
            Some(begun) if records.len() < 60 => begun.position,
            _ => {
                let position = self.last_drawn + 1;
                self.last_drawn += i64::try_from(records.len()).unwrap_or(0);
                position
            }
        };
        let xact = match begun {
            Some(begun) => begun.xact,
            None => self.give_id(),
        };
        for (position, record) in (first_position..).zip(records) {
            if let Some(booking) = record.booking {
                self.last_commit.insert(booking, commits);
            }
            self.rows.push(Row {
                position,
                xact,
                record,
            });
        }
        self.complete(xact);
    }

    /// Transactions that never commit end here.
    pub fn rolls_back(&mut self) {
        for begun in std::mem::take(&mut self.begun) {
            self.complete(begun.xact);
        }
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let xmax = self.last_completed + 1;
        let running: Vec<String> = self.running.range(..xmax).map(u64::to_string).collect();
        let xmin = running.first().cloned().unwrap_or_else(|| xmax.to_string());
        format!("{xmin}:{xmax}:{}", running.join(",")).parse().ok()
    }

    /// Rows of a window behind a position, by position; and whether there are more.
    fn page(&self, window: &Window, after: i64) -> (Vec<&Row>, bool) {
        let behind = self.mistake == Some(Mistake::RelayGoesByPosition);
        let mut rows: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| {
                if behind {
                    row.position > self.published.max(after)
                } else {
                    row.position > after && window.contains(row.xact)
                }
            })
            .collect();
        rows.sort_by_key(|row| row.position);
        let more = rows.len() >= PAGE;
        rows.truncate(PAGE);
        if self.mistake == Some(Mistake::RelayForgetsOrder) {
            rows.reverse();
        }
        (rows, more)
    }

    /// Whether everything is published, as far as the cursor says.
    pub fn is_drained(&self) -> bool {
        let seen = |row: &Row| self.cursor.from.snapshot.sees(row.xact);
        self.cursor.window.is_none() && self.rows.iter().all(seen)
    }
}

impl Relay {
    /// One step: claims the cursor, opens a window, or publishes a page and writes that down. Whether there was
    /// anything to do.
    pub fn steps(
        &mut self,
        outbox: &mut Outbox,
        kafka: &mut Kafka,
        now: OffsetDateTime,
        dies: bool,
    ) -> bool {
        let Some(holds) = self.holds.as_mut().filter(|holds| now < holds.deadline) else {
            self.holds = claim(outbox, now);
            return self.holds.is_some();
        };
        let worked = if holds.progress.window().is_none() {
            looks(holds, outbox, now)
        } else {
            publishes(holds, outbox, kafka, now, dies)
        };
        match worked {
            Some(worked) if !dies => worked,
            worked => {
                // Lost to another, or dead.
                self.holds = None;
                worked.unwrap_or(false)
            }
        }
    }
}

fn claim(outbox: &mut Outbox, now: OffsetDateTime) -> Option<Holds> {
    let drawn = outbox.last_drawn;
    if outbox.cursor.lease_until.is_some_and(|until| now <= until) {
        return None;
    }
    outbox.own();
    let row = &mut outbox.cursor;
    row.epoch += 1;
    row.lease_until = Some(now + LEASE);
    Some(Holds {
        epoch: row.epoch,
        deadline: now + LEASE,
        progress: Progress::claimed(
            row.from.clone(),
            row.window.clone(),
            row.last_position,
            drawn,
        ),
    })
}

/// Compares the epoch and renews the lease, as every change of the row does. `None`: it is another's.
fn write(holds: &mut Holds, outbox: &mut Outbox, now: OffsetDateTime) -> Option<()> {
    if outbox.cursor.epoch != holds.epoch {
        return None;
    }
    outbox.own();
    outbox.cursor.lease_until = Some(now + LEASE);
    holds.deadline = now + LEASE;
    Some(())
}

fn looks(holds: &mut Holds, outbox: &mut Outbox, now: OffsetDateTime) -> Option<bool> {
    let snapshot = outbox.snapshot()?;
    if !holds.progress.looked(outbox.last_drawn, &snapshot) {
        return Some(false);
    }
    let drawn = holds.progress.drawn();
    write(holds, outbox, now)?;
    outbox.cursor.window = Some(Window::new(&outbox.cursor.from, snapshot.clone(), drawn));
    outbox.cursor.last_position = 0;
    holds.progress.opened(snapshot, drawn);
    Some(true)
}

fn publishes(
    holds: &mut Holds,
    outbox: &mut Outbox,
    kafka: &mut Kafka,
    now: OffsetDateTime,
    dies: bool,
) -> Option<bool> {
    let (window, after) = holds.progress.window()?;
    let (rows, more) = outbox.page(window, after);
    let last = rows.iter().map(|row| row.position).max();
    let too_early = dies && outbox.mistake == Some(Mistake::RelayNotesFirst);
    if !too_early {
        for row in rows {
            kafka.publish(&row.record);
        }
        outbox.published = last.unwrap_or(outbox.published);
        if dies {
            return Some(true);
        }
    }
    match after_page(last, more) {
        Next::Advance(position) => {
            write(holds, outbox, now)?;
            outbox.cursor.last_position = position;
            holds.progress.advanced(position);
        }
        Next::Finish => {
            let from = holds.progress.finishes_at()?.clone();
            write(holds, outbox, now)?;
            outbox.cursor.from = from;
            outbox.cursor.window = None;
            outbox.cursor.last_position = 0;
            holds.progress.finished();
        }
    }
    Some(true)
}

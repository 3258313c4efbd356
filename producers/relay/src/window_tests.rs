//! The window rule against a model of PostgreSQL: `xmax` one above the last *completed* id, positions drawn
//! before commit, rollbacks; and a relay that crashes between publishing and persisting.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Row {
    position: i64,
    xact: u64,
    booking: usize,
    sequence: u32,
}

#[derive(Default)]
struct Writer {
    xact: Option<u64>,
    booking: Option<usize>,
    rows: Vec<Row>,
}

struct Database {
    next_xact: u64,
    last_completed: u64,
    running: BTreeSet<u64>,
    last_drawn: i64,
    committed: Vec<Row>,
    sequences: BTreeMap<usize, u32>,
    locked: BTreeSet<usize>,
}

impl Database {
    fn new() -> Self {
        Self {
            next_xact: 3,
            last_completed: 2,
            running: BTreeSet::new(),
            last_drawn: 0,
            committed: Vec::new(),
            sequences: BTreeMap::new(),
            locked: BTreeSet::new(),
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

    fn snapshot(&self) -> Snapshot {
        let xmax = self.last_completed + 1;
        let in_progress: Vec<u64> = self.running.range(..xmax).copied().collect();
        let xmin = in_progress.first().copied().unwrap_or(xmax);
        // Through its text, as in production.
        Snapshot {
            xmin,
            xmax,
            in_progress,
        }
        .to_string()
        .parse()
        .unwrap()
    }

    /// An id first, with which a transaction may idle; then the lock; then positions.
    fn write(&mut self, writer: &mut Writer, booking: usize) {
        let Some(xact) = writer.xact else {
            writer.xact = Some(self.give_id());
            return;
        };
        let booking = match writer.booking {
            Some(booking) => booking,
            None if self.locked.insert(booking) => *writer.booking.insert(booking),
            None => return,
        };
        self.last_drawn += 1;
        let before = self.sequences.get(&booking).copied().unwrap_or(0);
        let sequence = before + 1 + u32::try_from(writer.rows.len()).unwrap();
        writer.rows.push(Row {
            position: self.last_drawn,
            xact,
            booking,
            sequence,
        });
    }

    fn end(&mut self, writer: &mut Writer, commit: bool) {
        let Writer {
            xact,
            booking,
            rows,
        } = std::mem::take(writer);
        let Some(xact) = xact else { return };
        if commit && let Some(last) = rows.last() {
            self.sequences.insert(last.booking, last.sequence);
            self.committed.extend(rows);
        }
        self.complete(xact);
        if let Some(booking) = booking {
            self.locked.remove(&booking);
        }
    }
}

/// What the cursor row holds.
#[derive(Clone)]
struct Cursor {
    from: Frontier,
    window: Option<Window>,
    last: i64,
}

struct Relay {
    persisted: Cursor,
    seen: i64,
    witnessed: i64,
}

impl Relay {
    /// Each persist is a transaction of the relay's own.
    fn commit(&mut self, database: &mut Database, cursor: Cursor) {
        let xact = database.give_id();
        database.complete(xact);
        self.persisted = cursor;
        self.witnessed = self.seen;
    }

    fn claim(&mut self, database: &mut Database) {
        self.seen = database.last_drawn;
        self.commit(database, self.persisted.clone());
    }
}

#[derive(Default)]
struct Topic {
    delivered: BTreeSet<i64>,
    latest: BTreeMap<usize, u32>,
    windows_of: BTreeMap<i64, u32>,
}

impl Topic {
    fn deliver(&mut self, row: &Row) {
        if self.delivered.insert(row.position) {
            let latest = self.latest.entry(row.booking).or_default();
            assert_eq!(
                row.sequence,
                *latest + 1,
                "first deliveries of booking {}",
                row.booking
            );
            *latest = row.sequence;
        }
    }
}

/// One step of the relay. Whether there was anything to do.
fn step(
    relay: &mut Relay,
    database: &mut Database,
    topic: &mut Topic,
    page: usize,
    crash: bool,
) -> bool {
    let mut cursor = relay.persisted.clone();
    let Some(window) = cursor.window.clone() else {
        relay.seen = database.last_drawn;
        if !cursor.from.may_have_news(&database.snapshot(), relay.seen) {
            let published = |row: &Row| topic.delivered.contains(&row.position);
            assert!(
                database.committed.iter().all(published),
                "no news means that all is published"
            );
            return false;
        }
        cursor.window = Some(Window::new(
            &cursor.from,
            database.snapshot(),
            relay.witnessed,
        ));
        relay.commit(database, cursor);
        return true;
    };
    let mut rows: Vec<Row> = database
        .committed
        .iter()
        .filter(|row| window.contains(row.xact))
        .cloned()
        .collect();
    rows.sort_by_key(|row| row.position);
    assert!(
        rows.iter().all(|row| row.position > window.start()),
        "the lower bound hides nothing"
    );
    let whole = rows.clone();
    rows.retain(|row| row.position > cursor.last);
    rows.truncate(page);
    relay.seen = database.last_drawn;
    for row in &rows {
        topic.deliver(row);
    }
    if crash {
        relay.claim(database);
        return true;
    }
    if rows.len() == page {
        cursor.last = rows[page - 1].position;
    } else {
        cursor = Cursor {
            from: window.to().clone(),
            window: None,
            last: 0,
        };
        for row in whole {
            *topic.windows_of.entry(row.position).or_default() += 1;
        }
        let mut later = database
            .committed
            .iter()
            .filter(|row| !cursor.from.snapshot.sees(row.xact));
        assert!(
            later.all(|row| row.position > cursor.from.floor()),
            "what is below the floor is published"
        );
    }
    relay.commit(database, cursor);
    true
}

#[derive(Clone, Debug)]
enum Act {
    Write(usize, usize),
    End(usize, bool),
    Foreign,
    Relay { crash: bool },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        5 => (0..5usize, 0..3usize).prop_map(|(writer, booking)| Act::Write(writer, booking)),
        3 => (0..5usize, prop::bool::weighted(0.8)).prop_map(|(writer, commit)| Act::End(writer, commit)),
        1 => Just(Act::Foreign),
        5 => prop::bool::weighted(0.2).prop_map(|crash| Act::Relay { crash }),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_committed_row_is_in_exactly_one_window(acts in acts(), page in 1..4usize) {
        let mut database = Database::new();
        let mut writers: Vec<Writer> = (0..5).map(|_| Writer::default()).collect();
        let mut topic = Topic::default();
        let beginning = Cursor { from: Frontier::beginning(), window: None, last: 0 };
        let mut relay = Relay { persisted: beginning, seen: 0, witnessed: 0 };
        relay.claim(&mut database);
        for act in acts {
            match act {
                Act::Write(writer, booking) => database.write(&mut writers[writer], booking),
                Act::End(writer, commit) => database.end(&mut writers[writer], commit),
                Act::Foreign => {
                    let xact = database.give_id();
                    database.complete(xact);
                }
                Act::Relay { crash } => {
                    step(&mut relay, &mut database, &mut topic, page, crash);
                }
            }
        }
        for writer in &mut writers {
            database.end(writer, true);
        }
        let mut steps = 0;
        while step(&mut relay, &mut database, &mut topic, page, false) {
            steps += 1;
            prop_assert!(steps < 1_000, "it comes to rest");
        }
        let committed: BTreeSet<i64> = database.committed.iter().map(|row| row.position).collect();
        prop_assert_eq!(&topic.delivered, &committed);
        prop_assert!(topic.windows_of.values().all(|windows| *windows == 1));
        prop_assert_eq!(topic.windows_of.len(), committed.len());
    }
}

#[test]
fn a_snapshot_reads_as_it_is_written() {
    for text in ["1:1:", "10:20:10,14,15", "5:6:5"] {
        assert_eq!(text.parse::<Snapshot>().unwrap().to_string(), text);
    }
    for text in ["", "1:2", "1:x:", "10:20:15,14", "1:2:3:4"] {
        assert!(text.parse::<Snapshot>().is_err(), "{text}");
    }
}

#[test]
fn a_sequence_that_was_set_back_is_read_from_its_start() {
    let from = Frontier {
        drawn: 1_000,
        ..Frontier::beginning()
    };
    assert!(from.may_have_news(&"1:1:".parse().unwrap(), 10));
    let window = Window::new(&from, "9:20:9".parse().unwrap(), 10);
    assert_eq!(window.start(), 0);
    assert_eq!(window.to().floors, [10]);
}

#[test]
fn a_transaction_of_long_ago_brings_its_own_lower_bound() {
    let beginning = Frontier::beginning();
    let first = Window::new(&beginning, "7:9:7".parse().unwrap(), 40);
    let second = Window::new(first.to(), "7:30:7,12".parse().unwrap(), 90);
    assert_eq!(second.start(), 40);
    assert_eq!(second.to().floors, [0, 40]);
    assert_eq!(second.to().floor(), 0);
    let both_finish = Window::new(second.to(), "40:40:".parse().unwrap(), 100);
    assert_eq!(both_finish.start(), 0);
    let the_younger_finishes = Window::new(second.to(), "7:40:7".parse().unwrap(), 100);
    assert_eq!(the_younger_finishes.start(), 40);
}

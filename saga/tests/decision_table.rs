//! The published decision table is what the saga does: random histories meet every cell, and what came of it there is
//! written beside what the table says.
//!
//! After a change of the rules: `BOXOFFICE_WRITE_TABLE=1 cargo test -p boxoffice-saga decision_table`, and read
//! the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::hall::Hall;
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::table::{Cell, Group};
use rand::SeedableRng;
use rand::rngs::StdRng;
use time::Duration;

const HISTORIES: u64 = 4_000;
const STEPS: u32 = 80;

/// What was seen to come of a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    outcome: String,
    booking: String,
    events: String,
    money: String,
}

#[test]
fn the_published_table_is_what_the_saga_does() {
    let mut met: BTreeMap<Cell, BTreeSet<Seen>> = BTreeMap::new();
    for seed in 0..HISTORIES {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut hall = Hall::new();
        hall.lasts = Duration::days(100);
        hall.cancel_fee_bp = [0, 1_050][usize::try_from(seed % 2).unwrap_or(0)];
        for _ in 0..STEPS {
            let (booking, input) = hall.something(&mut rng);
            let (cell, seen) = step(&mut hall, booking, input);
            met.entry(cell).or_default().insert(seen);
        }
    }
    let empty: Vec<_> = Cell::ALL
        .iter()
        .filter(|cell| !met.contains_key(cell))
        .collect();
    assert!(empty.is_empty(), "no history met {empty:?}");
    let table = table(&met);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/decision-table.md");
    if std::env::var("BOXOFFICE_WRITE_TABLE").is_ok() {
        std::fs::write(&path, &table).expect("the table is written");
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    for (ours, theirs) in table.lines().zip(published.lines()) {
        assert_eq!(ours, theirs, "what the saga does, and what is published");
    }
    assert_eq!(table.len(), published.len(), "a line more or less");
}

fn step(hall: &mut Hall, booking: BookingId, input: Input) -> (Cell, Seen) {
    let cell = hall.cell(booking, &input);
    let state = |hall: &Hall| hall.find(booking).map(|row| row.state);
    let before = (state(hall), hall.events().len(), hall.ledger().len());
    let outcome = hall.happens(booking, input);
    let name = |state: Option<BookingState>| state.map_or("none", BookingState::name);
    let after = state(hall);
    let seen = Seen {
        outcome: said(&outcome),
        booking: if before.0 == after {
            name(after).to_owned()
        } else {
            format!("{} → {}", name(before.0), name(after))
        },
        events: list(
            hall.events()[before.1..]
                .iter()
                .map(|event| event.body.name()),
        ),
        money: list(
            hall.ledger()[before.2..]
                .iter()
                .map(|entry| format!("{} → {}", entry.from.name(), entry.to.name())),
        ),
    };
    (cell, seen)
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Decided { verdict, .. } => verdict.name().to_owned(),
        Outcome::Done => "done".to_owned(),
        Outcome::AlreadyKnown => "known".to_owned(),
        Outcome::Postponed => "again later".to_owned(),
        Outcome::NeedsPerson => "a person is told".to_owned(),
        Outcome::Refused(refusal) => {
            let name = format!("{refusal:?}");
            let name = name.split([' ', '(', '{']).next().unwrap_or_default();
            format!("refused: {name}")
        }
    }
}

fn list(items: impl Iterator<Item = impl Into<String>>) -> String {
    let items: Vec<String> = items.map(Into::into).collect();
    if items.is_empty() {
        "–".to_owned()
    } else {
        items.join(", ")
    }
}

fn table(met: &BTreeMap<Cell, BTreeSet<Seen>>) -> String {
    let mut text = String::from(
        "# The decision table\n\n\
         Every way in which holds, payments, refunds and disputes can meet, and what becomes of it. The words are those of\n\
         [saga/src/table/cells.rs](../saga/src/table/cells.rs); the small print below each is what the saga was seen to do\n\
         there, in thousands of random histories: its outcome, the booking's state, the events, the movements of money.\n\
         Both are held together by [saga/tests/decision_table.rs](../saga/tests/decision_table.rs), so this page cannot say\n\
         what the product does not do.\n\n\
         Three situations never reach this table, because they are settled at the door: money of the gateway's test mode at an\n\
         account for real money (or the reverse), and a record that cannot be read, go to the dead letters and a person; money\n\
         without a reference of ours belongs to another product on the same gateway account, and is left alone. A reference that\n\
         looks like ours and names no booking that could exist goes to a person. An event is recognised by what it says, not by\n\
         its id: the same news under another id is the same news. No clock but the database's is ever compared, so a gateway's\n\
         clock that is ahead or behind changes nothing.\n",
    );
    let mut group: Option<Group> = None;
    for cell in Cell::ALL {
        if group != Some(cell.group()) {
            group = Some(cell.group());
            let _ = write!(text, "\n## {}\n\n", cell.group().title());
            text.push_str("| | when | then |\n|---|---|---|\n");
        }
        let mut seen: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
        for case in met.get(cell).into_iter().flatten() {
            let what = (
                case.outcome.clone(),
                case.events.clone(),
                case.money.clone(),
            );
            seen.entry(what).or_default().insert(case.booking.clone());
        }
        let small: Vec<String> = seen
            .into_iter()
            .map(|((outcome, events, money), bookings)| {
                let bookings: Vec<_> = bookings.into_iter().collect();
                let mut line = format!("{outcome}; {}", bookings.join(" or "));
                if events != "–" {
                    let _ = write!(line, "; {events}");
                }
                if money != "–" {
                    let _ = write!(line, "; {money}");
                }
                line
            })
            .collect();
        let _ = writeln!(
            text,
            "| `{}` | {} | {}<br><sub>{}</sub> |",
            cell.name(),
            cell.so(),
            cell.becomes(),
            small.join("<br>")
        );
    }
    text
}

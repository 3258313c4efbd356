//! Which situations were met, and under which faults.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use boxoffice_saga::input::{Input, Outcome};
use serde::Serialize;

use crate::act::{Fault, Faults};
use crate::store::Decided;

/// How often each situation was met: what happened, to a booking in which state, and what came of it; and how
/// often after each kind of fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// By situation.
    pub cells: BTreeMap<String, Met>,
}

/// How often a situation was met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Met {
    /// In all.
    pub times: u64,
    /// In histories in which this fault had happened before.
    pub after: BTreeMap<&'static str, u64>,
}

impl Met {
    fn again(&mut self, happened: Faults) {
        self.times += 1;
        for fault in Fault::ALL.into_iter().filter(|fault| happened.has(*fault)) {
            *self.after.entry(fault.name()).or_default() += 1;
        }
    }
}

impl Coverage {
    /// Notes what a turn decided: its inputs, applied once more to the rows that it had locked.
    pub(crate) fn note(&mut self, decided: Decided, happened: Faults) {
        let Decided {
            before: mut world,
            journal,
        } = decided;
        for entry in journal {
            let state = world
                .bookings
                .get(&entry.booking)
                .map_or("NONE", |row| row.state.name());
            let cell = format!(
                "{} / {state} / {}",
                input(&entry.input),
                outcome(&entry.outcome)
            );
            self.cells.entry(cell).or_default().again(happened);
            world.apply(entry.booking, entry.input);
        }
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: Self) {
        for (cell, met) in other.cells {
            let mine = self.cells.entry(cell).or_default();
            mine.times += met.times;
            for (fault, times) in met.after {
                *mine.after.entry(fault).or_default() += times;
            }
        }
    }
}

/// The variant's name: what stands before its fields.
fn input(input: &Input) -> String {
    let mut name = Name(String::new());
    // It stops as soon as the name is there.
    let _ = write!(name, "{input:?}");
    name.0
}

struct Name(String);

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.find([' ', '(', '{']);
        self.0.push_str(&text[..end.unwrap_or(text.len())]);
        if end.is_some() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Decided { verdict, .. } => verdict.name(),
        Outcome::AlreadyKnown => "known already",
        Outcome::Postponed => "postponed",
        Outcome::NeedsPerson => "needs a person",
        Outcome::Refused(_) => "refused",
    }
}

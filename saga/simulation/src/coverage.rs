//! Which cells of the decision table were met, and after which faults.

use std::collections::BTreeMap;

use boxoffice_saga::table::{Cell, cell};
use serde::Serialize;

use crate::act::{Fault, Faults};
use crate::store::Decided;

/// How often each cell of the decision table was met, and how often after each kind of fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By cell.
    pub cells: BTreeMap<Cell, Met>,
}

/// How often a cell was met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Met {
    /// In all.
    pub times: u64,
    /// In histories in which this fault had happened before.
    pub after: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// Notes what a turn decided: its inputs, applied once more to the rows that it had locked.
    pub(crate) fn note(&mut self, decided: Decided, happened: Faults) {
        let Decided {
            before: mut world,
            journal,
        } = decided;
        for entry in journal {
            self.met(cell(&world, entry.booking, &entry.input), happened);
            world.apply(entry.booking, entry.input);
        }
    }

    /// A cell was met once more.
    pub(crate) fn met(&mut self, cell: Cell, happened: Faults) {
        let met = self.cells.entry(cell).or_default();
        met.times += 1;
        for fault in Fault::ALL.into_iter().filter(|fault| happened.has(*fault)) {
            *met.after.entry(fault.name()).or_default() += 1;
        }
    }

    /// Cells that were never met.
    pub fn empty(&self) -> Vec<Cell> {
        let met = |cell: &&Cell| self.cells.contains_key(cell);
        Cell::ALL
            .iter()
            .filter(|cell| !met(cell))
            .copied()
            .collect()
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

//! One history: from a seed, or from its choices.

use boxoffice_saga::world::JournalEntry;
use serde::{Deserialize, Serialize};

use crate::act::{Act, Faults};
use crate::choose::Chooser;
use crate::coverage::Coverage;
use crate::mistake::Mistake;
use crate::system::{Setting, System};

/// A history, as it can be written down and replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The seed that it came from.
    pub seed: u64,
    /// What holds for the whole of it.
    pub setting: Setting,
    /// The mistake that is made in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistake: Option<Mistake>,
    /// Its choices, in order.
    pub acts: Vec<Act>,
}

/// What came of a history.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its choices, as far as it went.
    pub history: History,
    /// What it broke. Empty: every promise held.
    pub broken: Vec<String>,
    /// What it met.
    pub coverage: Coverage,
    /// What was decided, in order: when, about which booking, what came in and what came of it.
    pub journal: Vec<String>,
}

/// So many choices are made between two looks at the promises, unless each is wanted.
const LOOK_EVERY: usize = 4;

/// Makes the history of a seed, with faults among those that are allowed.
pub fn of_seed(seed: u64, allowed: Faults, mistake: Option<Mistake>) -> Ended {
    let mut chooser = Chooser::new(seed, allowed);
    let setting = chooser.setting();
    let length = chooser.length();
    let mut system = System::new(setting, mistake);
    let mut acts = Vec::with_capacity(length);
    while acts.len() < length {
        let act = chooser.next(&system);
        system.happens(&act);
        acts.push(act);
        if acts.len() % LOOK_EVERY == 0 {
            system.check(false);
        }
        if !system.broken.is_empty() {
            break;
        }
    }
    ended(
        system,
        History {
            seed,
            setting,
            mistake,
            acts,
        },
    )
}

/// Makes the same choices again, with a look at the promises after each.
pub fn again(history: &History) -> Ended {
    let mut ended = replayed(history);
    ended.1.journal = ended.0;
    ended.1
}

fn replayed(history: &History) -> (Vec<String>, Ended) {
    let mut system = System::new(history.setting, history.mistake);
    for act in &history.acts {
        system.happens(act);
        system.check(false);
        if !system.broken.is_empty() {
            break;
        }
    }
    let database = system.database.clone();
    let ended = ended(system, history.clone());
    let told = database.tables().journal.iter().map(told).collect();
    (told, ended)
}

fn told(entry: &JournalEntry) -> String {
    format!(
        "{} {} {:?} -> {:?}",
        entry.at, entry.booking, entry.input, entry.outcome
    )
}

fn ended(mut system: System, history: History) -> Ended {
    if system.broken.is_empty() {
        system.settles();
    }
    if system.broken.is_empty() {
        system.compares();
    }
    Ended {
        history,
        broken: system.broken,
        coverage: system.coverage,
        journal: Vec::new(),
    }
}

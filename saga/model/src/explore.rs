//! Running a model to the end.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// What was found.
#[derive(Debug)]
pub struct Explored {
    /// How many different states there are.
    pub states: usize,
    /// The longest of the shortest ways to one of them.
    pub depth: usize,
    /// Broken promises, each with what happened on a short way to it.
    pub broken: BTreeMap<&'static str, Vec<String>>,
    /// What was to be possible and never happened.
    pub never: Vec<&'static str>,
}

impl Explored {
    /// One line per broken promise, with its history.
    pub fn story(&self) -> String {
        let broken = self.broken.iter();
        broken
            .map(|(promise, history)| format!("{promise}\n  {}\n", history.join("\n  ")))
            .collect()
    }
}

/// Goes through all states, breadth first; ends at the first broken promise.
pub fn explore<M>(model: M) -> Explored
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let properties = model.properties();
    let checker = model
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .threads(2)
        .spawn_bfs()
        .join();
    let mut found = Explored {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        broken: BTreeMap::new(),
        never: Vec::new(),
    };
    let discoveries = checker.discoveries();
    for property in properties {
        match (property.expectation, discoveries.get(property.name)) {
            (Expectation::Sometimes, None) => found.never.push(property.name),
            (Expectation::Sometimes, Some(_)) | (_, None) => {}
            (_, Some(path)) => {
                let actions = path.clone().into_actions();
                let history = actions.iter().map(|action| format!("{action:?}"));
                found.broken.insert(property.name, history.collect());
            }
        }
    }
    found
}

/// Whether the larger worlds are wanted, too, which take minutes: `BOXOFFICE_MODEL=full`.
pub fn is_full() -> bool {
    std::env::var("BOXOFFICE_MODEL").is_ok_and(|wanted| wanted == "full")
}

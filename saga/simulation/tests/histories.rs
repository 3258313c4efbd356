//! Histories in numbers, and every mistake that must be found.
//!
//! `BOXOFFICE_SEEDS=<n>` makes more histories, `BOXOFFICE_SEED=<seed>` begins with another one. A seed that breaks a
//! promise is printed with the choices that it takes.

use std::thread::available_parallelism;

use boxoffice_simulation::act::{Act, Faults};
use boxoffice_simulation::explore::explore;
use boxoffice_simulation::history::{self, History};
use boxoffice_simulation::mistake::Mistake;
use boxoffice_simulation::shrink::shrink;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

fn threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

#[test]
fn every_promise_holds_in_every_history() {
    let (first, seeds) = (
        number("BOXOFFICE_SEED", 0),
        number("BOXOFFICE_SEEDS", 3_000),
    );
    let explored = explore(first, seeds, Faults::ALL, None, threads());
    if let Some(ended) = explored.broken {
        let history = shrink(&ended.history);
        let again = history::again(&history);
        panic!(
            "seed {}: {:#?}\n{}\n{:#?}",
            history.seed,
            again.broken,
            again.journal.join("\n"),
            history.acts
        );
    }
    println!(
        "{} histories from seed {first}, {} choices",
        explored.histories, explored.acts
    );
    if seeds >= 3_000 {
        let empty = explored.coverage.empty();
        assert!(empty.is_empty(), "no history has met {empty:?}");
    }
}

#[test]
fn every_mistake_is_found() {
    let mut missed = Vec::new();
    for mistake in Mistake::ALL {
        let explored = explore(0, 10_000, Faults::ALL, Some(*mistake), threads());
        match explored.broken {
            Some(ended) => println!(
                "after {:>5} histories: {}\n       {}",
                explored.histories,
                mistake.sentence(),
                ended.broken[0]
            ),
            None => missed.push(mistake.sentence()),
        }
    }
    assert!(Mistake::ALL.len() >= 20);
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

#[test]
fn a_broken_promise_is_reduced_and_can_be_replayed() {
    let mistake = Some(Mistake::SoldSeatsAreNotMarked);
    let found = explore(0, 1_000, Faults::ALL, mistake, 1).broken.unwrap();
    let reduced = shrink(&found.history);
    assert!(reduced.acts.len() <= 10, "{:#?}", reduced.acts);
    assert!(
        reduced
            .acts
            .iter()
            .any(|act| matches!(act, Act::Hold { .. })),
        "nobody sells a seat without a hold: {:#?}",
        reduced.acts
    );
    // As it is written down.
    let written = serde_json::to_string(&reduced).unwrap();
    let read: History = serde_json::from_str(&written).unwrap();
    let again = history::again(&read);
    assert!(again.broken[0].starts_with("SEAT-"), "{:?}", again.broken);
    // Without any one of its choices nothing is broken, and without the mistake neither.
    for nth in 0..read.acts.len() {
        let mut without = read.clone();
        without.acts.remove(nth);
        let ended = history::again(&without);
        assert!(
            !ended
                .broken
                .iter()
                .any(|what| what.split(':').next() == again.broken[0].split(':').next()),
            "choice {nth} is not needed: {:?}",
            ended.broken
        );
    }
    let right = History {
        mistake: None,
        ..read
    };
    assert_eq!(history::again(&right).broken, Vec::<String>::new());
}

#[test]
fn a_seed_is_one_history() {
    for seed in 0..20 {
        let (one, other) = (
            history::of_seed(seed, Faults::ALL, None),
            history::of_seed(seed, Faults::ALL, None),
        );
        assert_eq!(one.history, other.history, "seed {seed}");
        assert_eq!(one.coverage, other.coverage, "seed {seed}");
    }
}

#[test]
fn what_is_switched_off_does_not_happen() {
    for seed in 0..200 {
        let ended = history::of_seed(seed, Faults::NONE, None);
        assert_eq!(ended.broken, Vec::<String>::new(), "seed {seed}");
        let faults: Vec<_> = ended.history.acts.iter().filter_map(Act::fault).collect();
        assert_eq!(faults, [], "seed {seed}");
    }
}

//! The relay's window: what is published, and in which order.

use boxoffice_model::relay::{Action, Faults, IN_ORDER, PUBLISHED, Relay, Rule};
use boxoffice_model::{explore, is_full};

const NONE: Faults = Faults {
    rollbacks: 0,
    crashes: 0,
    zombies: 0,
    refusals: 0,
    database_crashes: 0,
    recyclings: 0,
    timeouts: 0,
};

fn world(writers: &[u8], page: usize, set: fn(&mut Faults)) -> Relay {
    let mut faults = NONE;
    set(&mut faults);
    Relay {
        writers: writers.to_vec(),
        already: Vec::new(),
        page,
        faults,
        without: Vec::new(),
    }
}

/// A transaction that drew the first position is still open; two others have committed.
fn late(set: fn(&mut Faults)) -> Relay {
    let write = |writer, steps| vec![Action::Write(writer); steps];
    Relay {
        already: [write(0, 3), write(1, 4), write(2, 4)].concat(),
        ..world(&[0, 1, 2], 1, set)
    }
}

/// Small worlds, each with other mishaps. Two transactions write booking 0; where there is a third, it writes
/// booking 1.
fn worlds() -> Vec<Relay> {
    let mut worlds = vec![
        world(&[0, 0], 1, |f| {
            (f.rollbacks, f.crashes, f.zombies) = (1, 1, 1)
        }),
        world(&[0, 0], 2, |f| (f.refusals, f.crashes) = (1, 1)),
        world(&[0, 0], 2, |f| (f.refusals, f.zombies) = (1, 1)),
        world(&[0, 0], 1, |f| (f.database_crashes, f.zombies) = (1, 1)),
        world(&[0, 0, 1], 1, |f| f.recyclings = 1),
        world(&[0, 0, 1], 1, |f| f.crashes = 1),
        world(&[0, 0, 1], 2, |f| f.rollbacks = 1),
        late(|f| (f.crashes, f.zombies) = (1, 1)),
    ];
    if is_full() {
        worlds.push(world(&[0, 0, 0, 1], 1, |_| {}));
        worlds.push(world(&[0, 0, 1], 1, |f| f.zombies = 1));
        worlds.push(world(&[0, 0, 1], 2, |f| (f.refusals, f.crashes) = (1, 1)));
        worlds.push(world(&[0, 0, 1], 1, |f| f.database_crashes = 1));
    }
    worlds
}

#[test]
fn everything_committed_is_published_in_order() {
    let mut states = 0;
    for world in worlds() {
        let described = format!("{world:?}");
        let found = explore(world);
        eprintln!(
            "{} states, depth {}: {described}",
            found.states, found.depth
        );
        assert!(found.broken.is_empty(), "{described}\n{}", found.story());
        assert!(
            found.never.is_empty(),
            "{described}: never {:?}",
            found.never
        );
        states += found.states;
    }
    eprintln!("{states} states in all");
    assert!(
        states > 1_000_000,
        "the worlds have shrunk to {states} states"
    );
}

/// What breaks in this world without these rules; breaks nothing with all of them.
fn without(rules: &[Rule], world: Relay) -> Vec<&'static str> {
    let found = explore(Relay {
        without: rules.to_vec(),
        ..world
    });
    eprintln!(
        "without {rules:?}: {} states\n{}",
        found.states,
        found.story()
    );
    found.broken.into_keys().collect()
}

/// Where a rule is missed, and what breaks then; or nothing.
fn missed(rule: Rule) -> (Relay, Option<&'static str>) {
    let plain = world(&[0, 0, 1], 2, |_| {});
    let refused = world(&[0, 0], 2, |f| f.refusals = 1);
    match rule {
        Rule::Visibility => (late(|_| {}), Some(PUBLISHED)),
        Rule::OrderByPosition | Rule::BookingLocked => (plain, Some(IN_ORDER)),
        Rule::WindowPersisted => (late(|f| f.crashes = 1), Some(PUBLISHED)),
        Rule::DrawnWitnessed => (world(&[0, 1], 1, |_| {}), Some(PUBLISHED)),
        // The zombie moves the cursor of its successor, and both die.
        Rule::EpochCompared => (late(|f| (f.crashes, f.zombies) = (2, 1)), Some(PUBLISHED)),
        Rule::NeverPass => (refused, Some(PUBLISHED)),
        Rule::GaplessProducer => (refused, Some(IN_ORDER)),
        Rule::NoMessageTimeout => (world(&[0, 0], 2, |f| f.timeouts = 1), Some(IN_ORDER)),
        Rule::DropBehindCursor => (world(&[0, 1], 1, |f| f.recyclings = 1), Some(PUBLISHED)),
        Rule::Purge => (
            world(&[0, 0], 2, |f| (f.refusals, f.zombies) = (1, 1)),
            None,
        ),
    }
}

#[test]
fn each_rule_is_there_for_a_promise() {
    for rule in Rule::ALL {
        let (world, promise) = missed(rule);
        let kept = without(&[], world.clone());
        assert!(kept.is_empty(), "{rule:?} is kept, and yet {kept:?}");
        let broken = without(&[rule], world);
        assert_eq!(broken.first(), promise.as_ref(), "without {rule:?}");
    }
}

//! A partition, two members of its group, and the row that says where it stands.

use boxoffice_model::position::{
    ALL_DECIDED, FENCED, Faults, NO_LIVELOCK, NOT_BEGUN, ONCE, Position, Rule, UNDISTURBED,
};
use boxoffice_model::{explore, is_full};

fn world(records: i64, set: fn(&mut Faults)) -> Position {
    let mut faults = Faults::default();
    set(&mut faults);
    Position {
        records,
        batch: 2,
        faults,
        without: Vec::new(),
    }
}

fn worlds() -> Vec<Position> {
    let mut worlds = vec![
        world(3, |f| (f.rebalances, f.lost) = (1, 1)),
        world(3, |f| f.rebalances = 2),
        world(3, |f| (f.lost, f.failovers) = (2, 1)),
        world(3, |f| (f.crashes, f.failovers) = (1, 1)),
        world(2, |f| (f.rebalances, f.lost, f.crashes) = (1, 1, 1)),
        world(2, |f| (f.rebalances, f.failovers) = (1, 1)),
    ];
    if is_full() {
        worlds.push(world(3, |f| (f.rebalances, f.failovers) = (1, 1)));
        worlds.push(world(2, |f| (f.rebalances, f.lost, f.crashes) = (2, 1, 1)));
        worlds.push(world(2, |f| {
            (f.rebalances, f.lost, f.crashes, f.failovers) = (1, 1, 1, 1);
        }));
    }
    worlds
}

#[test]
fn every_record_is_decided_once() {
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
        states > 200_000,
        "the worlds have shrunk to {states} states"
    );
}

/// Where a rule is missed, and what breaks then.
fn missed(rule: Rule) -> (Position, &'static str) {
    let lost = world(3, |f| f.lost = 1);
    let moved = world(3, |f| f.rebalances = 1);
    match rule {
        // An answer is lost, and the turn is made again.
        Rule::PositionCompared => (lost, ONCE),
        // Exactly once does not hang on it, for the position is compared, too; that an owner is alone does.
        Rule::EpochCompared => (moved, FENCED),
        Rule::OneTransaction | Rule::SeekToDatabase | Rule::BufferDropped => (lost, ONCE),
        Rule::ClaimCheckedBefore => (moved, UNDISTURBED),
        Rule::ClaimCheckedAfter => (moved, NOT_BEGUN),
        Rule::RevokedIsDropped => (moved, NO_LIVELOCK),
        Rule::LooksWhenIdle => (world(3, |f| f.failovers = 1), ALL_DECIDED),
    }
}

#[test]
fn each_rule_is_there_for_a_promise() {
    for rule in Rule::ALL {
        let (world, promise) = missed(rule);
        let found = explore(Position {
            without: vec![rule],
            ..world
        });
        eprintln!(
            "without {rule:?}: {} states\n{}",
            found.states,
            found.story()
        );
        let broken: Vec<_> = found.broken.into_keys().collect();
        assert!(broken.contains(&promise), "without {rule:?}: {broken:?}");
    }
}

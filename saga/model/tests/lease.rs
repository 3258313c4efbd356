//! A refund task, its workers and the gateway: how often a refund is made.

use boxoffice_model::lease::{Faults, GOOD_BOOKING, HEARD, Lease, NOT_BY_HAND_TOO, ONCE, Rule};
use boxoffice_model::{explore, is_full};

/// A minute and a day pass, an answer is lost, and `set` happens.
fn world(set: fn(&mut Faults)) -> Lease {
    let mut faults = Faults {
        crashes: 0,
        lost: 1,
        breaks: 0,
        declines: 0,
        refused: 0,
        failures: 0,
        retries: 0,
        ticks: [1, 1, 1],
    };
    set(&mut faults);
    Lease {
        faults,
        decided: true,
        without: Vec::new(),
    }
}

fn undecided() -> Lease {
    Lease {
        decided: false,
        ..world(|_| {})
    }
}

fn worlds() -> Vec<Lease> {
    let mut worlds = vec![
        world(|f| f.lost = 2),
        world(|f| f.breaks = 1),
        world(|f| (f.crashes, f.declines) = (1, 1)),
        world(|f| (f.refused, f.failures) = (1, 1)),
        world(|f| (f.declines, f.retries) = (1, 1)),
        world(|f| (f.failures, f.retries, f.ticks) = (1, 1, [0, 1, 1])),
        undecided(),
    ];
    if is_full() {
        worlds.push(world(|f| (f.lost, f.breaks, f.ticks) = (2, 1, [2, 1, 1])));
        worlds.push(world(|f| {
            (f.breaks, f.declines, f.ticks) = (1, 1, [1, 2, 1])
        }));
        worlds.push(world(|f| (f.failures, f.retries) = (1, 1)));
        worlds.push(world(|f| (f.breaks, f.declines, f.retries) = (1, 1, 1)));
        worlds.push(world(|f| (f.crashes, f.refused, f.failures) = (1, 1, 1)));
    }
    worlds
}

#[test]
fn a_refund_is_made_once_and_not_forgotten() {
    let mut states = 0;
    for world in worlds() {
        let described = format!("{world:?}");
        let decided = world.decided;
        let found = explore(world);
        eprintln!(
            "{} states, depth {}: {described}",
            found.states, found.depth
        );
        assert!(found.broken.is_empty(), "{described}\n{}", found.story());
        // What nobody decided is never done.
        assert_eq!(
            found.never.is_empty(),
            decided,
            "{described}: {:?}",
            found.never
        );
        states += found.states;
    }
    eprintln!("{states} states in all");
    assert!(
        states > 400_000,
        "the worlds have shrunk to {states} states"
    );
}

/// What breaks in this world without these rules.
fn without(rules: &[Rule], world: Lease) -> Option<&'static str> {
    let found = explore(Lease {
        without: rules.to_vec(),
        ..world
    });
    eprintln!(
        "without {rules:?}: {} states\n{}",
        found.states,
        found.story()
    );
    found.broken.into_keys().next()
}

/// Where a rule is missed, and what breaks then; or nothing.
fn missed(rule: Rule) -> (Lease, Option<&'static str>) {
    let plain = world(|_| {});
    match rule {
        Rule::AttemptWritten
        | Rule::NothingAlive
        | Rule::EarlierDeadlines
        | Rule::DeadlineBeforeCall => (plain, Some(ONCE)),
        Rule::LateAnswerRecorded => (plain, Some(HEARD)),
        Rule::LeaseCompared => (world(|f| f.declines = 1), Some(NOT_BY_HAND_TOO)),
        Rule::RefusedQuestionIsNoAnswer => (world(|f| f.refused = 1), Some(NOT_BY_HAND_TOO)),
        Rule::Current => (
            world(|f| (f.failures, f.retries) = (1, 1)),
            Some(NOT_BY_HAND_TOO),
        ),
        Rule::Stands => (undecided(), Some(GOOD_BOOKING)),
        // Either of these would do: while a key lives the gateway itself knows a repeat, and what is looked up
        // first needs no key.
        Rule::LookUpBeforeRepeat | Rule::KeyLives => (plain, None),
        // Either of these would do, too: what is in doubt is looked up before the generation rises, and after.
        Rule::LookUpBeforeNewKey => (plain, None),
        Rule::EarlierGenerations => (world(|f| (f.declines, f.retries) = (1, 1)), None),
        // The deadlines see to it; within the lease an answer may still set the task again.
        Rule::CallWithinLease => (world(|f| f.declines = 1), None),
    }
}

#[test]
fn each_rule_is_there_for_a_promise() {
    for rule in Rule::ALL {
        let (world, promise) = missed(rule);
        assert_eq!(without(&[rule], world), promise, "without {rule:?}");
    }
}

#[test]
fn a_repeat_needs_a_living_key_or_a_look_up() {
    let both = [Rule::LookUpBeforeRepeat, Rule::KeyLives];
    assert_eq!(without(&both, world(|_| {})), Some(ONCE));
}

#[test]
fn another_key_needs_a_look_up_before_or_after() {
    let both = [Rule::LookUpBeforeNewKey, Rule::EarlierGenerations];
    assert_eq!(without(&both, world(|_| {})), Some(ONCE));
}

//! Two turns at once on real PostgreSQL, in every order of their statements.
//!
//! Both turns go through their doors of production, with production's SQL, each over a session of its own behind
//! a [gate] that lets one statement through at a time. Which of the two goes on is asked before every statement;
//! [orders] goes through all answers that matter. A statement that must wait for a lock of the other turn waits
//! for real, and the other goes on.
//!
//! After each race: every promise holds, nothing is held by anybody, the database has told no error and seen no
//! deadlock, and all stands as if one turn had come after the other.
//!
//! `BOXOFFICE_INTERLEAVINGS=all` tries every order, also those of which another is known to come to the same. That
//! takes hours; `BOXOFFICE_INTERLEAVINGS=all:Hold,Confirm` does so for one pair.

mod acts;
mod cuts;
mod gate;
mod orders;
mod outcome;
mod race;
mod ring;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use acts::Act;
use orders::{Each, Orders, Side};
use race::Raced;
use ring::{Ring, Standing};

/// How many races are run at a time, each in a database of its own.
const RINGS: usize = 3;

/// How often a race is run again whose turns were given up because the machine is too busy.
const AGAIN: u32 = 20;

/// Two turns, and how Ann's booking stands before them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    standing: Standing,
    acts: Each<Act>,
}

impl Pair {
    fn all() -> Vec<Self> {
        let mut pairs = Vec::new();
        for standing in Standing::ALL {
            for (at, left) in Act::ALL.into_iter().enumerate() {
                for right in Act::ALL.into_iter().skip(at) {
                    let acts = Each { left, right };
                    pairs.push(Self { standing, acts });
                }
            }
        }
        pairs.retain(|pair| {
            let has = |act: Act| pair.acts.left == act || pair.acts.right == act;
            // What is over has no timer any more; and Cy is there for Bob's sake only.
            let over = matches!(pair.standing, Standing::Released | Standing::Paid);
            let timer = over && has(Act::Expire);
            let cy = has(Act::HoldToo) && !has(Act::Hold);
            !timer && !cy
        });
        pairs
    }
}

/// What was tried.
#[derive(Debug, Default)]
struct Tried {
    pairs: usize,
    orders: usize,
    /// Those in which a statement had to wait for a lock.
    waited: usize,
    statements: usize,
    /// The same for each pair.
    told: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_turns_at_once_come_to_what_one_after_the_other_comes_to() {
    let asked = std::env::var("BOXOFFICE_INTERLEAVINGS").unwrap_or_default();
    let every_one = asked.starts_with("all");
    let mut pairs = Pair::all();
    if let Some((_, names)) = asked.split_once(':') {
        pairs.retain(|pair| format!("{:?},{:?}", pair.acts.left, pair.acts.right) == names);
    }
    assert!(!pairs.is_empty(), "no such pair: {asked}");
    let pairs = Mutex::new(VecDeque::from(pairs));
    let next = || {
        let mut pairs = pairs.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.pop_front()
    };
    let rings = (0..RINGS).map(|_| async {
        let ring = Ring::new().await;
        let mut tried = Tried::default();
        while let Some(pair) = next() {
            try_all(&ring, &pair, every_one, &mut tried).await;
        }
        assert_eq!(ring.deadlocks().await, 0);
        tried
    });
    let mut sum = Tried::default();
    for tried in futures::future::join_all(rings).await {
        sum.pairs += tried.pairs;
        sum.orders += tried.orders;
        sum.waited += tried.waited;
        sum.statements += tried.statements;
        sum.told.extend(tried.told);
    }
    sum.told.sort();
    println!("{}", sum.told.join("\n"));
    println!(
        "{} pairs of turns in {} orders, {} of them with a wait for a lock; {} statements",
        sum.pairs, sum.orders, sum.waited, sum.statements
    );
    assert!(sum.waited > 0, "nobody ever waited for anybody");
}

async fn try_all(ring: &Ring, pair: &Pair, every_one: bool, tried: &mut Tried) {
    let mut serial = BTreeSet::new();
    for first in Side::BOTH {
        let (left_behind, _) = try_one(ring, pair, &mut Orders::serial(first)).await;
        serial.insert(left_behind);
    }
    let mut orders = if every_one {
        Orders::all()
    } else {
        Orders::that_matter()
    };
    let (before, mut seen) = (tried.orders, BTreeSet::new());
    loop {
        let (left_behind, raced) = try_one(ring, pair, &mut orders).await;
        assert!(
            serial.contains(&left_behind),
            "{pair:?} comes to\n{left_behind:#?}\nwhich is neither of\n{serial:#?}\nin the order\n{}",
            raced.in_words()
        );
        seen.insert(left_behind);
        tried.orders += 1;
        tried.waited += usize::from(raced.waited > 0);
        tried.statements += raced.statements.len();
        if !orders.another() {
            break;
        }
    }
    tried.pairs += 1;
    tried.told.push(format!(
        "{:?}: {:?} and {:?}: {} orders, {} outcomes",
        pair.standing,
        pair.acts.left,
        pair.acts.right,
        tried.orders - before,
        seen.len()
    ));
}

/// How everything stands, and what the turns answered.
type LeftBehind = (Vec<String>, Each<String>);

async fn try_one(ring: &Ring, pair: &Pair, orders: &mut Orders) -> (LeftBehind, Raced) {
    for _ in 0..AGAIN {
        let scene = ring.scene(pair.standing).await;
        let raced = race::race(ring, &scene, &pair.acts, orders).await;
        let busy = |answer: &String| answer.starts_with("503");
        if !raced.deadlock && Side::BOTH.iter().any(|side| busy(raced.answers.of(*side))) {
            orders.again();
            continue;
        }
        let mut wrongs = outcome::wrongs(ring, &scene).await;
        wrongs.extend(stale(pair, &raced));
        wrongs.extend(raced.errors.iter().map(|code| format!("SQLSTATE {code}")));
        if orders.strayed() {
            wrongs.push("the same statements in the same order went another way".to_owned());
        }
        if raced.deadlock {
            wrongs.push("each waited for a lock of the other".to_owned());
        }
        assert!(
            wrongs.is_empty(),
            "{pair:?}: {wrongs:#?}\nin the order\n{}",
            raced.in_words()
        );
        let left_behind = (outcome::of(ring, &scene).await, raced.answers.clone());
        return (left_behind, raced);
    }
    panic!("{pair:?}: the machine is too busy");
}

/// Once another owner has taken the partition over, a turn under the old epoch must find it lost, even if nothing
/// has been decided since.
fn stale(pair: &Pair, raced: &Raced) -> Option<String> {
    let side = Side::BOTH.into_iter().find(|side| {
        *pair.acts.of(*side) == Act::Confirm && *pair.acts.of(side.other()) == Act::TakeOver
    })?;
    let first = |side: Side, words: &str| {
        let is = |(by, statement): &(Side, Arc<str>)| *by == side && statement.contains(words);
        raced.statements.iter().position(is)
    };
    let taken = first(side.other(), "COMMIT")?;
    let stale = taken < first(side, "consumer_positions")? && raced.answers.of(side) != acts::LOST;
    stale.then(|| "a turn under an old epoch was not refused".to_owned())
}

//! Every turn, generically: whatever can happen to a booking, in every situation that a booking can be in, on both
//! stores. Each turn is run twice, fails at every step, crashes before and after its commit, and loses its answer.
//! After each: every promise holds, nothing is held by anybody, and all is as if the turn had been run once.
//!
//! What can happen is the saga's own list ([every]): nothing can be added to it without going through here.

mod cases;
mod cast;
mod every;
mod faulty;
mod scene;
mod turn;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use boxoffice_turn::{TurnError, run};
use tokio::sync::Notify;

use cases::Case;
use faulty::{Fault, Faulty};
use scene::{InMemory, InPostgres, Scene};
use turn::{Door, Turn};

/// How many cases go through PostgreSQL at a time, each in a database of its own.
const LANES: usize = 3;

/// One case in one scene.
struct Trial<'a, S> {
    scene: S,
    case: Case,
    /// What was wrong, of all cases.
    wrongs: &'a RefCell<Vec<String>>,
}

/// What a case comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Came {
    answer: String,
    /// How everything stood before, and how it stands then.
    before: Vec<String>,
    stands: Vec<String>,
}

impl<S: Scene> Trial<'_, S> {
    /// Runs the turn once, and then again in all ways in which it may come again.
    async fn undisturbed(&self) -> Came {
        let turn = self.case.set(&self.scene).await;
        let before = self.look("before").await;
        let answer = run(self.scene.store(), &turn).await.expect("a turn");
        let stands = self.look("once").await;
        let twice = self.again(&turn).await;
        match &turn.door {
            Door::Key => self.same("the answer to the same key", &twice, &Some(answer.clone())),
            Door::Record { .. } => self.same("its position has moved", &twice, &None),
            Door::Lease(_) | Door::Open => {}
        }
        self.lasts("twice", &stands, turn.notes()).await;
        if let Door::Record { .. } = turn.door {
            // Delivered once more: under its own id the inbox knows it, under another the saga does.
            for (from, event) in [(1, "first"), (2, "second")] {
                let from = Some(from);
                let redelivered = Turn {
                    door: Door::Record { from, event },
                    ..turn.clone()
                };
                let told = run(self.scene.store(), &redelivered).await;
                told.expect("a turn");
                let notes = ["journal", "inbox"];
                self.lasts("delivered again", &stands, &notes).await;
            }
        }
        Came {
            answer,
            before: self.named(&before),
            stands: self.named(&stands),
        }
    }

    /// Lets the turn fail in all these ways, one after the other, and then runs it as its door would.
    async fn disturbed(&self, faults: &[Fault], expected: &Came) {
        let turn = self.case.set(&self.scene).await;
        let before = self.look("before").await;
        for fault in faults {
            let crashed = Arc::new(Notify::new());
            let store = Faulty {
                store: self.scene.store(),
                fault: *fault,
                crashed: crashed.clone(),
            };
            tokio::select! {
                told = run(&store, &turn) => {
                    let unavailable = matches!(told, Err(TurnError::Unavailable(_)));
                    assert!(unavailable && !fault.crash, "{fault:?}: {told:?}");
                }
                () = crashed.notified() => assert!(fault.crash, "{fault:?}"),
            }
            let after = format!("{fault:?}");
            if fault.commits() {
                self.look(&after).await;
            } else {
                self.lasts(&after, &before, &[]).await;
            }
        }
        let answer = self.again(&turn).await;
        let after = self.named(&self.look("after all failures").await);
        self.stand_alike("after all failures", &after, &expected.stands, turn.notes());
        if let (Some(answer), Door::Key | Door::Record { .. }) = (answer, &turn.door) {
            self.same("the answer after all failures", &answer, &expected.answer);
        }
    }

    /// Runs the turn as its door would after it had failed: what was committed is not done again.
    async fn again(&self, turn: &Turn) -> Option<String> {
        match run(self.scene.store(), turn).await {
            Ok(answer) => Some(answer),
            Err(TurnError::PositionLost { .. }) => {
                // The consumer reads its position, and the record is behind it.
                let position = self.scene.position().await;
                self.same("the position", &position, &Some(1));
                None
            }
            Err(error) => panic!("{:?}: {error}", self.case),
        }
    }

    /// How everything stands. Every promise holds, and nothing is held.
    async fn look(&self, when: &str) -> Vec<String> {
        let held = self.scene.held().await;
        self.same(&format!("{when}, held"), &held, &Vec::new());
        let books = self.scene.books().await;
        let broken = books.violations();
        self.same(&format!("{when}, broken"), &broken, &Vec::new());
        self.scene.stands(&books).await
    }

    /// Everything stands as before, but for notes that the turn has come again.
    async fn lasts(&self, when: &str, before: &[String], notes: &[&str]) {
        let after = self.look(when).await;
        self.stand_alike(when, &after, before, notes);
    }

    fn stand_alike(&self, when: &str, is: &[String], should: &[String], notes: &[&str]) {
        let (is, should) = (without(is, notes), without(should, notes));
        let (come, gone) = (beside(&is, &should), beside(&should, &is));
        self.same(when, &(come, gone), &<_>::default());
    }

    /// The same in every scene.
    fn named(&self, stands: &[String]) -> Vec<String> {
        let named = |line: &String| self.scene.cast().named(line);
        stands.iter().map(named).collect()
    }

    fn same<T: PartialEq + Debug>(&self, what: &str, is: &T, should: &T) {
        if is != should {
            let wrong = format!("{:?}: {what}: {is:?}, and not {should:?}", self.case);
            self.wrongs.borrow_mut().push(wrong);
        }
    }
}

/// Without the lines of these sorts.
fn without(stands: &[String], sorts: &[&str]) -> Vec<String> {
    let of = |line: &&String| !sorts.iter().any(|sort| line.starts_with(sort));
    stands.iter().filter(of).cloned().collect()
}

/// The lines of `these` that are more than those of `others`.
fn beside(these: &[String], others: &[String]) -> Vec<String> {
    let mut others = others.to_vec();
    let more = |line: &&String| {
        let same = others.iter().position(|other| other == *line);
        same.map(|at| others.swap_remove(at)).is_none()
    };
    these.iter().filter(more).cloned().collect()
}

/// A turn that is not committed leaves its scene as it was, so all such failures share one; one that leaves it
/// committed ends it.
fn failures() -> Vec<Vec<Fault>> {
    let (committed, undone): (Vec<_>, Vec<_>) =
        Fault::all().into_iter().partition(|fault| fault.commits());
    let with = |last: Fault| undone.iter().copied().chain([last]).collect();
    committed.into_iter().map(with).collect()
}

/// What each case comes to in memory.
async fn in_memory(wrongs: &RefCell<Vec<String>>) -> BTreeMap<Case, Came> {
    let mut all = BTreeMap::new();
    for case in Case::all() {
        let trial = async || Trial {
            scene: InMemory::new().await,
            case,
            wrongs,
        };
        let came = trial().await.undisturbed().await;
        for faults in failures() {
            trial().await.disturbed(&faults, &came).await;
        }
        all.insert(case, came);
    }
    all
}

/// Of the cases that write the same in memory, the first goes through PostgreSQL too. Every other of these commits
/// in an answer that is lost, the rest in a crash.
async fn in_postgres(memory: &BTreeMap<Case, Came>, wrongs: &RefCell<Vec<String>>) -> usize {
    let mut seen = BTreeSet::new();
    let different = |(_, came): &(&Case, &Came)| {
        let (before, stands) = (&came.before, &came.stands);
        let written = (beside(stands, before), beside(before, stands));
        seen.insert((without(&written.0, &["journal"]), written.1))
    };
    let cases: Vec<_> = memory.iter().filter(different).collect();
    let count = cases.len();
    let queue = RefCell::new(cases.into_iter().enumerate());
    let lane = async || {
        let store = InPostgres::store().await;
        loop {
            let next = queue.borrow_mut().next();
            let Some((nth, (case, in_memory))) = next else {
                return;
            };
            let trial = async |show: usize| Trial {
                scene: InPostgres::new(store.clone(), show as u64).await,
                case: *case,
                wrongs,
            };
            let first = trial(2 * nth + 1).await;
            let came = first.undisturbed().await;
            let others = "in PostgreSQL, and not in memory";
            first.same(others, &came.answer, &in_memory.answer);
            first.stand_alike(others, &came.stands, &in_memory.stands, &[]);
            let faults = failures().swap_remove(nth % 2);
            trial(2 * nth + 2).await.disturbed(&faults, &came).await;
        }
    };
    futures::future::join_all((0..LANES).map(|_| lane())).await;
    count
}

#[tokio::test]
async fn every_turn_happens_once_however_often_it_fails_on_both_stores() {
    let wrongs = RefCell::default();
    let memory = in_memory(&wrongs).await;
    let in_postgres = in_postgres(&memory, &wrongs).await;
    let wrongs = wrongs.into_inner();
    assert!(
        wrongs.is_empty(),
        "{} wrongs:\n{}",
        wrongs.len(),
        wrongs.join("\n")
    );
    let mut done = BTreeMap::<_, (usize, usize)>::new();
    for (case, came) in &memory {
        if let Case::Happens(_, what, _) = case {
            let (all, effective) = done.entry(*what).or_default();
            *all += 1;
            *effective += usize::from(came.before != came.stands);
        }
    }
    for (what, (all, effective)) in &done {
        println!("{what:?}: {all} turns, {effective} of them change something");
        assert!(*effective > 0, "{what:?} never changes anything");
    }
    let (turns, faults) = (memory.len(), Fault::all().len());
    println!(
        "{turns} turns, each with {faults} failures; {in_postgres} different ones in PostgreSQL too"
    );
}

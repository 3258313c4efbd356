//! Every turn, generically: whatever can happen to a booking, in every situation that a booking can be in, on both
//! stores. Each turn is run twice, fails at every step, crashes before and after its commit, and loses its answer.
//! After each: every promise holds, nothing is held by anybody, and all is as if the turn had been run once.
//!
//! What can happen is the saga's own list ([every]): nothing can be added to it without going through here.

mod cast;
mod every;
mod faulty;
mod scene;
mod turn;

use std::collections::BTreeMap;
use std::sync::Arc;

use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use boxoffice_turn::{TurnError, run};
use time::OffsetDateTime;
use tokio::sync::Notify;

use cast::{Cast, Situation};
use every::{ERRANDS, Happening};
use faulty::{Fault, Faulty};
use scene::{InMemory, InPostgres, Scene};
use turn::{Doing, Door, Turn};

/// Something that happens in a situation: by its place in the list, for its ids are those of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    Happens(Situation, Happening, usize),
    Errand(TaskKind),
}

impl Case {
    fn all() -> Vec<Self> {
        let cast = Cast::of(1_u64.try_into().expect("a show"));
        let mut all = Vec::new();
        for situation in Situation::ALL {
            for what in Happening::ALL {
                let forms = what.inputs(&cast).len();
                all.extend((0..forms).map(|form| Self::Happens(situation, *what, form)));
            }
        }
        all.extend(ERRANDS.iter().map(|kind| Self::Errand(*kind)));
        all
    }

    /// Sets the scene, and gives back the turn that is to be run in it.
    async fn set<S: Scene>(self, scene: &S) -> Turn {
        let cast = scene.cast();
        let (situation, doing) = match self {
            Self::Happens(situation, what, form) => {
                let input = what.inputs(cast).swap_remove(form);
                let booking = match what {
                    Happening::Hold => cast.fresh,
                    _ => cast.booking,
                };
                (situation, Doing::Happens(booking, input))
            }
            Self::Errand(kind) => {
                let task = TaskKey {
                    kind,
                    subject: cast.booking.uuid(),
                    generation: 1,
                };
                (Situation::Held, Doing::Errand(task, kind))
            }
        };
        let turn = Turn::of(cast, doing);
        let mut tasks = Vec::new();
        if let (Door::Lease(key), Doing::Errand(..)) = (&turn.door, &turn.doing) {
            tasks.push(Task {
                key: key.clone(),
                booking: Some(cast.booking),
                due_at: OffsetDateTime::UNIX_EPOCH,
                detail: None,
            });
        }
        scene.play(situation, tasks).await;
        if let Door::Lease(task) = &turn.door {
            scene.lease(task).await;
        }
        turn
    }
}

/// Runs the turn as its door would after it had failed: what was committed is not done again.
async fn again<S: Scene>(scene: &S, turn: &Turn) -> Option<String> {
    match run(scene.store(), turn).await {
        Ok(answer) => Some(answer),
        Err(TurnError::PositionLost { .. }) => {
            // The consumer reads its position, and the record is behind it.
            assert_eq!(scene.position().await, Some(1));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// What may not change when a turn comes again. That it came is noted in the journal, where nothing keeps it from
/// coming; that a record came under another id, in the inbox too.
fn lasting(stands: &[String], noted: &[&str]) -> Vec<String> {
    let lasts = |line: &&String| !noted.iter().any(|note| line.starts_with(note));
    stands.iter().filter(lasts).cloned().collect()
}

/// What must be true after everything.
async fn check<S: Scene>(scene: &S, case: Case, after: &str) {
    let held = scene.held().await;
    let broken = scene.books().await.violations();
    assert!(
        held.is_empty() && broken.is_empty(),
        "{case:?}, {after}: {held:?} {broken:?}"
    );
}

/// Runs the turn once, and then again in all ways in which it may come again. What it has come to.
async fn undisturbed<S: Scene>(scene: &S, case: Case) -> (String, Vec<String>) {
    let turn = case.set(scene).await;
    let answer = run(scene.store(), &turn).await.expect("a turn");
    check(scene, case, "once").await;
    let stands = scene.stands().await;
    let twice = again(scene, &turn).await;
    check(scene, case, "twice").await;
    match &turn.door {
        Door::Key => assert_eq!(twice.as_ref(), Some(&answer), "{case:?}: the same answer"),
        Door::Record { .. } => assert_eq!(twice, None, "{case:?}: its position has moved"),
        Door::Lease(_) | Door::Open => {}
    }
    let after = lasting(&scene.stands().await, turn.notes());
    assert_eq!(after, lasting(&stands, turn.notes()), "{case:?}, twice");
    if let Door::Record { .. } = turn.door {
        // Delivered once more: under its own id the inbox knows it, under another the saga does.
        for (from, event) in [(1, "first"), (2, "second")] {
            let redelivered = Turn {
                door: Door::Record {
                    from: Some(from),
                    event,
                },
                ..turn.clone()
            };
            run(scene.store(), &redelivered).await.expect("a turn");
            check(scene, case, "delivered again").await;
            let noted = ["journal", "inbox"];
            let after = lasting(&scene.stands().await, &noted);
            assert_eq!(after, lasting(&stands, &noted), "{case:?}, delivered again");
        }
    }
    (answer, stands)
}

/// Lets the turn fail in every way, and then runs it again.
async fn disturbed<S: Scene>(
    scene: &S,
    case: Case,
    faults: &[Fault],
    expected: &(String, Vec<String>),
) {
    let turn = case.set(scene).await;
    let before = scene.stands().await;
    for fault in faults {
        let crashed = Arc::new(Notify::new());
        let store = Faulty {
            store: scene.store(),
            fault: *fault,
            crashed: crashed.clone(),
        };
        let after = format!("{fault:?}");
        tokio::select! {
            told = run(&store, &turn) => {
                assert!(!fault.crash && matches!(told, Err(TurnError::Unavailable(_))), "{case:?}, {after}: {told:?}");
            }
            () = crashed.notified() => assert!(fault.crash),
        }
        check(scene, case, &after).await;
        if !fault.commits() {
            assert_eq!(
                scene.stands().await,
                before,
                "{case:?}, {after}: nothing has happened"
            );
        }
    }
    let answer = again(scene, &turn).await;
    check(scene, case, "after all failures").await;
    let stands = lasting(&scene.stands().await, turn.notes());
    let once = lasting(&expected.1, turn.notes());
    assert_eq!(stands, once, "{case:?}, after all failures");
    if let (Some(answer), Door::Key | Door::Record { .. }) = (answer, &turn.door) {
        assert_eq!(answer, expected.0, "{case:?}, after all failures");
    }
}

/// What each case has come to.
type Came = BTreeMap<Case, (String, Vec<String>)>;

async fn every_case<S: Scene>(scene: impl AsyncFn() -> S) -> Came {
    // A turn that is not committed leaves its scene as it was, so all such failures share one; each of those that
    // leave it committed needs its own.
    let (committed, undone): (Vec<_>, Vec<_>) =
        Fault::all().into_iter().partition(|fault| fault.commits());
    let mut came = Came::new();
    for case in Case::all() {
        let expected = undisturbed(&scene().await, case).await;
        for last in &committed {
            let faults: Vec<_> = undone.iter().chain([last]).copied().collect();
            disturbed(&scene().await, case, &faults, &expected).await;
        }
        came.insert(case, expected);
    }
    came
}

#[tokio::test]
async fn every_turn_happens_once_however_often_it_fails_on_both_stores() {
    let memory = every_case(InMemory::new).await;
    let store = InPostgres::store().await;
    let nth = std::cell::Cell::new(0);
    let postgres = every_case(async || {
        nth.set(nth.get() + 1);
        InPostgres::new(store.clone(), nth.get()).await
    });
    let postgres = postgres.await;
    let mut done = BTreeMap::<_, (usize, usize)>::new();
    for (case, came) in &memory {
        assert_eq!(
            postgres[case], *came,
            "{case:?}: in PostgreSQL and in memory"
        );
        if let Case::Happens(_, what, _) = case {
            let (all, some) = done.entry(*what).or_default();
            *all += 1;
            *some += usize::from(!came.0.starts_with("Refused"));
        }
    }
    for (what, (all, effective)) in &done {
        println!("{what:?}: {all} turns, {effective} of them not refused");
        assert!(*effective > 0, "{what:?} is always refused");
    }
    println!(
        "{} turns, each with {} failures on both stores",
        memory.len(),
        Fault::all().len()
    );
}

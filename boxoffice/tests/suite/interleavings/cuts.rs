//! A turn whose session is cut, before or after any of its statements, and that comes again.

use std::cell::RefCell;

use super::acts::Act;
use super::race::{Cut, alone};
use super::ring::{Ring, Scene, Standing};
use super::{RINGS, outcome};

/// Runs the turn with a cut, and then again, as whoever got no answer does.
async fn cut_and_again(ring: &Ring, scene: &Scene, act: Act, cut: Cut) -> String {
    let (answer, _) = alone(ring, scene, act, Some(cut)).await;
    match act {
        // The executor has kept on by itself until the answer was written.
        Act::Expire => answer,
        _ => alone(ring, scene, act, None).await.0,
    }
}

/// How many cuts it had.
async fn try_all(ring: &Ring, standing: Standing, act: Act) -> usize {
    let scene = ring.scene(standing).await;
    let (answer, statements) = alone(ring, &scene, act, None).await;
    let once = outcome::of(ring, &scene).await;
    for at in 0..statements {
        for done in [false, true] {
            let cut = Cut { at, done };
            let scene = ring.scene(standing).await;
            let again = cut_and_again(ring, &scene, act, cut).await;
            let wrongs = outcome::wrongs(ring, &scene).await;
            assert!(
                wrongs.is_empty(),
                "{standing:?}, {act:?}, {cut:?}: {wrongs:#?}"
            );
            let stands = outcome::of(ring, &scene).await;
            assert_eq!(stands, once, "{standing:?}, {act:?}, {cut:?}");
            // A consumer that comes again after its commit finds its position moved.
            if act != Act::Confirm {
                assert_eq!(again, answer, "{standing:?}, {act:?}, {cut:?}");
            }
        }
    }
    2 * statements
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_cut_at_any_statement_and_comes_again_happens_once() {
    let turns = Act::ALL
        .into_iter()
        .filter(|act| *act != Act::HoldToo)
        .map(|act| (Standing::Late, act))
        .chain([
            (Standing::Paid, Act::Cancel),
            (Standing::Paid, Act::Confirm),
        ]);
    let turns = RefCell::new(turns.collect::<Vec<_>>());
    let rings = (0..RINGS).map(|_| async {
        let ring = Ring::new().await;
        let mut cuts = 0;
        loop {
            let next = turns.borrow_mut().pop();
            let Some((standing, act)) = next else {
                return cuts;
            };
            cuts += try_all(&ring, standing, act).await;
        }
    });
    let cuts: usize = futures::future::join_all(rings).await.into_iter().sum();
    println!("{cuts} cuts");
    assert!(cuts > 100, "hardly a statement was seen");
}

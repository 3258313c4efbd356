use std::collections::BTreeSet;
use std::sync::Mutex;

use super::*;
use crate::position::Assignment;
use crate::record::Record;

/// A database row per partition, and what befalls those who write it.
#[derive(Default)]
struct Fake {
    poison: BTreeSet<i64>,
    outages: Mutex<u32>,
    lost: Vec<Partition>,
    dead_letter_refused: Mutex<u32>,
    positions: Mutex<std::collections::BTreeMap<i32, i64>>,
    dead: Mutex<Vec<i64>>,
    decided: Mutex<Vec<i64>>,
}

impl Fake {
    fn step(&self, run: &Run) {
        let mut positions = self.positions.lock().unwrap();
        let position = positions.entry(run.partition.number).or_insert(0);
        assert_eq!(
            Some(*position),
            run.from,
            "the compare-and-set would have found no row"
        );
        *position = run.to;
    }
}

fn take_one(count: &Mutex<u32>) -> bool {
    let mut count = count.lock().unwrap();
    let was = *count;
    *count = was.saturating_sub(1);
    was > 0
}

impl Handler for Fake {
    async fn turn(&self, batch: &Batch) -> Result<(), TurnFailed> {
        tokio::task::yield_now().await;
        if take_one(&self.outages) {
            return Err(TurnFailed::Unavailable("outage".into()));
        }
        if batch
            .runs
            .iter()
            .any(|run| self.lost.contains(&run.partition))
        {
            return Err(TurnFailed::PositionLost(self.lost.clone()));
        }
        if batch
            .records()
            .any(|(_, record)| self.poison.contains(&record.offset))
        {
            return Err(TurnFailed::Data("22P05".into()));
        }
        batch.runs.iter().for_each(|run| self.step(run));
        self.decided
            .lock()
            .unwrap()
            .extend(batch.records().map(|(_, record)| record.offset));
        Ok(())
    }

    async fn dead_letter(&self, run: &Run, reason: &str) -> Result<(), TurnFailed> {
        tokio::task::yield_now().await;
        assert_eq!((run.records.len(), reason), (1, "22P05"));
        if take_one(&self.dead_letter_refused) {
            return Err(TurnFailed::Data("23505".into()));
        }
        self.step(run);
        self.dead.lock().unwrap().push(run.records[0].offset);
        Ok(())
    }
}

fn run(number: i32, offsets: &[i64]) -> Run {
    let record = |&offset| Record::new::<&str, &[u8]>(offset, None, None, &[], &[]);
    let records = offsets.iter().map(record).collect();
    Run::new(
        Partition::new("t", number),
        Assignment::new(1),
        1,
        Some(0),
        records,
    )
    .unwrap()
}

async fn decide(fake: &Fake, runs: Vec<Run>) -> Outcome {
    let shutdown = CancellationToken::new();
    let turns = Turns {
        handler: fake,
        group: "g",
        longest_pause: Duration::from_millis(1),
        shutdown: &shutdown,
    };
    turns.decide(Batch { runs }).await
}

#[tokio::test]
async fn only_the_guilty_are_put_aside_and_every_position_moves_without_a_seam() {
    let fake = Fake {
        poison: [5, 6, 9].into(),
        ..Fake::default()
    };
    let offsets: Vec<i64> = (3..12).collect();
    let outcome = decide(&fake, vec![run(0, &offsets), run(1, &[0, 1])]).await;
    assert_eq!(*fake.dead.lock().unwrap(), [5, 6, 9]);
    assert_eq!(fake.decided.lock().unwrap().len(), 8);
    assert_eq!(*fake.positions.lock().unwrap(), [(0, 12), (1, 2)].into());
    assert!(outcome.lost.is_empty());
    assert_eq!(
        outcome.steps.iter().map(|step| step.records).sum::<usize>(),
        11
    );
}

#[tokio::test]
async fn a_lone_record_is_refused_twice_before_it_is_put_aside() {
    struct Once(Mutex<u32>);
    impl Handler for Once {
        async fn turn(&self, _: &Batch) -> Result<(), TurnFailed> {
            tokio::task::yield_now().await;
            if take_one(&self.0) {
                Err(TurnFailed::Data("22".into()))
            } else {
                Ok(())
            }
        }
        async fn dead_letter(&self, _: &Run, _: &str) -> Result<(), TurnFailed> {
            tokio::task::yield_now().await;
            panic!("it did not repeat");
        }
    }
    let shutdown = CancellationToken::new();
    let once = Once(Mutex::new(1));
    let turns = Turns {
        handler: &once,
        group: "g",
        longest_pause: Duration::from_millis(1),
        shutdown: &shutdown,
    };
    assert_eq!(
        turns
            .decide(Batch {
                runs: vec![run(0, &[0])]
            })
            .await
            .steps
            .len(),
        1
    );
}

#[tokio::test]
async fn an_outage_puts_nothing_aside() {
    let fake = Fake {
        outages: Mutex::new(20),
        ..Fake::default()
    };
    let outcome = decide(&fake, vec![run(0, &[0, 1, 2])]).await;
    assert!(fake.dead.lock().unwrap().is_empty());
    assert_eq!(outcome.steps[0].to, 3);
}

#[tokio::test]
async fn a_lost_partition_does_not_keep_the_others() {
    let fake = Fake {
        lost: vec![Partition::new("t", 0)],
        ..Fake::default()
    };
    let outcome = decide(&fake, vec![run(0, &[0]), run(1, &[0])]).await;
    assert_eq!(outcome.lost, [(Partition::new("t", 0), 1)]);
    assert_eq!(outcome.steps.len(), 1);
    assert_eq!(outcome.steps[0].partition.number, 1);
}

#[tokio::test]
async fn what_was_revoked_is_not_tried_again() {
    let fake = Fake {
        outages: Mutex::new(u32::MAX),
        ..Fake::default()
    };
    let run = run(0, &[0]);
    let assignment = run.assignment.clone();
    let ending = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assignment.end();
    };
    let (outcome, ()) = tokio::join!(decide(&fake, vec![run]), ending);
    assert!(outcome.steps.is_empty() && outcome.lost.is_empty());
}

#[tokio::test]
async fn a_shutdown_ends_the_waiting() {
    let fake = Fake {
        outages: Mutex::new(u32::MAX),
        ..Fake::default()
    };
    let shutdown = CancellationToken::new();
    let turns = Turns {
        handler: &fake,
        group: "g",
        longest_pause: Duration::from_secs(60),
        shutdown: &shutdown,
    };
    let ending = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        shutdown.cancel();
    };
    let (outcome, ()) = tokio::join!(
        turns.decide(Batch {
            runs: vec![run(0, &[0])]
        }),
        ending
    );
    assert!(outcome.steps.is_empty());
}

#[tokio::test]
async fn what_cannot_be_put_aside_waits_and_is_not_passed() {
    let fake = Fake {
        poison: [1].into(),
        dead_letter_refused: Mutex::new(3),
        ..Fake::default()
    };
    let outcome = decide(&fake, vec![run(0, &[0, 1, 2])]).await;
    assert_eq!(*fake.dead.lock().unwrap(), [1]);
    assert_eq!(outcome.steps.last().unwrap().to, 3);
}

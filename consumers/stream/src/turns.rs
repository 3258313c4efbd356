//! One batch through the handler, whatever it takes: retried, halved, dead-lettered, or lost.

use std::error::Error;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio_util::sync::CancellationToken;

use crate::handler::{Handler, TurnFailed};
use crate::metric;
use crate::position::Partition;
use crate::record::{Batch, Run};

/// Pauses that grow from 50 ms to `longest`, each with up to as much again at random; without an end.
pub(crate) fn backoff(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50).min(longest))
        .with_max_delay(longest)
        // Without a seed of its own the jitter is the same in every process, and so none.
        .with_jitter()
        .with_jitter_seed(rand::random())
        .without_max_times()
        .build()
}

/// A step of a partition's position that was committed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) partition: Partition,
    pub(crate) generation: u64,
    pub(crate) to: i64,
    pub(crate) records: usize,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What was committed, in order.
    pub(crate) steps: Vec<Step>,
    /// Partitions, by assignment, that do not stand where we believed.
    pub(crate) lost: Vec<(Partition, u64)>,
}

/// Makes turns of batches.
pub(crate) struct Turns<'a, H> {
    pub(crate) handler: &'a H,
    pub(crate) group: &'a str,
    pub(crate) longest_pause: Duration,
    pub(crate) shutdown: &'a CancellationToken,
}

/// So often a record that stands alone is tried again before it is put aside: what was only a race does not
/// repeat.
const REFUSED_ALONE: u32 = 1;

/// A part of a batch, and how often the database refused its data since it stands alone.
struct Part {
    batch: Batch,
    refused: u32,
}

impl<H: Handler> Turns<'_, H> {
    /// Decides the batch. Comes back when every record is committed, or no longer ours to commit; or, on
    /// shutdown, when the attempt under way has ended.
    pub(crate) async fn decide(&self, batch: Batch) -> Outcome {
        let mut outcome = Outcome::default();
        let mut pauses = backoff(self.longest_pause);
        let mut troubled = false;
        let mut todo = vec![Part { batch, refused: 0 }];
        while let Some(mut part) = todo.pop() {
            part.batch.runs.retain(|run| still_ours(run, &outcome));
            if part.batch.is_empty() {
                continue;
            }
            let failed = match self.attempt(&part).await {
                Ok(()) => {
                    if std::mem::take(&mut troubled) {
                        tracing::info!(group = self.group, "turns succeed again");
                    }
                    pauses = backoff(self.longest_pause);
                    outcome.steps.extend(part.batch.runs.iter().map(step));
                    continue;
                }
                Err(failed) => failed,
            };
            let kind = kind_of(&failed);
            metrics::counter!(metric::TURN_FAILURES, "group" => self.group.to_owned(), "kind" => kind).increment(1);
            match failed {
                TurnFailed::PositionLost(partitions) => {
                    let lost = part.batch.runs.iter().filter(|run| lost(run, &partitions));
                    let before = outcome.lost.len();
                    outcome.lost.extend(
                        lost.map(|run| (run.partition.clone(), run.assignment.generation())),
                    );
                    if outcome.lost.len() == before {
                        // It names partitions that the batch does not have: as if it named none.
                        let all = part.batch.runs.iter();
                        outcome.lost.extend(
                            all.map(|run| (run.partition.clone(), run.assignment.generation())),
                        );
                    }
                    todo.push(part);
                }
                TurnFailed::Data(error) if part.batch.len() > 1 => {
                    tracing::warn!(
                        group = self.group,
                        records = part.batch.len(),
                        error = chain(error.as_ref()),
                        "the database refused a batch's data; halving it"
                    );
                    let (first, second) = part.batch.halve();
                    todo.push(Part {
                        batch: second,
                        refused: 0,
                    });
                    todo.push(Part {
                        batch: first,
                        refused: 0,
                    });
                }
                TurnFailed::Data(error) if part.refused < REFUSED_ALONE => {
                    let error = chain(error.as_ref());
                    tracing::warn!(
                        group = self.group,
                        error,
                        "the database refused a record; trying it once more"
                    );
                    todo.push(Part {
                        refused: part.refused + 1,
                        ..part
                    });
                    if !self.pause(&mut pauses).await {
                        return outcome;
                    }
                }
                TurnFailed::Data(error) => {
                    let reason = chain(error.as_ref());
                    self.dead_letter(part, &reason, &mut outcome).await;
                }
                TurnFailed::Unavailable(error) => {
                    if !std::mem::replace(&mut troubled, true) {
                        let error = chain(error.as_ref());
                        tracing::warn!(
                            group = self.group,
                            error,
                            "a turn failed; trying again until it succeeds"
                        );
                    }
                    todo.push(part);
                    if !self.pause(&mut pauses).await {
                        return outcome;
                    }
                }
            }
        }
        outcome
    }

    async fn attempt(&self, part: &Part) -> Result<(), TurnFailed> {
        self.handler.turn(&part.batch).await
    }

    /// Puts a single record aside, until that is done, or no longer ours to do.
    async fn dead_letter(&self, part: Part, reason: &str, outcome: &mut Outcome) {
        let group = self.group;
        let mut pauses = backoff(self.longest_pause);
        let mut alarmed = false;
        for run in &part.batch.runs {
            let offset = run.records.first().map(|record| record.offset);
            while still_ours(run, outcome) {
                match self.handler.dead_letter(run, reason).await {
                    Ok(()) => {
                        tracing::error!(group, partition = %run.partition, offset, reason, "a record was dead-lettered");
                        metrics::counter!(metric::DEAD_LETTERS, "group" => group.to_owned())
                            .increment(1);
                        outcome.steps.push(step(run));
                        break;
                    }
                    Err(TurnFailed::PositionLost(_)) => {
                        outcome
                            .lost
                            .push((run.partition.clone(), run.assignment.generation()));
                        break;
                    }
                    Err(TurnFailed::Data(error)) => {
                        if !std::mem::replace(&mut alarmed, true) {
                            let error = chain(error.as_ref());
                            tracing::error!(group, partition = %run.partition, offset, error,
                                "a record can be neither decided nor put aside; its partition stands still");
                            metrics::counter!(metric::ALARMS, "group" => group.to_owned(), "kind" => "dead_letter_refused")
                                .increment(1);
                        }
                    }
                    Err(TurnFailed::Unavailable(_)) => {}
                }
                if !self.pause(&mut pauses).await {
                    return;
                }
            }
        }
    }

    /// Waits before the next attempt. `false`: there is to be none.
    async fn pause(&self, pauses: &mut ExponentialBackoff) -> bool {
        let pause = pauses.next().unwrap_or(self.longest_pause);
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

fn still_ours(run: &Run, outcome: &Outcome) -> bool {
    run.assignment.is_present()
        && !outcome.lost.iter().any(|(partition, generation)| {
            *partition == run.partition && *generation == run.assignment.generation()
        })
}

fn lost(run: &Run, partitions: &[Partition]) -> bool {
    partitions.is_empty() || partitions.contains(&run.partition)
}

fn step(run: &Run) -> Step {
    Step {
        partition: run.partition.clone(),
        generation: run.assignment.generation(),
        to: run.to,
        records: run.records.len(),
    }
}

fn kind_of(failed: &TurnFailed) -> &'static str {
    match failed {
        TurnFailed::PositionLost(_) => "position_lost",
        TurnFailed::Data(_) => "data",
        TurnFailed::Unavailable(_) => "unavailable",
    }
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;

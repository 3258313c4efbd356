//! The tokio side of a stream: it claims, gathers, makes turns, and tells the thread what to do.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::future::OptionFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::asking::{Answer, Asking, claim, complain, pause};
use crate::error::StreamError;
use crate::handler::Handler;
use crate::intake::{Command, Intake, Told};
use crate::lag::Reach;
use crate::metric;
use crate::options::StreamOptions;
use crate::ownership::{Order, Ownership};
use crate::position::{Owned, Partition, Positions};
use crate::reachable::Reachable;
use crate::record::{Batch, Record, Run};
use crate::turns::{Outcome, Turns};

/// Consumes until `shutdown`: joins the group, claims what it is given, and gives what arrives to `handler`,
/// one turn at a time over all partitions. While one turn runs, the next batch gathers; an idle stream adds
/// no latency.
///
/// On `shutdown` the attempt under way is finished, the group is told where we stand, and left: at most the
/// attempt's own time and 7 s. Dropping the future instead drops the turn where it is and leaves the group
/// in the background; nothing is lost by it, for positions only move with commits.
///
/// # Errors
/// [`StreamError`]: only what cannot get better by itself. Outages of Kafka and of the database are none.
pub async fn run<P: Positions, H: Handler>(
    options: StreamOptions,
    positions: P,
    handler: H,
    shutdown: CancellationToken,
) -> Result<(), StreamError> {
    options.validate()?;
    let reachable = Arc::new(Reachable::new(options.client_id.clone()));
    let reach =
        Reach::new(&options.lag_config(), Arc::clone(&reachable)).map_err(StreamError::Start)?;
    let intake = Intake::start(&options, reachable)?;
    let turns = Turns {
        handler: &handler,
        group: &options.group,
        longest_pause: options.backoff_max,
        shutdown: &shutdown,
    };
    let mut owner = Owner {
        options: &options,
        positions: &positions,
        reach,
        intake,
        ownership: Ownership::default(),
        queues: BTreeMap::new(),
        asking: FuturesUnordered::new(),
        rotation: 0,
    };
    let ended = owner.drive(&turns, &shutdown).await;
    let Owner { intake, .. } = owner;
    intake.leave().await;
    ended
}

struct Owner<'a, P> {
    options: &'a StreamOptions,
    positions: &'a P,
    reach: Reach,
    intake: Intake,
    ownership: Ownership,
    /// What has arrived, by partition, with the generation of the assignment that it arrived under.
    queues: BTreeMap<Partition, (u64, Receiver<Record>)>,
    asking: FuturesUnordered<Asking<'a>>,
    /// Which partition the next batch begins with, so that none starves.
    rotation: usize,
}

impl<'a, P: Positions> Owner<'a, P> {
    async fn drive<H: Handler>(
        &mut self,
        turns: &Turns<'a, H>,
        shutdown: &CancellationToken,
    ) -> Result<(), StreamError> {
        let mut lag_due = interval(self.options.lag_interval);
        lag_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let arrived = Arc::clone(&self.intake.arrived);
        let mut turn: Option<Pin<Box<_>>> = None;
        let mut started = Instant::now();
        let mut waiting: Option<Instant> = None;
        let mut due: Option<Instant> = None;
        let mut rested: Option<Instant> = None;
        loop {
            if turn.is_none() {
                if shutdown.is_cancelled() {
                    return Ok(());
                }
                waiting = self.waiting_since(waiting);
                due = waiting.map(|since| {
                    let gathered = since + self.options.gathers_here();
                    rested.map_or(gathered, |rested| rested.max(gathered))
                });
                let ready = due.is_some_and(|due| due <= Instant::now());
                if (ready || self.is_full())
                    && let Some(batch) = self.gather()
                {
                    waiting = None;
                    self.histogram(metric::BATCH, batch.len());
                    started = Instant::now();
                    turn = Some(Box::pin(turns.decide(batch)));
                }
            }
            tokio::select! {
                told = self.intake.told.recv() => match told {
                    Some(Told::Fatal(code)) => return Err(StreamError::Fatal(code)),
                    Some(told) => self.told(told),
                    None => return Err(StreamError::ThreadGone),
                },
                Some(outcome) = OptionFuture::from(turn.as_mut()) => {
                    turn = None;
                    let took = started.elapsed();
                    rested = Some(Instant::now() + (self.options.breath)(took));
                    metrics::histogram!(metric::TURN_SECONDS, "group" => self.options.group.clone())
                        .record(took);
                    self.turned(outcome);
                }
                Some(answer) = self.asking.next(), if !self.asking.is_empty() => self.answered(answer),
                () = arrived.notified(), if turn.is_none() => {}
                () = until(due), if turn.is_none() => {}
                _ = lag_due.tick() => {
                    self.ask_ends();
                    if turn.is_none() {
                        self.look();
                    }
                }
                () = shutdown.cancelled(), if turn.is_none() => {}
            }
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Assigned(partition, assignment) => {
                let order = self.ownership.assigned(partition.clone(), assignment);
                self.carry_out(partition, Some(order));
            }
            Told::Revoked(partition, generation) => {
                self.ownership.revoked(&partition, generation);
                if self
                    .queues
                    .get(&partition)
                    .is_some_and(|(of, _)| *of <= generation)
                {
                    self.queues.remove(&partition);
                }
                // Whoever has it now measures it.
                self.lag(&partition, 0);
                self.note_running();
            }
            Told::Jumped {
                partition,
                expected,
                found,
            } => {
                let reach = self.reach.clone();
                self.asking.push(Box::pin(async move {
                    let answer = reach.beginnings(vec![partition.clone()]).await;
                    let beginning = answer
                        .ok()
                        .and_then(|answer| answer.first().map(|(_, offset)| *offset));
                    Answer::Jumped {
                        partition,
                        expected,
                        found,
                        beginning,
                    }
                }));
            }
            // The caller ends on it.
            Told::Fatal(_) => {}
        }
    }

    fn carry_out(&mut self, partition: Partition, order: Option<Order>) {
        let longest = self.options.backoff_max;
        let (positions, group) = (self.positions, self.options.group.as_str());
        match order {
            None => {}
            Some(Order::Claim {
                assignment,
                attempt,
            }) => self.asking.push(Box::pin(async move {
                pause(attempt, longest).await;
                claim(positions, group, partition, assignment, attempt).await
            })),
            Some(Order::Read {
                assignment,
                attempt,
            }) => self.asking.push(Box::pin(async move {
                pause(attempt, longest).await;
                if !assignment.is_present() {
                    return Answer::Void;
                }
                let row = positions.read(group, &partition).await;
                let row = row.map_err(|error| complain(group, &partition, &error, attempt));
                Answer::Read(partition, assignment.generation(), row)
            })),
            Some(Order::Start { assignment, owned }) => {
                self.start(partition, assignment.generation(), owned)
            }
        }
    }

    fn start(&mut self, partition: Partition, generation: u64, owned: Owned) {
        let Owned {
            next_offset: offset,
            epoch,
        } = owned;
        tracing::info!(group = self.options.group, %partition, epoch, offset, generation, "records flow");
        let (records, queue) = channel(self.options.queue);
        self.queues.insert(partition.clone(), (generation, queue));
        // A thread that is gone is noticed at its other channel.
        let _ = self.intake.commands.send(Command::Start {
            partition,
            generation,
            offset,
            records,
        });
        self.note_running();
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Claimed(partition, generation, row) => {
                let order = self.ownership.claimed(&partition, generation, row);
                self.carry_out(partition, order);
            }
            Answer::Read(partition, generation, row) => {
                let order = self.ownership.read(&partition, generation, row);
                self.carry_out(partition, order);
            }
            Answer::Looked(partition, generation, believed, row) => {
                let order = self.ownership.looked(&partition, generation, believed, row);
                if order.is_some() {
                    tracing::warn!(group = self.options.group, %partition, "the stored position was set back");
                    self.queues.remove(&partition);
                    self.carry_out(partition, order);
                    self.note_running();
                }
            }
            Answer::Ends(ends) => {
                let positions: BTreeMap<_, _> = self.ownership.all_running().collect();
                for (partition, end) in &ends {
                    if let Some(position) = positions.get(partition) {
                        self.lag(partition, end - position.unwrap_or(0));
                    }
                }
            }
            Answer::Jumped {
                partition,
                expected,
                found,
                beginning,
            } => {
                self.jumped(&partition, expected, found, beginning);
            }
            Answer::Void => {}
        }
    }

    /// Says that records were skipped, or come again. Nothing can be done about it here: the log is what it is.
    fn jumped(&self, partition: &Partition, expected: i64, found: i64, beginning: Option<i64>) {
        let group = self.options.group.as_str();
        let cut = found < expected || beginning.is_some_and(|beginning| beginning > expected);
        let kind = if cut { "out_of_range" } else { "gap" };
        metrics::counter!(metric::ALARMS, "group" => group.to_owned(), "kind" => kind).increment(1);
        if cut {
            tracing::error!(group, %partition, position = expected, found, beginning,
                "the position is not in the log (any more); going on from the log's beginning");
        } else {
            tracing::warn!(group, %partition, position = expected, found, "the log has a gap");
        }
    }

    fn turned(&mut self, outcome: Outcome) {
        let mut records = 0;
        for step in outcome.steps {
            records += step.records;
            if self
                .ownership
                .committed(&step.partition, step.generation, step.to)
            {
                let (partition, generation) = (step.partition, step.generation);
                let _ = self.intake.commands.send(Command::Stands {
                    partition,
                    generation,
                    offset: step.to,
                });
            }
        }
        metrics::counter!(metric::RECORDS, "group" => self.options.group.clone())
            .increment(u64::try_from(records).unwrap_or(0));
        for (partition, generation) in outcome.lost {
            tracing::warn!(group = self.options.group, %partition, "the stored position is not what we believed");
            if let Some(order) = self.ownership.lost(&partition, generation) {
                self.queues.remove(&partition);
                self.carry_out(partition, Some(order));
                self.note_running();
            }
        }
    }

    /// Since when something waits for its turn: `since`, if that is known.
    fn waiting_since(&self, since: Option<Instant>) -> Option<Instant> {
        let any = self.queues.values().any(|(_, queue)| !queue.is_empty());
        any.then(|| since.unwrap_or_else(Instant::now))
    }

    /// Whether what waits is as much as a turn takes.
    fn is_full(&self) -> bool {
        let waiting: usize = self.queues.values().map(|(_, queue)| queue.len()).sum();
        waiting >= self.options.batch_max
    }

    /// What has arrived, as one batch: first a fair share of each partition, then more of whoever has more.
    fn gather(&mut self) -> Option<Batch> {
        let StreamOptions {
            batch_max,
            batch_bytes,
            ..
        } = *self.options;
        let mut waiting: Vec<_> = self
            .queues
            .iter_mut()
            .filter(|(_, (_, queue))| !queue.is_empty())
            .map(|(p, q)| (p, q, vec![]))
            .collect();
        if waiting.is_empty() {
            return None;
        }
        self.rotation = self.rotation.wrapping_add(1);
        let (first, count) = (self.rotation % waiting.len(), waiting.len());
        waiting.rotate_left(first);
        let (mut room, mut bytes) = (batch_max, 0);
        for share in [(batch_max / count).max(1), batch_max] {
            for (_, (_, queue), records) in &mut waiting {
                for _ in 0..share {
                    if room == 0 || bytes >= batch_bytes {
                        break;
                    }
                    let Ok(record) = queue.try_recv() else { break };
                    (room, bytes) = (room - 1, bytes + record.weight());
                    records.push(record);
                }
            }
        }
        let ownership = &self.ownership;
        let runs = waiting
            .into_iter()
            .filter_map(|(partition, (generation, _), records)| {
                let (assignment, Owned { next_offset, epoch }) = ownership.running(partition)?;
                // What arrived under an older assignment is nobody's any more.
                let assignment =
                    (assignment.generation() == *generation).then(|| assignment.clone())?;
                Run::new(partition.clone(), assignment, epoch, next_offset, records)
            });
        let mut runs: Vec<Run> = runs.collect();
        runs.sort_by(|one, other| one.partition.cmp(&other.partition));
        (!runs.is_empty()).then_some(Batch { runs })
    }

    /// Looks whether the rows of partitions to which nothing comes still say what we believe.
    fn look(&mut self) {
        let idle: Vec<_> = self
            .queues
            .iter()
            .filter(|(_, (_, queue))| queue.is_empty())
            .filter_map(|(partition, (generation, _))| {
                let (assignment, owned) = self.ownership.running(partition)?;
                (assignment.generation() == *generation)
                    .then(|| (partition.clone(), *generation, owned))
            })
            .collect();
        let (positions, group) = (self.positions, self.options.group.as_str());
        for (partition, generation, believed) in idle {
            self.asking.push(Box::pin(async move {
                // Without an answer, the next turn or the next look finds out.
                match positions.read(group, &partition).await {
                    Ok(row) => Answer::Looked(partition, generation, believed, row),
                    Err(_) => Answer::Void,
                }
            }));
        }
    }

    fn ask_ends(&mut self) {
        let partitions: Vec<_> = self
            .ownership
            .all_running()
            .map(|(partition, _)| partition.clone())
            .collect();
        if partitions.is_empty() {
            return;
        }
        let reach = self.reach.clone();
        self.asking.push(Box::pin(async move {
            // Without an answer the gauges stay as they are; that brokers are down is said elsewhere.
            reach
                .ends(partitions)
                .await
                .map_or(Answer::Void, Answer::Ends)
        }));
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn lag(&self, partition: &Partition, records: i64) {
        metrics::gauge!(
            metric::LAG,
            "group" => self.options.group.clone(),
            "topic" => partition.topic.to_string(),
            "partition" => partition.number.to_string()
        )
        .set(records.max(0) as f64);
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn note_running(&self) {
        let running = self.ownership.all_running().count();
        metrics::gauge!(metric::OWNED, "group" => self.options.group.clone()).set(running as f64);
    }

    #[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
    fn histogram(&self, name: &'static str, value: usize) {
        metrics::histogram!(name, "group" => self.options.group.clone()).record(value as f64);
    }
}

/// Returns when a turn is due; never, if nothing waits.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

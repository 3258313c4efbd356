//! The thread that owns the Kafka consumer. It only ever polls: nothing it does waits for a database, and a
//! full queue means a paused partition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use boxoffice_failpoints::{self as failpoints, Failpoint};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::flow::{Flow, Taken};
use crate::intake::{Command, Told};
use crate::metric;
use crate::position::{Assignment, Partition};
use crate::reachable::Reachable;
use crate::rebalance::{Happened, Named, Rebalances};

/// How long a poll waits while nothing is due, and so how long a command waits at most.
const QUIET: Duration = Duration::from_millis(40);
/// The same while something is due: a seek to be made, a queue that may have drained.
const BUSY: Duration = Duration::from_millis(5);
/// After so many records the tokio side is told, and commands are looked at.
const BURST: usize = 512;
/// How often the group is told our offsets. For lag tools only.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// A seek only waits for librdkafka's own thread, not for a broker.
const SEEK_WITHIN: Duration = Duration::from_millis(500);
/// How long the thread waits at most for the answer to a question that is only to wake librdkafka.
const WAKE_WITHIN: Duration = Duration::from_millis(5);

/// A partition that is ours.
pub(crate) struct Slot {
    partition: Partition,
    assignment: Assignment,
    flow: Flow,
}

/// What the thread owns.
pub(crate) struct Thread {
    pub(crate) consumer: BaseConsumer<Rebalances>,
    pub(crate) group: String,
    pub(crate) orders: mpsc::Receiver<Command>,
    pub(crate) told: UnboundedSender<Told>,
    pub(crate) arrived: Arc<Notify>,
    pub(crate) reachable: Arc<Reachable>,
    /// The partitions that are ours. Few, so a plain search is the quickest.
    pub(crate) slots: Vec<Slot>,
    pub(crate) generation: u64,
    /// What the group is still to be told.
    pub(crate) stands: BTreeMap<Partition, i64>,
    pub(crate) committed_at: Instant,
}

impl Thread {
    /// Polls until the tokio side is gone, or the client fails for good.
    pub(crate) fn run(&mut self) {
        while self.obey() {
            self.start_due();
            let holding = self.unhold();
            self.commit_due();
            let due = holding
                || self
                    .slots
                    .iter()
                    .any(|slot| matches!(slot.flow, Flow::Starting { .. }));
            if !self.poll(if due { BUSY } else { QUIET }) {
                return;
            }
        }
    }

    /// Takes commands. `false`: there will be no more.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Command::Start {
                    partition,
                    generation,
                    offset,
                    records,
                }) => {
                    if let Some(slot) = self.slot(&partition, generation) {
                        slot.flow = Flow::Starting {
                            offset,
                            records,
                            doubted: None,
                        };
                        if let Some(offset) = offset {
                            self.stands.insert(partition, offset);
                        }
                    }
                }
                Ok(Command::Stands {
                    partition,
                    generation,
                    offset,
                }) => {
                    if self.slot(&partition, generation).is_some() {
                        self.stands.insert(partition, offset);
                    }
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn slot(&mut self, partition: &Partition, generation: u64) -> Option<&mut Slot> {
        let ours = |slot: &&mut Slot| {
            slot.partition == *partition && slot.assignment.generation() == generation
        };
        self.slots.iter_mut().find(ours)
    }

    /// Polls once with patience, then takes what is there. `false`: the client failed for good.
    fn poll(&mut self, patience: Duration) -> bool {
        let Self {
            consumer,
            slots,
            told,
            reachable,
            group,
            ..
        } = self;
        let mut taken = 0;
        let mut next = consumer.poll(patience);
        while let Some(polled) = next {
            match polled {
                Ok(message) => {
                    taken += 1;
                    take(consumer, slots, told, group, &message);
                }
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    let _ = told.send(Told::Fatal(code));
                    return false;
                }
                // The context has been told, too, and logs changes of state.
                Err(error) => tracing::debug!(%error, "Kafka consumer"),
            }
            if taken == BURST {
                break;
            }
            next = consumer.poll(Duration::ZERO);
        }
        if taken > 0 {
            reachable.well();
            self.arrived.notify_one();
        }
        self.look_at_what_happened();
        true
    }

    fn look_at_what_happened(&mut self) {
        for happened in self.consumer.context().take() {
            match happened {
                Happened::Assigned(partitions) => partitions
                    .into_iter()
                    .for_each(|named| self.assigned(named)),
                Happened::Revoked { partitions, lost } => {
                    for named in partitions {
                        self.revoked(named, lost);
                    }
                }
                Happened::CommitFailed(partitions) => {
                    for (topic, number, offset) in partitions {
                        let partition = Partition::new(topic, number);
                        let ours = self.slots.iter().any(|slot| slot.partition == partition);
                        if let Some(offset) = offset.filter(|offset| ours && *offset >= 0) {
                            self.stands.entry(partition).or_insert(offset);
                        }
                    }
                }
            }
        }
    }

    fn assigned(&mut self, (topic, number, _): Named) {
        self.generation += 1;
        let partition = Partition::new(topic, number);
        let assignment = Assignment::new(self.generation);
        self.count("assigned");
        tracing::info!(group = self.group, %partition, generation = self.generation, "partition assigned");
        // Should Kafka assign twice without revoking, the older assignment is over all the same.
        self.end(&partition);
        self.slots.push(Slot {
            partition: partition.clone(),
            assignment: assignment.clone(),
            flow: Flow::Waiting,
        });
        let _ = self.told.send(Told::Assigned(partition, assignment));
    }

    fn revoked(&mut self, (topic, number, _): Named, lost: bool) {
        let partition = Partition::new(topic, number);
        self.count(if lost { "lost" } else { "revoked" });
        tracing::info!(group = self.group, %partition, lost, "partition revoked");
        self.end(&partition);
    }

    /// Ends the partition's assignment, at once for whoever holds it. Its queue goes with it.
    fn end(&mut self, partition: &Partition) {
        self.stands.remove(partition);
        self.slots.retain(|slot| {
            let over = slot.partition == *partition;
            if over {
                slot.assignment.end();
                let _ = self.told.send(Told::Revoked(
                    partition.clone(),
                    slot.assignment.generation(),
                ));
            }
            !over
        });
    }

    /// Seeks what waits for a seek, and lets it flow. What cannot be sought yet is tried again.
    fn start_due(&mut self) {
        let mut list = TopicPartitionList::new();
        for slot in &self.slots {
            if let Flow::Starting { offset, .. } = &slot.flow {
                let offset = offset.map_or(Offset::Beginning, Offset::Offset);
                // Only fails for offsets that no record can have.
                let _ =
                    list.add_partition_offset(&slot.partition.topic, slot.partition.number, offset);
            }
        }
        if list.count() == 0 {
            return;
        }
        let sought = match self.consumer.seek_partitions(list, SEEK_WITHIN) {
            Ok(sought) => sought,
            Err(error) => {
                tracing::debug!(%error, "not ready to seek");
                return;
            }
        };
        let mut resumed = TopicPartitionList::new();
        for slot in &mut self.slots {
            let Some(found) = sought.find_partition(&slot.partition.topic, slot.partition.number)
            else {
                continue;
            };
            match found.error() {
                Ok(()) => {
                    slot.flow = std::mem::replace(&mut slot.flow, Flow::Waiting).started();
                    resumed.add_partition(&slot.partition.topic, slot.partition.number);
                }
                Err(error) => {
                    tracing::debug!(%error, partition = %slot.partition, "not ready to seek")
                }
            }
        }
        if resumed.count() > 0 {
            self.resume(resumed);
        }
    }

    /// Hands over what did not fit, and resumes partitions whose queues have drained to a half. Returns
    /// whether any is still paused.
    fn unhold(&mut self) -> bool {
        let mut resumed = TopicPartitionList::new();
        let mut paused = false;
        for slot in &mut self.slots {
            let Flow::Flowing(flowing) = &mut slot.flow else {
                continue;
            };
            if flowing.drained() {
                resumed.add_partition(&slot.partition.topic, slot.partition.number);
            }
            paused |= flowing.is_paused();
        }
        if resumed.count() > 0 {
            self.arrived.notify_one();
            self.resume(resumed);
        }
        paused
    }

    /// Resumes partitions, and sees to it that they are fetched now. librdkafka's thread for a broker does not
    /// notice a resume: where it has no fetch under way it sleeps for up to a second (2.12.1). A question that
    /// passes through it wakes it, and the answer does not matter.
    fn resume(&self, mut list: TopicPartitionList) {
        if let Err(error) = self.consumer.resume(&list) {
            tracing::error!(%error, "Kafka would not resume partitions");
        }
        if list.set_all_offsets(Offset::End).is_ok() {
            let _ = self.consumer.offsets_for_times(list, WAKE_WITHIN);
        }
    }

    fn commit_due(&mut self) {
        if !self.stands.is_empty() && self.committed_at.elapsed() >= COMMIT_EVERY {
            self.commit();
        }
    }

    fn commit(&mut self) {
        self.committed_at = Instant::now();
        let mut list = TopicPartitionList::with_capacity(self.stands.len());
        for (partition, offset) in std::mem::take(&mut self.stands) {
            let _ = list.add_partition_offset(
                &partition.topic,
                partition.number,
                Offset::Offset(offset),
            );
        }
        failpoints::hit(Failpoint::OffsetsBeforeCommit);
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "the group could not be told our offsets");
        }
    }

    fn count(&self, kind: &'static str) {
        metrics::counter!(metric::REBALANCED, "group" => self.group.clone(), "kind" => kind)
            .increment(1);
    }

    /// Commits, leaves the group, and closes: dropping the consumer does both, and takes as long as it takes.
    pub(crate) fn leave(mut self) {
        if !self.stands.is_empty() {
            self.commit();
        }
        for slot in &self.slots {
            slot.assignment.end();
        }
        drop(self.consumer);
    }
}

/// Hands a record over, or holds it and pauses its partition, or looks again.
fn take(
    consumer: &BaseConsumer<Rebalances>,
    slots: &mut [Slot],
    told: &UnboundedSender<Told>,
    group: &str,
    message: &BorrowedMessage<'_>,
) {
    let (topic, number) = (message.topic(), message.partition());
    let ours =
        |slot: &&mut Slot| slot.partition.number == number && *slot.partition.topic == *topic;
    let Some(slot) = slots.iter_mut().find(ours) else {
        return;
    };
    // Before its start, a record is one that slipped through before the pause.
    let Flow::Flowing(flowing) = &mut slot.flow else {
        return;
    };
    match flowing.take(message.offset(), || crate::record::owned(message)) {
        Taken::Handed | Taken::Ignored => {}
        Taken::Jumped { expected } => {
            let partition = slot.partition.clone();
            let _ = told.send(Told::Jumped {
                partition,
                expected,
                found: message.offset(),
            });
        }
        Taken::Doubted => {
            slot.flow = std::mem::replace(&mut slot.flow, Flow::Waiting).doubted(message.offset())
        }
    }
    if let Flow::Flowing(flowing) = &mut slot.flow
        && flowing.must_pause()
    {
        metrics::counter!(metric::PAUSES, "group" => group.to_owned()).increment(1);
        let mut list = TopicPartitionList::new();
        list.add_partition(&slot.partition.topic, number);
        if let Err(error) = consumer.pause(&list) {
            tracing::error!(%error, partition = %slot.partition, "Kafka would not pause a partition");
        }
    }
}

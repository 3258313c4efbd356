//! A process of a role: its place in the consumer group, and its calls under way. It may be asleep for any
//! time between any two steps, and dies without a word.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use boxoffice_stream::ownership::{Order, Ownership};
use boxoffice_stream::{Assignment, Batch, Handler, Partition, Positions, Run, TurnFailed};
use boxoffice_tasks::{HeldBack, Leased, Work};
use boxoffice_turn::TurnError;
use uuid::Uuid;

use crate::kafka::{Kafka, PARTITIONS};
use crate::mistake::Mistake;
use crate::now;
use crate::store::Database;

/// As in production: leases of 30 s, calls of at most 12 s.
const LEASE: Duration = Duration::from_secs(30);
const CALL: Duration = Duration::from_secs(12);

type Called<W> = (Leased, Result<<W as Work>::Answer, HeldBack>);
type Calling<W> = Pin<Box<dyn Future<Output = Called<W>> + Send>>;

/// A process.
pub(crate) struct Worker<W: Work, H> {
    group: &'static str,
    topic: &'static str,
    work: Arc<W>,
    handler: H,
    /// Calls under way.
    pub calls: Vec<Calling<W>>,
    /// Answers that are not brought yet.
    pub answers: Vec<(Leased, W::Answer)>,
    ownership: Ownership,
    orders: VecDeque<(Partition, Order)>,
    /// Partitions that the group took away, which this process has not heard of.
    unheard: Vec<(Partition, Assignment)>,
    /// The assignments that this process knows.
    assigned: Vec<(Partition, Assignment)>,
    /// Records in one run, after the database has refused a batch's data.
    singly: bool,
}

/// What came of a try to consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consumed {
    Nothing,
    Turn,
    Failed,
}

impl<W: Work, H: Handler> Worker<W, H> {
    pub fn new(group: &'static str, topic: &'static str, work: W, handler: H) -> Self {
        Self {
            group,
            topic,
            work: Arc::new(work),
            handler,
            calls: Vec::new(),
            answers: Vec::new(),
            ownership: Ownership::default(),
            orders: VecDeque::new(),
            unheard: Vec::new(),
            assigned: Vec::new(),
            singly: false,
        }
    }

    /// Kafka gives it a partition.
    pub fn assigned(&mut self, number: i32, generation: u64) {
        // Kafka tells a process what it takes away before it gives it anything.
        self.hears();
        let partition = Partition::new(self.topic, number);
        let assignment = Assignment::new(generation);
        let order = self
            .ownership
            .assigned(partition.clone(), assignment.clone());
        self.orders.push_back((partition.clone(), order));
        self.assigned.push((partition, assignment));
    }

    /// Kafka takes a partition away. A process that is asleep hears of it later.
    pub fn revoked(&mut self, number: i32, hears: bool) {
        let partition = Partition::new(self.topic, number);
        let (gone, kept) = std::mem::take(&mut self.assigned)
            .into_iter()
            .partition::<Vec<_>, _>(|(have, _)| *have == partition);
        self.assigned = kept;
        self.unheard.extend(gone);
        if hears {
            self.hears();
        }
    }

    /// It wakes up and hears what was taken away.
    pub fn hears(&mut self) {
        for (partition, assignment) in self.unheard.drain(..) {
            assignment.end();
            self.ownership.revoked(&partition, assignment.generation());
        }
    }

    /// It dies: what it had in hand is gone. Its partitions are given out anew by the caller.
    pub fn dies(&mut self) {
        self.calls.clear();
        self.answers.clear();
        self.orders.clear();
        self.hears();
        for (_, assignment) in self.assigned.drain(..) {
            assignment.end();
        }
        self.ownership = Ownership::default();
        self.singly = false;
    }

    /// Claims what it was given, and makes a turn of what has arrived.
    pub fn consume(&mut self, database: &Database, kafka: &Kafka, limit: usize) -> Consumed {
        let asked = self.carry_out(database);
        let limit = if self.singly { 1 } else { limit };
        let mut batch = Batch::default();
        for number in 0..PARTITIONS {
            let partition = Partition::new(self.topic, number);
            let Some((assignment, owned)) = self.ownership.running(&partition) else {
                continue;
            };
            let records = kafka.fetch(self.topic, number, owned.next_offset.unwrap_or(0), limit);
            let run = Run::new(
                partition,
                assignment.clone(),
                owned.epoch,
                owned.next_offset,
                records,
            );
            if let Some(run) = run {
                batch.runs.push(run);
                if self.singly {
                    break;
                }
            }
        }
        if batch.is_empty() {
            return if asked {
                Consumed::Failed
            } else {
                Consumed::Nothing
            };
        }
        let answer = match now(self.handler.turn(&batch)) {
            // A record that the database refuses stands alone by now.
            Err(TurnFailed::Data(error)) if batch.len() == 1 => {
                now(self.handler.dead_letter(&batch.runs[0], &error.to_string()))
            }
            answer => answer,
        };
        match answer {
            Ok(()) => {
                self.singly = false;
                for run in &batch.runs {
                    let generation = self.generation(&run.partition);
                    self.ownership.committed(&run.partition, generation, run.to);
                }
                return Consumed::Turn;
            }
            Err(TurnFailed::PositionLost(lost)) => {
                for partition in lost {
                    let generation = self.generation(&partition);
                    if let Some(order) = self.ownership.lost(&partition, generation) {
                        self.orders.push_back((partition, order));
                    }
                }
            }
            Err(TurnFailed::Data(_)) => self.singly = true,
            Err(TurnFailed::Unavailable(_)) => {}
        }
        Consumed::Failed
    }

    /// Whether a turn would find anything.
    pub fn has_arrived(&self, kafka: &Kafka) -> bool {
        !self.orders.is_empty()
            || (0..PARTITIONS).any(|number| {
                let partition = Partition::new(self.topic, number);
                self.ownership
                    .running(&partition)
                    .is_some_and(|(_, owned)| {
                        owned.next_offset.unwrap_or(0) < kafka.end(self.topic, number)
                    })
            })
    }

    fn generation(&self, partition: &Partition) -> u64 {
        let running = self.ownership.running(partition);
        running.map_or(0, |(assignment, _)| assignment.generation())
    }

    /// Asks the database for what it owns. Whether there was anything to ask.
    fn carry_out(&mut self, database: &Database) -> bool {
        let asked = !self.orders.is_empty();
        // What follows from these is carried out the next time.
        for _ in 0..self.orders.len() {
            let Some((partition, order)) = self.orders.pop_front() else {
                break;
            };
            let next = match order {
                Order::Claim { assignment, .. } => {
                    let row = now(database.claim(self.group, &partition, &assignment)).ok();
                    self.ownership
                        .claimed(&partition, assignment.generation(), row)
                }
                Order::Read { assignment, .. } => {
                    let row = now(database.read(self.group, &partition)).map_err(|_| ());
                    self.ownership
                        .read(&partition, assignment.generation(), row)
                }
                Order::Start { .. } => None,
            };
            if let Some(order @ (Order::Claim { .. } | Order::Read { .. })) = next {
                self.orders.push_back((partition, order));
            }
        }
        asked
    }

    /// Leases due tasks and begins their calls. Nothing leaves before they are polled.
    pub fn leases(
        &mut self,
        database: &Database,
        limit: usize,
        token: Uuid,
        mistake: Option<Mistake>,
    ) -> usize {
        let mut tables = database.tables();
        let leased =
            boxoffice_tasks::take_in_memory(&mut tables, W::KINDS, limit, LEASE, CALL, token);
        drop(tables);
        let count = leased.len();
        for mut task in leased {
            if let Some(mistake) = mistake {
                mistake.in_leasing(&mut task);
            }
            let work = Arc::clone(&self.work);
            self.calls.push(Box::pin(async move {
                let answer = work.call(&task).await;
                (task, answer)
            }));
        }
        count
    }

    /// Lets one call go on as far as it can. Whether it is over.
    pub fn polls(&mut self, nth: usize) -> bool {
        let Some(call) = self.calls.get_mut(nth) else {
            return false;
        };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready((task, answer)) = call.as_mut().poll(&mut context) else {
            return false;
        };
        drop(self.calls.remove(nth));
        // What was held back comes again when its lease has run out.
        self.answers
            .extend(answer.ok().map(|answer| (task, answer)));
        true
    }

    /// Brings all answers back, in one turn. They stay in hand if it fails.
    pub fn brings(&mut self, database: &Database) -> Result<(), TurnError> {
        let brought = now(boxoffice_tasks::bring(database, &*self.work, &self.answers));
        if matches!(brought, Ok(()) | Err(TurnError::Data(_))) {
            self.answers.clear();
        }
        brought
    }
}

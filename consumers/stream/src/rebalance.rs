//! What Kafka tells our thread while it polls. Only noted here: no database work, no waiting.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::reachable::Reachable;

/// A partition as Kafka names it, and an offset where there is one.
pub(crate) type Named = (String, i32, Option<i64>);

/// Something that happened inside a poll.
#[derive(Debug)]
pub(crate) enum Happened {
    /// These are ours now, and paused.
    Assigned(Vec<Named>),
    /// These are no longer ours. `lost`: others may have had them for a while.
    Revoked { partitions: Vec<Named>, lost: bool },
    /// The group did not take these offsets.
    CommitFailed(Vec<Named>),
}

/// Collects what happens inside polls, for the thread to look at after each.
pub(crate) struct Rebalances {
    happened: Mutex<Vec<Happened>>,
    reachable: Arc<Reachable>,
}

impl Rebalances {
    pub(crate) fn new(reachable: Arc<Reachable>) -> Self {
        Self {
            happened: Mutex::default(),
            reachable,
        }
    }

    /// What happened since the last call.
    pub(crate) fn take(&self) -> Vec<Happened> {
        std::mem::take(&mut *self.happened.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, happened: Happened) {
        self.happened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(happened);
    }
}

fn named(list: &TopicPartitionList) -> Vec<Named> {
    let elements = list.elements();
    elements
        .iter()
        .map(|e| (e.topic().to_owned(), e.partition(), e.offset().to_raw()))
        .collect()
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Each failed connection is one of these; changes of state are logged by `Reachable`, once.
        tracing::debug!(?level, facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.reachable.trouble(code, reason);
        }
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        verdict: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions = named(list);
        let cooperative = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let done = if verdict == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // Where it starts is for the database to say. Until then it is paused, and should a record slip
            // through before the pause, nobody waits for it. An offset must be named, or the group's own
            // would be asked for.
            let assigned = list.set_all_offsets(Offset::Beginning).and_then(|()| {
                if cooperative {
                    consumer.incremental_assign(list)
                } else {
                    consumer.assign(list)
                }
            });
            self.reachable.well();
            self.note(Happened::Assigned(partitions));
            assigned.and_then(|()| consumer.pause(list))
        } else {
            let lost = consumer.assignment_lost();
            self.note(Happened::Revoked { partitions, lost });
            if cooperative {
                consumer.incremental_unassign(list)
            } else {
                consumer.unassign()
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "Kafka would not change the assignment");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        match result {
            Ok(()) => self.reachable.well(),
            Err(error) => {
                // Usual during a rebalance; what is still ours is told again.
                tracing::debug!(%error, "the group did not take our offsets");
                self.note(Happened::CommitFailed(named(offsets)));
            }
        }
    }
}

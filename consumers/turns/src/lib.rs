//! Consuming by turns: what joins the stream (Kafka's partitions) to the turn (PostgreSQL's rows).
//!
//! A consumer's position is a row that its turn compares and sets, so a batch is decided exactly once,
//! whatever Kafka delivers again. Kafka is told the offset afterwards, for its tools.

mod dead_letter;
pub mod events;

use boxoffice_failpoints::Role;
use boxoffice_stream::{
    Assignment, Batch, Owned, Partition, Positions, PositionsError, Record, Run, TurnFailed,
};
use boxoffice_turn::TurnError;
use boxoffice_turn::claim::PositionClaim;
use boxoffice_turn::postgres::PgStore;

pub use dead_letter::{bury, letter};

/// A consumer, as its positions, dead letters and metrics call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The name, also that of its Kafka group.
    pub name: &'static str,
    /// The topic of its dead letters.
    pub dead_letters: &'static str,
    /// Whose turns they are.
    pub role: Role,
}

/// The position rows of PostgreSQL.
#[derive(Clone, Debug)]
pub struct PgPositions(pub PgStore);

impl Positions for PgPositions {
    async fn claim(
        &self,
        group: &str,
        partition: &Partition,
        assignment: &Assignment,
    ) -> Result<Owned, PositionsError> {
        let claimed = self
            .0
            .claim_position(group, &partition.topic, partition.number, || {
                assignment.is_present()
            })
            .await
            .map_err(|error| PositionsError::Unavailable(Box::new(error)))?;
        claimed.map(owned).ok_or(PositionsError::Revoked)
    }

    async fn read(
        &self,
        group: &str,
        partition: &Partition,
    ) -> Result<Option<Owned>, PositionsError> {
        let read = self
            .0
            .read_position(group, &partition.topic, partition.number)
            .await;
        read.map(|row| row.map(owned))
            .map_err(|error| PositionsError::Unavailable(Box::new(error)))
    }
}

const fn owned(row: boxoffice_turn::postgres::Owned) -> Owned {
    Owned {
        next_offset: row.next_offset,
        epoch: row.epoch,
    }
}

/// The positions that deciding `batch` moves.
pub fn positions(consumer: Consumer, batch: &Batch) -> Vec<PositionClaim> {
    batch
        .runs
        .iter()
        .map(|run| position(consumer.name, run))
        .collect()
}

/// The position of the consumer of this name that deciding `run` moves.
pub fn position(consumer: &str, run: &Run) -> PositionClaim {
    PositionClaim {
        consumer: consumer.to_owned(),
        topic: run.partition.topic.to_string(),
        partition: run.partition.number,
        epoch: run.epoch,
        from: run.from,
        to: run.to,
    }
}

/// What a failed turn means to the stream: which partition was lost, whether the data is to blame, or
/// whether to try again for ever.
pub fn failed(error: TurnError) -> TurnFailed {
    match error {
        TurnError::PositionLost { topic, partition } => {
            TurnFailed::PositionLost(vec![Partition::new(topic, partition)])
        }
        TurnError::Data(_) => TurnFailed::Data(Box::new(error)),
        TurnError::Busy(_) | TurnError::Unavailable(_) | TurnError::Corrupt(_) => {
            TurnFailed::Unavailable(Box::new(error))
        }
    }
}

/// Where a record stands, for logs: `topic[partition]@offset`.
pub fn place(run: &Run, record: &Record) -> String {
    format!("{}@{}", run.partition, record.offset)
}

//! What arrives: records, and the batch of them that one turn decides.

use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::position::{Assignment, Partition};

/// One record, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in its partition.
    pub offset: i64,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order. A header without a value has an empty one here.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The exact bytes of its value. Empty for a record without one.
    pub payload: Vec<u8>,
    /// The record's timestamp in milliseconds since 1970, if it bears one.
    pub timestamp_ms: Option<i64>,
}

impl Record {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_slice())
    }

    /// The first header of this name, if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 48)
            .sum();
        self.payload.len() + self.key.as_ref().map_or(0, Vec::len) + headers + 96
    }
}

/// Copies a record out of librdkafka's memory.
pub(crate) fn owned(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()))
            .collect()
    });
    Record {
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        headers,
        payload: message.payload().unwrap_or_default().to_vec(),
        timestamp_ms: message.timestamp().to_millis(),
    }
}

/// What one partition brings to a turn: records that follow each other, and the step of the position.
///
/// The turn must compare and set the partition's row: `position = from` and `epoch = epoch`, to `to`. No
/// matching row is [`TurnFailed::PositionLost`](crate::TurnFailed::PositionLost).
#[derive(Clone, Debug)]
pub struct Run {
    /// Which partition.
    pub partition: Partition,
    /// The epoch under which we claimed it.
    pub epoch: i64,
    /// Exactly the position that is stored for the partition. `None`: the row has no position yet.
    pub from: Option<i64>,
    /// The position after this turn: the last record's offset + 1. Offsets may have gaps, and `to` may even
    /// be below `from`, after the topic was cut off and read again from its beginning.
    pub to: i64,
    /// The records, by rising offset. Never empty.
    pub records: Vec<Record>,
    pub(crate) assignment: Assignment,
}

impl Run {
    /// Makes a run; `to` follows from the last record. For the stream itself and for tests of handlers.
    ///
    /// Returns `None` without records.
    pub fn new(
        partition: Partition,
        assignment: Assignment,
        epoch: i64,
        from: Option<i64>,
        records: Vec<Record>,
    ) -> Option<Self> {
        let to = records.last()?.offset + 1;
        Some(Self {
            partition,
            epoch,
            from,
            to,
            records,
            assignment,
        })
    }

    /// Two runs that do the same as this one, the second from where the first ends. Needs two records.
    pub(crate) fn halve(self) -> (Self, Option<Self>) {
        let Self {
            partition,
            epoch,
            from,
            to,
            mut records,
            assignment,
        } = self;
        let second = records.split_off(records.len().div_ceil(2));
        let middle = records.last().map_or(to, |record| record.offset + 1);
        let first = Self {
            partition: partition.clone(),
            epoch,
            from,
            to: middle,
            records,
            assignment: assignment.clone(),
        };
        (
            first,
            Self::new(partition, assignment, epoch, Some(middle), second),
        )
    }
}

/// What has arrived for all partitions that we own, for one turn.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// At most one run per partition, sorted by partition.
    pub runs: Vec<Run>,
}

impl Batch {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.records.len()).sum()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Every record with its run.
    pub fn records(&self) -> impl Iterator<Item = (&Run, &Record)> {
        self.runs
            .iter()
            .flat_map(|run| run.records.iter().map(move |record| (run, record)))
    }

    /// Two batches that do the same as this one. Needs two records.
    pub(crate) fn halve(mut self) -> (Self, Self) {
        if self.runs.len() > 1 {
            let second = self.runs.split_off(self.runs.len().div_ceil(2));
            return (self, Self { runs: second });
        }
        let Some(run) = self.runs.pop() else {
            return (Self::default(), Self::default());
        };
        let (first, second) = run.halve();
        (
            Self { runs: vec![first] },
            Self {
                runs: second.into_iter().collect(),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64) -> Record {
        Record {
            offset,
            key: None,
            headers: Vec::new(),
            payload: Vec::new(),
            timestamp_ms: None,
        }
    }

    fn run(number: i32, from: i64, offsets: &[i64]) -> Run {
        let records = offsets.iter().copied().map(record).collect();
        Run::new(
            Partition::new("t", number),
            Assignment::new(1),
            7,
            Some(from),
            records,
        )
        .unwrap()
    }

    #[test]
    fn halves_join_without_a_seam_across_gaps() {
        let (first, second) = Batch {
            runs: vec![run(0, 10, &[12, 15, 19])],
        }
        .halve();
        let (first, second) = (&first.runs[0], &second.runs[0]);
        assert_eq!(
            (first.from, first.to, first.records.len()),
            (Some(10), 16, 2)
        );
        assert_eq!(
            (second.from, second.to, second.records.len()),
            (Some(16), 20, 1)
        );
        assert_eq!(second.epoch, 7);
    }

    #[test]
    fn partitions_are_parted_first() {
        let (first, second) = Batch {
            runs: vec![run(0, 0, &[0, 1]), run(1, 5, &[5])],
        }
        .halve();
        assert_eq!((first.len(), second.len()), (2, 1));
        assert_eq!(second.runs[0].partition.number, 1);
    }
}

//! What arrives: records, and the batch of them that one turn decides.

use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::position::{Assignment, Partition};

/// One record, owned: a few pieces of memory, however many headers it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in its partition.
    pub offset: i64,
    /// The record's timestamp in milliseconds since 1970, if it bears one.
    pub timestamp_ms: Option<i64>,
    /// The headers' names, one after the other.
    names: String,
    /// The key, the headers' values and the payload, one after the other.
    bytes: Vec<u8>,
    /// Where the key ends in `bytes`, if there is one.
    key: Option<usize>,
    /// Where the name of each header ends in `names`, and its value in `bytes`.
    headers: Vec<(usize, usize)>,
}

impl Record {
    /// Copies a record: its key if it has one, its headers in order, and the exact bytes of its value.
    pub fn new<N: AsRef<str>, V: AsRef<[u8]>>(
        offset: i64,
        timestamp_ms: Option<i64>,
        key: Option<&[u8]>,
        headers: &[(N, V)],
        payload: &[u8],
    ) -> Self {
        let of_names = headers.iter().map(|(name, _)| name.as_ref().len()).sum();
        let of_values: usize = headers.iter().map(|(_, value)| value.as_ref().len()).sum();
        let (mut names, mut ends) = (
            String::with_capacity(of_names),
            Vec::with_capacity(headers.len()),
        );
        let of_key = key.map_or(0, <[u8]>::len);
        let mut bytes = Vec::with_capacity(of_key + of_values + payload.len());
        bytes.extend_from_slice(key.unwrap_or_default());
        for (name, value) in headers {
            names.push_str(name.as_ref());
            bytes.extend_from_slice(value.as_ref());
            ends.push((names.len(), bytes.len()));
        }
        bytes.extend_from_slice(payload);
        Self {
            offset,
            timestamp_ms,
            names,
            bytes,
            key: key.map(<[u8]>::len),
            headers: ends,
        }
    }

    /// Its key, if it has one.
    pub fn key(&self) -> Option<&[u8]> {
        self.key.map(|end| &self.bytes[..end])
    }

    /// Its headers, in order. A header without a value has an empty one here.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut from = (0, self.key.unwrap_or(0));
        self.headers.iter().map(move |to| {
            let (name, value) = from;
            from = *to;
            (&self.names[name..to.0], &self.bytes[value..to.1])
        })
    }

    /// The exact bytes of its value. Empty for a record without one.
    pub fn payload(&self) -> &[u8] {
        let from = self.headers.last().map(|(_, end)| *end).or(self.key);
        &self.bytes[from.unwrap_or(0)..]
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers()
            .find(|(have, _)| *have == name)
            .map(|(_, value)| value)
    }

    /// The first header of this name, if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + self.names.len() + 16 * self.headers.len() + 160
    }
}

/// Copies a record out of librdkafka's memory.
pub(crate) fn owned(message: &BorrowedMessage<'_>) -> Record {
    let headers: Vec<_> = message
        .headers()
        .into_iter()
        .flat_map(Headers::iter)
        .map(|header| (header.key, header.value.unwrap_or_default()))
        .collect();
    Record::new(
        message.offset(),
        message.timestamp().to_millis(),
        message.key(),
        &headers,
        message.payload().unwrap_or_default(),
    )
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
        Record::new::<&str, &[u8]>(offset, None, None, &[], &[])
    }

    #[test]
    fn a_record_is_what_it_was_made_of() {
        type Of<'a> = (Option<&'a [u8]>, &'a [(&'a str, &'a [u8])], &'a [u8]);
        let all: [Of<'_>; 6] = [
            (None, &[], b""),
            (Some(b""), &[], b"value"),
            (Some(b"key"), &[], b""),
            (None, &[("a", b""), ("a", b"2")], b"value"),
            (Some(b"key"), &[("", b"\xff"), ("b", b"")], b"value"),
            (Some(b"key"), &[("a", b"1"), ("bc", b"23")], b"value"),
        ];
        for (key, headers, payload) in all {
            let record = Record::new(7, Some(1), key, headers, payload);
            let found: Vec<_> = record.headers().collect();
            assert_eq!(
                (record.key(), &*found, record.payload()),
                (key, headers, payload)
            );
            let first = headers.iter().find(|(name, _)| *name == "a");
            assert_eq!(record.header("a"), first.map(|(_, value)| *value));
            assert_eq!(record.header("none"), None);
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

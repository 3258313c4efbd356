//! One partition's records on their way from the thread to the tokio side. Pure but for the queue.

use std::collections::VecDeque;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::record::Record;

/// Where a partition's records go.
pub(crate) enum Flow {
    /// Nowhere: it is not claimed yet.
    Waiting,
    /// It waits for a seek. `doubted` is the jump (expected, found) that made us seek again.
    Starting {
        offset: Option<i64>,
        records: Sender<Record>,
        doubted: Option<(i64, i64)>,
    },
    /// Into the queue.
    Flowing(Flowing),
}

impl Flow {
    /// The seek was made.
    pub(crate) fn started(self) -> Self {
        match self {
            Self::Starting {
                offset,
                records,
                doubted,
            } => Self::Flowing(Flowing {
                expected: offset,
                doubted,
                records,
                held: VecDeque::new(),
                paused: false,
            }),
            other => other,
        }
    }

    /// The next record was at `found` instead of where it was expected: look again from there.
    pub(crate) fn doubted(self, found: i64) -> Self {
        match self {
            Self::Flowing(Flowing {
                expected: Some(expected),
                records,
                ..
            }) => Self::Starting {
                offset: Some(expected),
                records,
                doubted: Some((expected, found)),
            },
            other => other,
        }
    }
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is on its way.
    Handed,
    /// It is on its way, though not the one that was expected: a second look found the same.
    Jumped { expected: i64 },
    /// It was not taken: the partition is paused.
    Ignored,
    /// It was not taken: it is not the one that was expected. [`Flow::doubted`] is to follow.
    Doubted,
}

/// A partition whose records flow.
pub(crate) struct Flowing {
    /// The offset of the next record; `None` before the first of a partition read from its beginning.
    expected: Option<i64>,
    doubted: Option<(i64, i64)>,
    records: Sender<Record>,
    /// What did not fit into the queue.
    held: VecDeque<Record>,
    paused: bool,
}

impl Flowing {
    /// Takes the record at `offset`.
    ///
    /// A jump is legal (compaction, transaction markers, a log that was cut off), but a record that is
    /// skipped by mistake would be money lost, and clients have had such mistakes around pause and seek. So
    /// a jump is believed only when a fresh seek finds the same.
    pub(crate) fn take(&mut self, offset: i64, record: impl FnOnce() -> Record) -> Taken {
        let mut taken = Taken::Handed;
        if let Some(expected) = self.expected.filter(|expected| *expected != offset) {
            if !self.held.is_empty() {
                // It is paused: nothing should arrive, and what does so all the same is found again later.
                return Taken::Ignored;
            }
            if self.doubted != Some((expected, offset)) {
                return Taken::Doubted;
            }
            taken = Taken::Jumped { expected };
        }
        self.doubted = None;
        self.expected = Some(offset + 1);
        let record = record();
        if !self.held.is_empty() {
            self.held.push_back(record);
        } else if let Err(TrySendError::Full(record)) = self.records.try_send(record) {
            self.held.push_back(record);
        }
        taken
    }

    /// Whether the partition is to be paused now. Says so once.
    pub(crate) fn must_pause(&mut self) -> bool {
        !self.held.is_empty() && !std::mem::replace(&mut self.paused, true)
    }

    /// Whether the partition is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Hands over what was held, if the queue has drained to a half. Whether the partition is to be resumed.
    pub(crate) fn drained(&mut self) -> bool {
        if !self.paused || self.records.capacity() < self.records.max_capacity().div_ceil(2) {
            return false;
        }
        while let Some(record) = self.held.pop_front() {
            if let Err(TrySendError::Full(record)) = self.records.try_send(record) {
                self.held.push_front(record);
                return false;
            }
        }
        self.paused = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;

    fn record(offset: i64) -> Record {
        Record::new::<&str, &[u8]>(offset, None, None, &[], &[])
    }

    fn flowing(offset: Option<i64>, queue: usize) -> (Flowing, Receiver<Record>) {
        let (records, receiver) = channel(queue);
        let Flow::Flowing(flowing) = (Flow::Starting {
            offset,
            records,
            doubted: None,
        })
        .started() else {
            unreachable!()
        };
        (flowing, receiver)
    }

    fn take(flowing: &mut Flowing, offset: i64) -> Taken {
        flowing.take(offset, || record(offset))
    }

    #[test]
    fn a_full_queue_holds_and_pauses_once_and_a_half_empty_one_resumes() {
        let (mut flowing, mut receiver) = flowing(Some(0), 4);
        for offset in 0..4 {
            assert_eq!(take(&mut flowing, offset), Taken::Handed);
            assert!(!flowing.must_pause());
        }
        take(&mut flowing, 4);
        assert!(flowing.must_pause());
        take(&mut flowing, 5);
        assert!(!flowing.must_pause());
        assert!(!flowing.drained());
        receiver.try_recv().unwrap();
        assert!(!flowing.drained(), "one free place is not half of them");
        receiver.try_recv().unwrap();
        assert!(flowing.drained() && !flowing.is_paused());
        let rest: Vec<i64> = std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|r| r.offset)
            .collect();
        assert_eq!(rest, [2, 3, 4, 5]);
    }

    #[test]
    fn a_jump_is_believed_only_when_seen_twice() {
        let (flowing_at, mut receiver) = flowing(Some(10), 4);
        let mut flow = Flow::Flowing(flowing_at);
        let Flow::Flowing(flowing) = &mut flow else {
            unreachable!()
        };
        assert_eq!(take(flowing, 15), Taken::Doubted);
        let again = flow.doubted(15);
        assert!(matches!(
            again,
            Flow::Starting {
                offset: Some(10),
                doubted: Some((10, 15)),
                ..
            }
        ));
        let Flow::Flowing(mut flowing) = again.started() else {
            unreachable!()
        };
        // Something else is found the second time: it is doubted anew.
        assert_eq!(take(&mut flowing, 16), Taken::Doubted);
        assert_eq!(take(&mut flowing, 15), Taken::Jumped { expected: 10 });
        assert_eq!(take(&mut flowing, 16), Taken::Handed);
        assert_eq!(receiver.try_recv().unwrap().offset, 15);
    }

    #[test]
    fn a_mistaken_jump_is_forgotten_once_the_expected_record_comes() {
        let (flowing_at, _receiver) = flowing(Some(10), 4);
        let Flow::Flowing(mut flowing) = Flow::Flowing(flowing_at).doubted(15).started() else {
            unreachable!()
        };
        assert_eq!(take(&mut flowing, 10), Taken::Handed);
        assert_eq!(take(&mut flowing, 11), Taken::Handed);
    }

    #[test]
    fn a_cut_off_log_is_read_again_from_below() {
        let (flowing_at, _receiver) = flowing(Some(500), 4);
        let Flow::Flowing(mut flowing) = Flow::Flowing(flowing_at).doubted(0).started() else {
            unreachable!()
        };
        assert_eq!(take(&mut flowing, 0), Taken::Jumped { expected: 500 });
        assert_eq!(take(&mut flowing, 1), Taken::Handed);
    }

    #[test]
    fn a_new_partition_begins_where_its_log_begins() {
        let (mut flowing, _receiver) = flowing(None, 4);
        assert_eq!(take(&mut flowing, 7), Taken::Handed);
    }
}

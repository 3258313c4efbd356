//! What a batch of events adds to the totals, each event once. No I/O.

use std::collections::BTreeMap;

use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::money::Currency;
use time::Date;

use crate::counts::{Counts, Takings};
use crate::event::Event;

/// The sum of the money of a day does not fit into 64 bits: an amount in an event is absurd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the takings of a day are beyond what can be kept")]
pub(crate) struct Overflow;

/// What is to be added to the totals.
///
/// Events of one booking arrive in the order of their sequences; repeats, of one event or of a whole stretch, may
/// come at any time and are not counted again. So the totals do not depend on how events were
/// cut into batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Of each booking that the batch is about, the last sequence counted; 0 for none.
    seen: BTreeMap<BookingId, i64>,
    /// Those of them that rose.
    pub(crate) advanced: BTreeMap<BookingId, i64>,
    /// By show and day.
    pub(crate) counts: BTreeMap<(ShowId, Date), Counts>,
    /// By show, day and currency.
    pub(crate) takings: BTreeMap<(ShowId, Date, Currency), Takings>,
    /// How many events were counted.
    pub(crate) counted: u64,
    /// How often a sequence was skipped, which must not happen.
    pub(crate) gaps: u64,
}

impl Tally {
    /// Nothing yet, on top of what was counted before: the last sequence of each booking that has one.
    pub(crate) fn after(seen: BTreeMap<BookingId, i64>) -> Self {
        Self {
            seen,
            ..Self::default()
        }
    }

    /// Counts the event, unless it was counted before.
    ///
    /// # Errors
    /// [`Overflow`]; the tally is then of no use.
    pub(crate) fn count(&mut self, event: &Event) -> Result<(), Overflow> {
        let seen = self.seen.entry(event.booking_id).or_default();
        let sequence = i64::from(event.sequence);
        if sequence <= *seen {
            return Ok(());
        }
        if sequence > *seen + 1 {
            self.gaps += 1;
        }
        *seen = sequence;
        self.counted += 1;
        self.advanced.insert(event.booking_id, sequence);
        let (show, day) = (event.show_id, event.day());
        let counts = event.what.counts();
        if counts != Counts::default() {
            *self.counts.entry((show, day)).or_default() += counts;
        }
        if let Some((currency, more)) = event.what.takings() {
            let takings = self.takings.entry((show, day, currency)).or_default();
            *takings = takings.plus(more).ok_or(Overflow)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;

//! Work to be done later or outside: timers and calls, as rows of one table.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::identity::BookingId;

/// What a task is for. Each role of the product leases only its own kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskKind {
    /// A hold's clock: the warning, then the end. Subject: the booking. No call.
    HoldTimer,
    /// Ask the gateway how a payment attempt stands. Subject: the payment.
    Verify,
    /// Cancel a payment attempt at the gateway. Subject: the payment.
    Void,
    /// Find out whose a record without a usable reference is. Subject: the parked record.
    Trace,
    /// Take authorised money. Subject: the payment.
    Capture,
    /// Return money. Subject: the refund.
    Refund,
    /// Return the money of a cancelled show. Subject: the refund. A lane of its own beside [`Self::Refund`].
    MassRefund,
    /// Name the bookings of a cancelled show, a page at a time. Subject: derived from the show. No call.
    CancelShow,
    /// Cancel a booking of a cancelled show. Subject: the booking. No call.
    CancelBooking,
    /// Send a letter. Subject: derived from booking, template, cause and channel.
    Mail,
    /// Send a text message. Subject: as for a letter. A kind of its own, so that no channel waits for another.
    Sms,
    /// Send a notification to the customer's devices. Subject: as for a letter.
    Push,
}

impl TaskKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::HoldTimer,
        Self::Verify,
        Self::Void,
        Self::Trace,
        Self::Capture,
        Self::Refund,
        Self::MassRefund,
        Self::CancelShow,
        Self::CancelBooking,
        Self::Mail,
        Self::Sms,
        Self::Push,
    ];

    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HoldTimer => "hold_timer",
            Self::Verify => "verify",
            Self::Void => "void",
            Self::Trace => "trace",
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::MassRefund => "mass_refund",
            Self::CancelShow => "cancel_show",
            Self::CancelBooking => "cancel_booking",
            Self::Mail => "mail",
            Self::Sms => "sms",
            Self::Push => "push",
        }
    }

    /// Whether a finished task of this kind keeps others of its key away: an event that comes again must not
    /// send its message again. All other kinds find by the rows of the saga that there is nothing left to do.
    pub const fn once(self) -> bool {
        matches!(self, Self::Mail | Self::Sms | Self::Push)
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it calls the outside, so that each try must be written down before it is made.
    pub const fn calls(self) -> bool {
        !matches!(
            self,
            Self::HoldTimer | Self::CancelShow | Self::CancelBooking
        )
    }
}

/// A task's identity. There is one task per kind, subject and generation, ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskKey {
    /// What it is for.
    pub kind: TaskKind,
    /// What it is about.
    pub subject: Uuid,
    /// Which go at it, from 1. A refund's generation is the refund's.
    pub generation: u32,
}

/// A task to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Which.
    pub key: TaskKey,
    /// The booking that its turn will lock, if there is one.
    pub booking: Option<BookingId>,
    /// Not before.
    pub due_at: OffsetDateTime,
    /// What the executor needs beside the rows that the key names (a message's template and cause), as JSON.
    pub detail: Option<String>,
}

/// When to try again after `attempt` tries (from 1): one second doubled each time up to ten minutes, with a
/// quarter of jitter. The jitter comes from `subject`, so that the same history gives the same time.
pub fn retry_at(now: OffsetDateTime, subject: Uuid, attempt: u32) -> OffsetDateTime {
    const LONGEST_MS: i64 = 600_000;
    let plain = 1_000_i64
        .saturating_mul(1 << attempt.saturating_sub(1).min(10))
        .min(LONGEST_MS);
    // A multiplicative hash spreads neighbours; its quality does not matter here.
    let spread = subject
        .as_u64_pair()
        .0
        .wrapping_add(u64::from(attempt))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let quarter = plain / 4;
    let jitter = i64::try_from(spread >> 40).unwrap_or(0) % (2 * quarter + 1) - quarter;
    now + Duration::milliseconds(plain + jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_wait_longer_and_longer_but_never_beyond_the_cap() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for subject in 0..100_u128 {
            let subject = Uuid::from_u128(subject << 64);
            let first = retry_at(now, subject, 1) - now;
            assert!(
                first >= Duration::milliseconds(750) && first <= Duration::milliseconds(1_250),
                "{first}"
            );
            let last = retry_at(now, subject, u32::MAX) - now;
            assert!(
                last >= Duration::minutes(7) && last <= Duration::minutes(13),
                "{last}"
            );
        }
    }
    /// What is played again in another process must find its tasks due at the same time.
    #[test]
    fn the_same_history_gives_the_same_times() {
        let waits = |subject: u128, attempts: [u32; 4]| {
            let subject = Uuid::from_u128(subject << 64);
            let now = OffsetDateTime::UNIX_EPOCH;
            attempts.map(|attempt| (retry_at(now, subject, attempt) - now).whole_milliseconds())
        };
        assert_eq!(waits(5, [1, 2, 3, 11]), [1225, 2397, 3336, 657242]);
        assert_eq!(waits(6, [1, 2, 3, 11]), [1190, 1927, 4213, 548937]);
    }
}

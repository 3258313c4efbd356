//! The browser says that it has paid, or a webhook that nobody signed does. Nobody has to believe it: the gateway is asked
//! at once, and the customer is told again that we are at it. It moves no money and no seat.

use time::{Duration, OffsetDateTime};

use crate::booking::Booking;
use crate::identity::{BookingId, PaymentId};
use crate::input::{Outcome, Refusal};
use crate::payment::{Payment, PaymentStanding};
use crate::steps::verify;
use crate::world::World;

/// Seconds between two hints that are listened to, or between an attempt and the hint for an earlier one: the
/// schedule that they start anew is the booking's.
pub const PAUSE_S: i64 = 10;
/// Questions because of hints are numbered from here on, one number per pause since the attempt was opened:
/// so one pause has one question, whoever asks how often.
const FIRST_QUESTION: u32 = 1_000;

/// How long it is until the next hint about `attempt` is listened to.
pub fn wait(booking: &Booking, attempt: &Payment, now: OffsetDateTime) -> Duration {
    // Opening the attempt started the schedule too, and is no hint.
    let last = booking
        .waiting_since
        .filter(|since| *since > attempt.opened_at);
    last.map_or(Duration::ZERO, |last| {
        last + Duration::seconds(PAUSE_S) - now
    })
}

/// Whether a hint about `payment` would be listened to.
pub fn is_of_use(world: &World, booking: BookingId, payment: PaymentId) -> bool {
    let (Some(row), Some(attempt)) = (world.bookings.get(&booking), world.payments.get(&payment))
    else {
        return false;
    };
    attempt.booking == booking
        && is_undecided(attempt)
        && wait(row, attempt, world.now) <= Duration::ZERO
}

/// A declined attempt may still succeed with another card.
const fn is_undecided(attempt: &Payment) -> bool {
    matches!(
        attempt.standing,
        PaymentStanding::Open | PaymentStanding::Declined
    )
}

/// Listens to a hint, unless the last one is too fresh. What is known already needs no question.
pub fn heard(world: &mut World, booking: BookingId, payment: PaymentId) -> Outcome {
    let now = world.now;
    let Some(attempt) = world
        .payments
        .get(&payment)
        .filter(|attempt| attempt.booking == booking)
    else {
        return Outcome::Refused(Refusal::NoSuchPayment);
    };
    if !is_undecided(attempt) {
        return Outcome::AlreadyKnown;
    }
    let opened_at = attempt.opened_at;
    let left = world
        .bookings
        .get(&booking)
        .map_or(Duration::ZERO, |row| wait(row, attempt, now));
    if left > Duration::ZERO {
        let after_s = u32::try_from(left.whole_seconds()).unwrap_or(0) + 1;
        return Outcome::Refused(Refusal::TooSoon { after_s });
    }
    if let Some(row) = world.booking_mut(booking) {
        row.waiting_since = Some(now);
    }
    let pauses = (now - opened_at).whole_seconds() / PAUSE_S;
    let question = FIRST_QUESTION.saturating_add(u32::try_from(pauses).unwrap_or(0));
    verify::request(world, payment, question, Duration::ZERO);
    Outcome::Done
}

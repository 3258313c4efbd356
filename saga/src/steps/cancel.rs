//! A booking is cancelled: by its customer, by an operator, or because its show is.

use crate::booking::{Booking, BookingState, CancelledBy};
use crate::event::{EventBody, Return};
use crate::identity::{BookingId, PaymentId};
use crate::input::{Outcome, Refusal};
use crate::ledger::Account;
use crate::money::Money;
use crate::payment::Verdict;
use crate::refund::RefundCause;
use crate::seat::SeatState;
use crate::steps::{money, void};
use crate::task::TaskKind;
use crate::world::World;

/// Cancels a booking that holds or owns its seats. Cancelling twice is cancelling once; what has lapsed has
/// nothing left to cancel.
///
/// Its seats are free again, but for those that a cancelled show keeps. What it could still pay is cancelled at
/// the gateway, and what paid for it goes back: whole, or less the fee that was agreed with the hold if the customer
/// cancels. It stays cancelled: money that comes later goes back too, whole.
pub fn cancel(world: &mut World, booking: BookingId, by: CancelledBy) -> Outcome {
    match world.bookings.get(&booking).map(|row| row.state) {
        Some(BookingState::Held | BookingState::Confirmed) => {}
        Some(BookingState::Cancelled) => return Outcome::AlreadyKnown,
        Some(
            BookingState::Expired
            | BookingState::Released
            | BookingState::Replaced
            | BookingState::SeatsLost,
        ) => return Outcome::Refused(Refusal::HoldOver),
        None => return Outcome::Refused(Refusal::NoSuchBooking),
    }
    for key in world.own_seats(booking) {
        world.set_seat(&key, SeatState::Available, None, None);
    }
    let paid = applied(world, booking);
    let refunds: Vec<_> = paid
        .iter()
        .copied()
        .filter_map(|(payment, amount)| unapply(world, booking, payment, amount, by))
        .collect();
    let fee = paid
        .iter()
        .filter_map(|(payment, left)| {
            let kept = world.payments.get(payment)?.retained;
            (kept > 0).then(|| Money::new(kept, left.currency))
        })
        .next();
    let Some(row) = world.booking_mut(booking) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    row.state = BookingState::Cancelled;
    let seats = row.seats.clone();
    world.remove_task(TaskKind::HoldTimer, booking.uuid(), 1);
    world.emit(
        booking,
        EventBody::BookingCancelled {
            by,
            seats,
            refunds,
            fee,
        },
    );
    void::request_all(world, booking);
    Outcome::Done
}

/// The money that pays for a booking: what of it is still ours, which may be nothing.
fn applied(world: &World, booking: BookingId) -> Vec<(PaymentId, Money)> {
    world
        .payments_of(booking)
        .filter(|payment| payment.verdict == Some(Verdict::Applied))
        .filter_map(|payment| {
            let left = world.purse(payment.id).balance(Account::Applied);
            payment
                .captured
                .map(|captured| (payment.id, Money::new(left, captured.currency)))
        })
        .collect()
}

/// Reserves what is left of an applied payment for its way back, but for the fee. Its verdict stands: it did pay for
/// the booking.
fn unapply(
    world: &mut World,
    booking: BookingId,
    payment: PaymentId,
    left: Money,
    by: CancelledBy,
) -> Option<Return> {
    let fee = match by {
        CancelledBy::Customer => fee(world.bookings.get(&booking)?, left.minor),
        CancelledBy::Operator | CancelledBy::Show => 0,
    };
    let row = world.payment_mut(payment)?;
    row.retained = fee;
    let back = Money::new(left.minor - fee, left.currency);
    let cause = match by {
        CancelledBy::Show => RefundCause::ShowCancelled,
        CancelledBy::Customer | CancelledBy::Operator => RefundCause::Cancelled,
    };
    (back.minor > 0).then(|| money::give_back(world, booking, payment, back, cause))
}

/// What is kept when the customer cancels: hundredths of a percent of the price, rounded down; never more than
/// what is `left`, in minor units.
fn fee(booking: &Booking, left: i64) -> i64 {
    let share = i128::from(booking.amount.minor) * i128::from(booking.cancel_fee_bp) / 10_000;
    i64::try_from(share).unwrap_or(i64::MAX).min(left)
}

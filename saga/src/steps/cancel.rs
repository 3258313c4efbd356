//! A booking is cancelled: by its customer, by an operator, or because its show is.

use time::Duration;

use crate::booking::{BookingState, CancelledBy};
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
/// the gateway, and what paid for it goes back whole. It stays cancelled: money that comes later goes back too.
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
    let refunds = applied(world, booking)
        .into_iter()
        .map(|(payment, amount)| unapply(world, booking, payment, amount))
        .collect();
    let Some(row) = world.booking_mut(booking) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    row.state = BookingState::Cancelled;
    let seats = row.seats.clone();
    world.remove_task(TaskKind::HoldTimer, booking.uuid(), 1);
    world.emit(booking, EventBody::BookingCancelled { by, seats, refunds });
    void::request_all(world, booking, Duration::ZERO);
    Outcome::Done
}

/// The money that pays for a booking. What was captured and is nothing needs no way back.
fn applied(world: &World, booking: BookingId) -> Vec<(PaymentId, Money)> {
    world
        .payments_of(booking)
        .filter(|payment| payment.verdict == Some(Verdict::Applied))
        .filter_map(|payment| payment.captured.map(|captured| (payment.id, captured)))
        .filter(|(_, captured)| captured.minor > 0)
        .collect()
}

/// Reserves the whole of an applied payment for its way back. Its verdict stands: it did pay for the booking.
fn unapply(world: &mut World, booking: BookingId, payment: PaymentId, amount: Money) -> Return {
    money::give_back(
        world,
        booking,
        payment,
        amount,
        Account::Applied,
        RefundCause::Cancelled,
    )
}

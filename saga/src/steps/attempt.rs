//! The customer is sent to a gateway to pay.

use time::Duration;

use crate::booking::{BookingState, Terms};
use crate::identity::{BookingId, GatewayAccount, PaymentId};
use crate::input::{Outcome, Refusal};
use crate::payment::{CaptureMode, Payment, PaymentStanding};
use crate::seat::SeatState;
use crate::steps::{money, verify, void};
use crate::world::World;

/// Opens a fresh attempt. It keeps the seats a little longer, for a payer must not lose them while paying.
pub fn open(
    world: &mut World,
    booking: BookingId,
    id: PaymentId,
    account: &GatewayAccount,
    terms: &Terms,
    capture: CaptureMode,
) -> Outcome {
    if world.payments.contains_key(&id) {
        return Outcome::AlreadyKnown;
    }
    let now = world.now;
    let Some(row) = world.bookings.get(&booking) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    if row.state == BookingState::Confirmed {
        return Outcome::Refused(Refusal::AlreadyPaid);
    }
    if !row.hold_alive(now) {
        return Outcome::Refused(Refusal::HoldOver);
    }
    let expected = row.amount;
    let reclaim_at = row.extended(now, terms);
    // A second attempt extends nothing: the limit is counted from the first.
    let first = row.waiting_since.is_none();
    if let Some(row) = world.booking_mut(booking) {
        row.waiting_since = Some(now);
        if first {
            row.reclaim_at = reclaim_at;
        }
    }
    if first {
        for key in world.own_seats(booking) {
            world.set_seat(&key, SeatState::Held, Some(booking), Some(reclaim_at));
        }
    }
    world.add_payment(Payment {
        id,
        booking,
        account: account.clone(),
        gateway_payment_id: None,
        capture,
        standing: PaymentStanding::Open,
        expected,
        captured: None,
        verdict: None,
        retained: 0,
        disputes: Vec::new(),
        opened_at: now,
        decided_at: None,
    });
    verify::request(world, id, 1, Duration::seconds(verify::SOON_S));
    Outcome::Done
}

/// The gateway gave the attempt an id.
///
/// Where another call for it was declined meanwhile, it can be paid all the same: it is open again, and asked about, or
/// cancelled if its booking is over.
pub fn created(world: &mut World, booking: BookingId, id: PaymentId, gateway_id: &str) -> Outcome {
    let Some(row) = world.payments.get(&id) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    if row.gateway_payment_id.is_some() {
        return Outcome::AlreadyKnown;
    }
    let closed = row.standing == PaymentStanding::Closed;
    if let Some(row) = world.payment_mut(id) {
        row.gateway_payment_id = Some(gateway_id.to_owned());
        if closed {
            row.standing = PaymentStanding::Open;
        }
    }
    if closed {
        match world.booking_mut(booking).map(|row| row.state) {
            Some(BookingState::Held) => {
                verify::request(world, id, 1, Duration::seconds(verify::SOON_S));
            }
            _ => void::request(world, booking, id),
        }
    }
    Outcome::Done
}

/// The gateway will not open the attempt: certainly nothing was taken, so the customer may pay in another way at once.
/// But where another call has opened it, that one counts.
pub fn declined(world: &mut World, booking: BookingId, id: PaymentId) -> Outcome {
    match world.payments.get(&id) {
        None => Outcome::Refused(Refusal::NoSuchPayment),
        Some(row) if row.gateway_payment_id.is_some() || !row.undecided() => Outcome::AlreadyKnown,
        Some(_) => {
            money::close(world, booking, id);
            Outcome::Done
        }
    }
}

//! The customer is sent to a gateway to pay.

use time::Duration;

use crate::booking::{BookingState, Terms};
use crate::identity::{BookingId, GatewayAccount, PaymentId};
use crate::input::{Outcome, Refusal};
use crate::payment::{CaptureMode, Payment, PaymentStanding};
use crate::seat::SeatState;
use crate::steps::verify;
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
    world.payments.insert(
        id,
        Payment {
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
        },
    );
    world.changes.payments_changed.insert(id);
    verify::request(world, id, 1, Duration::seconds(verify::SOON_S));
    Outcome::Done
}

/// The gateway gave the attempt an id.
pub fn created(world: &mut World, id: PaymentId, gateway_payment_id: &str) -> Outcome {
    match world.payments.get(&id) {
        Some(payment) if payment.gateway_payment_id.is_none() => {
            if let Some(payment) = world.payment_mut(id) {
                payment.gateway_payment_id = Some(gateway_payment_id.to_owned());
            }
            Outcome::Done
        }
        Some(_) => Outcome::AlreadyKnown,
        None => Outcome::Refused(Refusal::NoSuchBooking),
    }
}

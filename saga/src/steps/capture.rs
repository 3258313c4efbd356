//! Authorise, then capture: the money is taken only when the seats are the customer's. A lost seat is an
//! authorisation given up, and no refund.

use time::Duration;

use crate::attention::{Attention, AttentionKind};
use crate::booking::BookingState;
use crate::event::EventBody;
use crate::fact::PaymentFact;
use crate::identity::{BookingId, PaymentId};
use crate::input::{CaptureAnswer, Outcome, Refusal};
use crate::payment::{CaptureMode, PaymentStanding, Verdict};
use crate::seat::{SeatKey, SeatState};
use crate::steps::{hold_over, money, verify, void};
use crate::task::{Task, TaskKey, TaskKind, retry_at};
use crate::world::World;

/// How long the seats are kept for money that is being taken. Then they may be sold again, whatever the gateway
/// says later.
const WINDOW: Duration = Duration::minutes(5);
/// After this many tries without an answer a person is told; the tries go on.
pub const PATIENCE: u32 = 6;

/// The bank has reserved the money. It is taken if the seats are the customer's or free, else given up.
///
/// Where the gateway takes money by itself, a reservation is only news; but one for a booking that is over is
/// given up, if the gateway can.
pub fn authorised(
    world: &mut World,
    booking: BookingId,
    payment: PaymentId,
    fact: &PaymentFact,
) -> Outcome {
    let Some((row, attempt)) = world
        .bookings
        .get(&booking)
        .zip(world.payments.get(&payment))
    else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    let (state, capture) = (row.state, attempt.capture);
    if matches!(
        attempt.standing,
        PaymentStanding::Authorised | PaymentStanding::GivingUp
    ) {
        return Outcome::AlreadyKnown;
    }
    if capture == CaptureMode::Automatic {
        if state == BookingState::Held {
            return Outcome::AlreadyKnown;
        }
        if attempt.standing == PaymentStanding::Closed
            && let Some(attempt) = world.payment_mut(payment)
        {
            // It lives after all, and the customer sees a payment on its way.
            attempt.standing = PaymentStanding::Open;
            let _ = world.booking_mut(booking);
        }
        void::request_all(world, booking);
        return Outcome::Postponed;
    }
    let (verdict, seats_lost) = money::judge(world, booking, fact.amount);
    let secured = verdict == Verdict::Applied;
    if let Some(attempt) = world.payment_mut(payment) {
        attempt.standing = if secured {
            PaymentStanding::Authorised
        } else {
            PaymentStanding::GivingUp
        };
    }
    verify::withdraw(world, payment);
    if secured {
        secure(world, booking, payment, fact);
    } else {
        if verdict == Verdict::SeatsLost {
            money::seats_are_lost(world, booking);
        }
        let _ = world.booking_mut(booking);
        void::request(world, booking, payment);
    }
    Outcome::Decided {
        verdict,
        seats_lost,
    }
}

/// Keeps the seats while the money is taken, and has it taken. A lapsed booking is held again.
fn secure(world: &mut World, booking: BookingId, payment: PaymentId, fact: &PaymentFact) {
    let until = world.now + WINDOW;
    let Some(row) = world.booking_mut(booking) else {
        return;
    };
    let reacquired = row.state != BookingState::Held;
    row.state = BookingState::Held;
    row.reclaim_at = row.reclaim_at.max(until);
    let (reclaim_at, seats) = (row.reclaim_at, row.seats.clone());
    for seat in seats {
        let show = booking.show();
        let key = SeatKey { show, seat };
        world.set_seat(&key, SeatState::Held, Some(booking), Some(reclaim_at));
    }
    world.remove_task(TaskKind::Void, payment.uuid(), 1);
    hold_over::set_timer(world, booking, reclaim_at);
    request(world, booking, payment);
    world.emit(
        booking,
        EventBody::PaymentAuthorised {
            payment_id: payment,
            gateway: fact.account.gateway.clone(),
            gateway_payment_id: fact.gateway_payment_id.clone(),
            amount: fact.amount,
            reacquired,
        },
    );
}

/// Has authorised money taken, at once.
pub fn request(world: &mut World, booking: BookingId, payment: PaymentId) {
    world.add_task(Task {
        key: key(payment),
        booking: Some(booking),
        due_at: world.now,
        detail: None,
    });
}

/// The one task that takes the money of `payment`.
pub const fn key(payment: PaymentId) -> TaskKey {
    TaskKey {
        kind: TaskKind::Capture,
        subject: payment.uuid(),
        generation: 1,
    }
}

/// The gateway answered, or did not. What it took is judged like any captured money: the seats may be gone.
pub fn answered(
    world: &mut World,
    booking: BookingId,
    payment: PaymentId,
    attempt: u32,
    answer: &CaptureAnswer,
) -> Outcome {
    let Some(row) = world.payments.get(&payment) else {
        return Outcome::Refused(Refusal::NoSuchPayment);
    };
    let (standing, expected) = (row.standing, row.expected);
    if let CaptureAnswer::Taken { fact } = answer {
        world.remove_task(TaskKind::Capture, payment.uuid(), 1);
        return money::told(world, booking, fact);
    }
    if standing != PaymentStanding::Authorised {
        world.remove_task(TaskKind::Capture, payment.uuid(), 1);
        return Outcome::AlreadyKnown;
    }
    match answer {
        CaptureAnswer::Taken { .. } => Outcome::AlreadyKnown,
        CaptureAnswer::Declined { why } => {
            money::close(world, booking, payment);
            // The hold stays: the customer may try again while it lives.
            world.emit(
                booking,
                EventBody::PaymentFailed {
                    payment_id: payment,
                    reason: Some(why.clone()),
                },
            );
            Outcome::Done
        }
        CaptureAnswer::RetryLater { after_ms, .. } => {
            let at_least =
                world.now + Duration::milliseconds(after_ms.unwrap_or(0).clamp(0, 3_600_000));
            let until = retry_at(world.now, payment.uuid(), attempt).max(at_least);
            world.postpone_task(key(payment), until);
            Outcome::Postponed
        }
        CaptureAnswer::Unknown { why } => {
            let until = retry_at(world.now, payment.uuid(), attempt);
            world.postpone_task(key(payment), until);
            if attempt < PATIENCE {
                return Outcome::Postponed;
            }
            world.call_person(Attention {
                kind: AttentionKind::PaymentUnknown,
                subject: payment.uuid(),
                booking: Some(booking),
                payment: Some(payment),
                amount: Some(expected),
                reason: format!(
                    "the gateway has not said in {attempt} tries whether it took this authorised money \
                     ({why}); we keep asking, look at the gateway's dashboard if it lasts"
                ),
                at: world.now,
            });
            Outcome::NeedsPerson
        }
    }
}

//! Cancelling an attempt at the gateway, when its hold has ended or another payment has paid.

use crate::attention::{Attention, AttentionKind};
use crate::identity::{BookingId, PaymentId};
use crate::input::{Outcome, Refusal, VoidAnswer};
use crate::payment::PaymentStanding;
use crate::steps::{money, verify};
use crate::task::{Task, TaskKey, TaskKind, retry_at};
use crate::world::World;

/// After this many tries without an answer a person is told; the tries go on.
pub const PATIENCE: u32 = 6;

/// Has every attempt of `booking` that the customer could still pay cancelled at its gateway, a declined
/// one included: at most gateways its page can still be paid with another card.
pub fn request_all(world: &mut World, booking: BookingId) {
    let payable: Vec<_> = world
        .payments_of(booking)
        .filter(|payment| {
            matches!(
                payment.standing,
                PaymentStanding::Open | PaymentStanding::Authorised | PaymentStanding::Declined
            )
        })
        .map(|payment| payment.id)
        .collect();
    for payment in payable {
        request(world, booking, payment);
    }
}

/// Has one attempt cancelled at its gateway, at once. Money that is being taken is given up instead, as far as that goes.
pub fn request(world: &mut World, booking: BookingId, payment: PaymentId) {
    if world
        .payments
        .get(&payment)
        .is_some_and(|row| row.standing == PaymentStanding::Authorised)
        && let Some(row) = world.payment_mut(payment)
    {
        row.standing = PaymentStanding::GivingUp;
    }
    world.remove_task(TaskKind::Capture, payment.uuid(), 1);
    verify::withdraw(world, payment);
    world.add_task(Task {
        key: TaskKey {
            kind: TaskKind::Void,
            subject: payment.uuid(),
            generation: 1,
        },
        booking: Some(booking),
        due_at: world.now,
        detail: None,
    });
}

/// It has been undecided for long, whatever it waits for.
pub fn call_by_age(world: &mut World, booking: BookingId, payment: PaymentId) {
    let Some(row) = world.payments.get(&payment) else {
        return;
    };
    world.call_person(Attention {
        kind: AttentionKind::PaymentUnknown,
        subject: payment.uuid(),
        booking: Some(booking),
        payment: Some(payment),
        amount: Some(row.expected),
        reason: "for half a day we could not learn whether this attempt was paid; see whether the gateway is \
                 called at all (its circuit, its rate), and its dashboard"
            .to_owned(),
        at: world.now,
    });
}

/// The gateway answered, or did not.
pub fn answered(
    world: &mut World,
    booking: BookingId,
    payment: PaymentId,
    generation: u32,
    attempt: u32,
    answer: &VoidAnswer,
) -> Outcome {
    let Some(row) = world.payments.get(&payment) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    let (standing, expected) = (row.standing, row.expected);
    match answer {
        // Whether it is cancelled there or cannot be: it is over here.
        VoidAnswer::NothingTaken | VoidAnswer::NotPossible { .. } => {
            world.remove_task(TaskKind::Void, payment.uuid(), generation);
            if matches!(
                standing,
                PaymentStanding::Captured | PaymentStanding::Closed
            ) {
                return Outcome::AlreadyKnown;
            }
            money::close(world, booking, payment);
            Outcome::Done
        }
        VoidAnswer::AlreadyPaid { fact } => {
            world.remove_task(TaskKind::Void, payment.uuid(), generation);
            money::told(world, booking, fact)
        }
        VoidAnswer::Unknown { why } => {
            if matches!(
                standing,
                PaymentStanding::Captured | PaymentStanding::Closed
            ) {
                world.remove_task(TaskKind::Void, payment.uuid(), generation);
                return Outcome::AlreadyKnown;
            }
            let key = TaskKey {
                kind: TaskKind::Void,
                subject: payment.uuid(),
                generation,
            };
            world.postpone_task(key, retry_at(world.now, payment.uuid(), attempt));
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
                    "the gateway has not said in {attempt} tries whether this attempt was paid ({why}); \
                     we keep asking, look at the gateway's dashboard if it lasts"
                ),
                at: world.now,
            });
            Outcome::NeedsPerson
        }
    }
}

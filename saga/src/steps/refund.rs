//! Money goes back: taken on by a worker, accepted by the gateway, done; or failed, and a person's.

use time::Duration;

use crate::attention::{Attention, AttentionKind};
use crate::event::EventBody;
use crate::fact::{RefundFact, RefundState};
use crate::identity::{BookingId, RefundId};
use crate::input::{Outcome, RefundAnswer, Refusal};
use crate::ledger::Account;
use crate::refund::RefundStanding;
use crate::task::{Task, TaskKey, TaskKind, retry_at};
use crate::world::World;

/// After this many tries without an answer a person is told; the tries go on.
const PATIENCE: u32 = 8;
/// Seconds between looks at a refund that the gateway has accepted and not finished, times the tries.
const LOOK_AGAIN_S: i64 = 60;

/// The refund worker takes a requested refund on. The task is unique per refund and generation.
pub fn taken(world: &mut World, id: RefundId) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    if refund.standing != RefundStanding::Requested {
        return Outcome::AlreadyKnown;
    }
    let (booking, payment, amount, generation) = (
        refund.booking,
        refund.payment,
        refund.amount,
        refund.generation,
    );
    if let Some(refund) = world.refund_mut(id) {
        refund.standing = RefundStanding::UnderWay;
    }
    add_task(world, id, booking, generation, Duration::ZERO);
    world.emit(
        booking,
        EventBody::RefundInitiated {
            refund_id: id,
            payment_id: payment,
            amount,
        },
    );
    Outcome::Done
}

fn add_task(world: &mut World, id: RefundId, booking: BookingId, generation: u32, after: Duration) {
    let task = Task {
        key: TaskKey {
            kind: TaskKind::Refund,
            subject: id.uuid(),
            generation,
        },
        booking: Some(booking),
        due_at: world.now + after,
        detail: None,
    };
    world.add_task(task);
}

/// A gateway tells how a refund stands.
pub fn told(world: &mut World, booking: BookingId, fact: &RefundFact) -> Outcome {
    let ours = fact
        .refund
        .filter(|id| {
            world
                .refunds
                .get(id)
                .is_some_and(|refund| refund.booking == booking)
        })
        .or_else(|| {
            world
                .refunds_of(booking)
                .find(|refund| refund.gateway_refund_id.as_deref() == Some(&fact.gateway_refund_id))
                .map(|refund| refund.id)
        });
    let Some(id) = ours.or_else(|| held_by_operator(world, booking, fact)) else {
        return foreign(world, booking, fact);
    };
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::AlreadyKnown;
    };
    if fact.amount != refund.amount {
        return foreign(world, booking, fact);
    }
    match fact.state {
        RefundState::Succeeded => done(world, id, &fact.gateway_refund_id),
        RefundState::Pending => pending(world, id, &fact.gateway_refund_id),
        RefundState::Failed => {
            let why = fact
                .reason
                .as_deref()
                .unwrap_or("the gateway gives no reason");
            failed(world, id, Some(&fact.gateway_refund_id), why)
        }
    }
}

/// A refund that a person makes at the gateway for one that we could not make: same payment, same amount,
/// no reference of ours.
fn held_by_operator(world: &World, booking: BookingId, fact: &RefundFact) -> Option<RefundId> {
    world
        .refunds_of(booking)
        .find(|refund| {
            refund.standing == RefundStanding::WithOperator
                && refund.gateway_refund_id.is_none()
                && refund.amount == fact.amount
                && world.payments.get(&refund.payment).is_some_and(|payment| {
                    payment.gateway_payment_id.as_deref() == Some(&fact.gateway_payment_id)
                })
        })
        .map(|refund| refund.id)
}

fn foreign(world: &mut World, booking: BookingId, fact: &RefundFact) -> Outcome {
    let payment = world
        .payments_of(booking)
        .find(|payment| payment.gateway_payment_id.as_deref() == Some(&fact.gateway_payment_id))
        .map(|payment| payment.id);
    world.call_person(Attention {
        kind: AttentionKind::ForeignRefund,
        subject: uuid::Uuid::new_v5(&booking.uuid(), fact.gateway_refund_id.as_bytes()),
        booking: Some(booking),
        payment,
        amount: Some(fact.amount),
        reason: format!(
            "the gateway tells of refund {} that boxoffice did not ask for in this form; \
             find out who made it and whether the booking still stands",
            fact.gateway_refund_id
        ),
        at: world.now,
    });
    Outcome::NeedsPerson
}

/// The gateway says that the money is back.
fn done(world: &mut World, id: RefundId, gateway_refund_id: &str) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::AlreadyKnown;
    };
    let (standing, booking, payment, amount, generation) = (
        refund.standing,
        refund.booking,
        refund.payment,
        refund.amount,
        refund.generation,
    );
    if standing == RefundStanding::Done {
        return Outcome::AlreadyKnown;
    }
    let now = world.now;
    if let Some(refund) = world.refund_mut(id) {
        refund.standing = RefundStanding::Done;
        refund.gateway_refund_id = Some(gateway_refund_id.to_owned());
        refund.done_at = Some(now);
    }
    let from = if standing == RefundStanding::WithOperator {
        Account::Operator
    } else {
        Account::ToReturn
    };
    world.post(payment, from, Account::Refunded, amount);
    world.remove_task(TaskKind::Refund, id.uuid(), generation);
    world.dismiss_person(
        &[
            AttentionKind::RefundNotPossible,
            AttentionKind::RefundStuck,
            AttentionKind::RefundCameBack,
        ],
        id.uuid(),
    );
    world.emit(
        booking,
        EventBody::RefundCompleted {
            refund_id: id,
            payment_id: payment,
            amount,
            gateway_refund_id: gateway_refund_id.to_owned(),
        },
    );
    Outcome::Done
}

/// The gateway has accepted it and is not finished: it is looked at again.
fn pending(world: &mut World, id: RefundId, gateway_refund_id: &str) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::AlreadyKnown;
    };
    let booking = refund.booking;
    if !matches!(
        refund.standing,
        RefundStanding::Requested | RefundStanding::UnderWay
    ) {
        return Outcome::AlreadyKnown;
    }
    let taken_on = refund.standing == RefundStanding::UnderWay;
    if let Some(refund) = world.refund_mut(id) {
        refund.gateway_refund_id = Some(gateway_refund_id.to_owned());
        if taken_on {
            refund.standing = RefundStanding::Pending;
        }
    }
    let _ = world.booking_mut(booking);
    Outcome::Done
}

/// It did not happen, or came back after all: the money is with a person now.
fn failed(world: &mut World, id: RefundId, gateway_refund_id: Option<&str>, why: &str) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::AlreadyKnown;
    };
    let (standing, booking, payment, amount, generation) = (
        refund.standing,
        refund.booking,
        refund.payment,
        refund.amount,
        refund.generation,
    );
    if standing == RefundStanding::WithOperator {
        return Outcome::AlreadyKnown;
    }
    let came_back = standing == RefundStanding::Done;
    if let Some(refund) = world.refund_mut(id) {
        refund.standing = RefundStanding::WithOperator;
        refund.done_at = None;
        if let Some(gateway_refund_id) = gateway_refund_id {
            refund.gateway_refund_id = Some(gateway_refund_id.to_owned());
        }
    }
    world.post(
        payment,
        if came_back {
            Account::Refunded
        } else {
            Account::ToReturn
        },
        Account::Operator,
        amount,
    );
    world.remove_task(TaskKind::Refund, id.uuid(), generation);
    world.emit(
        booking,
        EventBody::RefundFailed {
            refund_id: id,
            payment_id: payment,
            amount,
            reason: why.to_owned(),
        },
    );
    world.call_person(Attention {
        kind: if came_back {
            AttentionKind::RefundCameBack
        } else {
            AttentionKind::RefundNotPossible
        },
        subject: id.uuid(),
        booking: Some(booking),
        payment: Some(payment),
        amount: Some(amount),
        reason: format!("{why}; return the money by hand at the gateway or another way"),
        at: world.now,
    });
    Outcome::NeedsPerson
}

/// A refund task has its answer. An answer of an earlier generation is recorded all the same: the money
/// does not care which key moved it.
pub fn answered(
    world: &mut World,
    booking: BookingId,
    id: RefundId,
    generation: u32,
    attempt: u32,
    answer: &RefundAnswer,
) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    let current = refund.generation == generation;
    let finished = matches!(
        refund.standing,
        RefundStanding::Done | RefundStanding::WithOperator
    );
    let key = TaskKey {
        kind: TaskKind::Refund,
        subject: id.uuid(),
        generation,
    };
    match answer {
        RefundAnswer::Told { fact } => {
            let outcome = told(world, booking, fact);
            if fact.state == RefundState::Pending {
                let wait = LOOK_AGAIN_S * i64::from(attempt.min(60));
                let until = world.now + Duration::seconds(wait);
                world.postpone_task(key, until);
            }
            outcome
        }
        _ if finished || !current => {
            world.remove_task(TaskKind::Refund, id.uuid(), generation);
            Outcome::AlreadyKnown
        }
        RefundAnswer::Declined { why } => failed(world, id, None, why),
        RefundAnswer::RetryLater { after_ms, why } => {
            let at_least =
                world.now + Duration::milliseconds(after_ms.unwrap_or(0).clamp(0, 3_600_000));
            let until = retry_at(world.now, id.uuid(), attempt).max(at_least);
            world.postpone_task(key, until);
            impatient(world, booking, id, attempt, why).unwrap_or(Outcome::Postponed)
        }
        RefundAnswer::Unknown { why } => {
            world.postpone_task(key, retry_at(world.now, id.uuid(), attempt));
            impatient(world, booking, id, attempt, why).unwrap_or(Outcome::Postponed)
        }
        RefundAnswer::NothingAlive => {
            if let Some(refund) = world.refund_mut(id) {
                refund.generation = generation + 1;
            }
            world.remove_task(TaskKind::Refund, id.uuid(), generation);
            add_task(world, id, booking, generation + 1, Duration::ZERO);
            Outcome::Done
        }
    }
}

fn impatient(
    world: &mut World,
    booking: BookingId,
    id: RefundId,
    attempt: u32,
    why: &str,
) -> Option<Outcome> {
    let refund = world.refunds.get(&id)?;
    if attempt < PATIENCE {
        return None;
    }
    let item = Attention {
        kind: AttentionKind::RefundStuck,
        subject: id.uuid(),
        booking: Some(booking),
        payment: Some(refund.payment),
        amount: Some(refund.amount),
        reason: format!(
            "asked {attempt} times without a usable answer ({why}); we keep asking, \
             look at the gateway's dashboard if it lasts"
        ),
        at: world.now,
    };
    world.call_person(item);
    Some(Outcome::NeedsPerson)
}

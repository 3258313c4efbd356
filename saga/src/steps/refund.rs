//! Money goes back: taken on by a worker, accepted by the gateway, done; or failed, and a person's.

use time::Duration;

use crate::attention::{Attention, AttentionKind};
use crate::event::EventBody;
use crate::fact::{RefundFact, RefundState};
use crate::identity::{BookingId, PaymentId, RefundId};
use crate::input::{Outcome, RefundAnswer, Refusal};
use crate::ledger::Account;
use crate::refund::{Refund, RefundCause, RefundStanding};
use crate::steps::foreign_refund;
use crate::task::{Task, TaskKey, retry_at};
use crate::world::World;

/// After this many tries without an answer a person is told; the tries go on.
pub const PATIENCE: u32 = 8;
/// Seconds between looks at a refund that the gateway has accepted and not finished, times the tries.
const LOOK_AGAIN_S: i64 = 60;
/// A refund that the gateway has not finished after this time is shown to a person. Banks take days.
pub const SLOW: Duration = Duration::days(5);

/// The refund worker takes a requested refund on. The task is unique per refund and generation.
pub fn taken(world: &mut World, id: RefundId) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::Refused(Refusal::NoSuchRefund);
    };
    if refund.standing != RefundStanding::Requested {
        return Outcome::AlreadyKnown;
    }
    let (booking, payment, amount) = (refund.booking, refund.payment, refund.amount);
    if let Some(refund) = world.refund_mut(id) {
        refund.standing = RefundStanding::UnderWay;
    }
    set_task(world, id);
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

/// Sets the task that makes a refund, at once.
pub fn set_task(world: &mut World, id: RefundId) {
    if let Some(refund) = world.refunds.get(&id) {
        let task = Task {
            key: refund.task(),
            booking: Some(refund.booking),
            due_at: world.now,
            detail: None,
        };
        world.add_task(task);
    }
}

fn remove_task(world: &mut World, id: RefundId) {
    if let Some(TaskKey {
        kind,
        subject,
        generation,
    }) = world.refunds.get(&id).map(Refund::task)
    {
        world.remove_task(kind, subject, generation);
    }
}

/// Nobody has to look at this refund any more.
pub fn dismiss(world: &mut World, id: RefundId) {
    world.dismiss_person(
        &[
            AttentionKind::RefundNotPossible,
            AttentionKind::RefundStuck,
            AttentionKind::RefundSlow,
            AttentionKind::RefundCameBack,
            AttentionKind::RefundOtherWay,
        ],
        id.uuid(),
    );
}

/// A gateway tells how a refund stands.
pub fn told(world: &mut World, booking: BookingId, fact: &RefundFact) -> Outcome {
    let Some(id) = recognise(world, booking, fact) else {
        return foreign_refund::told(world, booking, fact);
    };
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::AlreadyKnown;
    };
    // That an earlier go at it failed is why there is this one; unless it is the one that had brought the money back.
    let another = refund.gateway_refund_id.as_deref() != Some(fact.gateway_refund_id.as_str());
    if fact.state == RefundState::Failed
        && another
        && fact
            .generation
            .is_some_and(|generation| generation < refund.generation)
    {
        // Remembered: it may have succeeded before, and that news may still come.
        return foreign_refund::told(world, booking, fact);
    }
    if fact.amount != refund.amount {
        // It bears our name and is not what we asked for: the money that moved is counted, and ours is not made.
        let outcome = foreign_refund::told(world, booking, fact);
        if refund_can_fail(world, id) {
            withdraw(world, id);
        }
        return outcome;
    }
    if refund.proof.is_some() || refund.standing == RefundStanding::Withdrawn {
        // The customer has it by another way: what the gateway does now is money of its own.
        return foreign_refund::told(world, booking, fact);
    }
    let another = refund
        .gateway_refund_id
        .as_ref()
        .is_some_and(|known| *known != fact.gateway_refund_id);
    if refund.standing == RefundStanding::Done && another {
        // Ours is done, and the gateway has a second one of its name: money of its own, and a person must know.
        return foreign_refund::told(world, booking, fact);
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

fn refund_can_fail(world: &World, id: RefundId) -> bool {
    world.refunds.get(&id).is_some_and(|refund| {
        matches!(
            refund.standing,
            RefundStanding::Requested | RefundStanding::UnderWay | RefundStanding::Pending
        )
    })
}

/// Which of our refunds a fact is about: by our id, by the gateway's, or one whose form says that it takes the
/// place of one that nobody makes at the moment.
pub fn recognise(world: &World, booking: BookingId, fact: &RefundFact) -> Option<RefundId> {
    let by_name = fact.refund.filter(|id| {
        world.refunds.get(id).is_some_and(|refund| {
            refund.booking == booking && refund.cause != RefundCause::NotAskedFor
        })
    });
    let by_gateway = || {
        world
            .refunds_of(booking)
            .find(|refund| refund.gateway_refund_id.as_deref() == Some(&fact.gateway_refund_id))
            .map(|refund| refund.id)
    };
    if counted_by_itself(world, booking, fact) {
        return None;
    }
    by_name
        .or_else(by_gateway)
        .or_else(|| made_by_hand(world, booking, fact))
}

/// Whether the gateway's refund has a row of its own: nobody asked for it in this form, or it failed.
fn counted_by_itself(world: &World, booking: BookingId, fact: &RefundFact) -> bool {
    world.refunds_of(booking).any(|refund| {
        refund.cause == RefundCause::NotAskedFor
            && refund.gateway_refund_id.as_deref() == Some(&fact.gateway_refund_id)
    })
}

/// A refund that a person makes at the gateway for one that nobody makes at the moment, because no worker has
/// taken it on or it waits for a person: same payment, same amount, no reference of ours.
fn made_by_hand(world: &World, booking: BookingId, fact: &RefundFact) -> Option<RefundId> {
    let payment = world.payment_at_gateway(&fact.account, &fact.gateway_payment_id)?;
    world
        .refunds_of(booking)
        .find(|refund| {
            refund.payment == payment
                && refund.amount == fact.amount
                && refund.gateway_refund_id.is_none()
                && fact.state != RefundState::Failed
                && matches!(
                    refund.standing,
                    RefundStanding::WithOperator | RefundStanding::Requested
                )
        })
        .map(|refund| refund.id)
}

/// The gateway says that the money is back.
fn done(world: &mut World, id: RefundId, gateway_refund_id: &str) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::AlreadyKnown;
    };
    if refund.standing == RefundStanding::Done {
        return Outcome::AlreadyKnown;
    }
    let (booking, payment, amount) = (refund.booking, refund.payment, refund.amount);
    let twice = refund.other_way.clone();
    let now = world.now;
    if let Some(refund) = world.refund_mut(id) {
        refund.standing = RefundStanding::Done;
        refund.gateway_refund_id = Some(gateway_refund_id.to_owned());
        refund.done_at = Some(now);
    }
    remove_task(world, id);
    dismiss(world, id);
    world.emit(
        booking,
        EventBody::RefundCompleted {
            refund_id: id,
            payment_id: payment,
            amount,
            gateway_refund_id: gateway_refund_id.to_owned(),
        },
    );
    let Some(means) = twice else {
        return Outcome::Done;
    };
    world.call_person(Attention {
        kind: AttentionKind::Contradiction,
        subject: id.uuid(),
        booking: Some(booking),
        payment: Some(payment),
        amount: Some(amount),
        reason: format!(
            "the gateway has returned this money after all, and a person sends it too ({means}); stop that"
        ),
        at: world.now,
    });
    Outcome::NeedsPerson
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
    if !taken_on && refund.gateway_refund_id.as_deref() == Some(gateway_refund_id) {
        return Outcome::AlreadyKnown;
    }
    if let Some(refund) = world.refund_mut(id) {
        refund.gateway_refund_id = Some(gateway_refund_id.to_owned());
        if taken_on {
            refund.standing = RefundStanding::Pending;
        }
    }
    let _ = world.booking_mut(booking);
    Outcome::Done
}

/// It did not happen, or came back after all: the money is with a person now; or there is nothing left to return,
/// because the customer has it by another way.
pub fn failed(
    world: &mut World,
    id: RefundId,
    gateway_refund_id: Option<&str>,
    why: &str,
) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::AlreadyKnown;
    };
    let (standing, booking, payment, amount) = (
        refund.standing,
        refund.booking,
        refund.payment,
        refund.amount,
    );
    if matches!(
        standing,
        RefundStanding::WithOperator | RefundStanding::Withdrawn
    ) {
        return Outcome::AlreadyKnown;
    }
    let came_back = standing == RefundStanding::Done;
    if let Some(gateway_refund_id) = gateway_refund_id {
        remember_failure(world, id, gateway_refund_id);
    }
    // What went out beyond what was captured went out instead of this refund; a rest is left over.
    if world.purse(payment).balance(Account::Loss) < 0 {
        withdraw(world, id);
        return Outcome::Done;
    }
    remove_task(world, id);
    if let Some(refund) = world.refund_mut(id) {
        refund.standing = RefundStanding::WithOperator;
        refund.done_at = None;
        refund.gateway_refund_id = None;
    }
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
        reason: format!(
            "{why}; have it tried again (refund retry), or return the money another way and say so \
             (refund other-way, refund settled-elsewhere)"
        ),
        at: world.now,
    });
    Outcome::NeedsPerson
}

/// The gateway's refund is dead, and stays so: that it had succeeded is older news, which may still come, from a
/// webhook or from a call whose answer was slow, and by then ours may be made anew.
fn remember_failure(world: &mut World, id: RefundId, gateway_refund_id: &str) {
    let Some(refund) = world.refund_mut(id) else {
        return;
    };
    refund.gateway_refund_id = None;
    let dead = Refund {
        id: RefundId::not_asked_for(refund.payment, gateway_refund_id),
        cause: RefundCause::NotAskedFor,
        standing: RefundStanding::Withdrawn,
        generation: 1,
        gateway_refund_id: Some(gateway_refund_id.to_owned()),
        other_way: None,
        done_at: None,
        ..refund.clone()
    };
    if !world.refunds.contains_key(&dead.id) {
        world.add_refund(dead);
    }
}

/// The customer has the money by another way: this refund is not made.
pub fn withdraw(world: &mut World, id: RefundId) {
    remove_task(world, id);
    dismiss(world, id);
    let Some(refund) = world.refund_mut(id) else {
        return;
    };
    refund.standing = RefundStanding::Withdrawn;
    refund.gateway_refund_id = None;
    refund.done_at = None;
    let (booking, payment_id, amount) = (refund.booking, refund.payment, refund.amount);
    world.emit(
        booking,
        EventBody::RefundWithdrawn {
            refund_id: id,
            payment_id,
            amount,
        },
    );
}

/// More has gone out than was captured. Gives up what has not left us yet, so that the customer does not get the money
/// twice: a fee that was kept, then refunds that no gateway has been asked for, or that wait for a person.
pub fn cover_loss(world: &mut World, payment: PaymentId) {
    let mut loss = -world.purse(payment).balance(Account::Loss);
    if loss <= 0 {
        return;
    }
    if let Some(row) = world.payment_mut(payment) {
        let fee = row.retained.min(loss);
        row.retained -= fee;
        loss -= fee;
    }
    let still_ours: Vec<_> = world
        .refunds_of_payment(payment)
        .filter(|refund| {
            matches!(
                refund.standing,
                RefundStanding::Requested | RefundStanding::WithOperator
            ) && refund.other_way.is_none()
        })
        .map(|refund| (refund.id, refund.amount.minor))
        .collect();
    for (id, amount) in still_ours {
        if amount <= loss {
            withdraw(world, id);
            loss -= amount;
        }
    }
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
        return Outcome::Refused(Refusal::NoSuchRefund);
    };
    let current = refund.generation == generation;
    let finished = !refund.gateway_should_act();
    let since = refund.requested_at;
    let key = TaskKey {
        generation,
        ..refund.task()
    };
    match answer {
        RefundAnswer::Told { fact } => {
            let outcome = told(world, booking, fact);
            if finished {
                world.remove_task(key.kind, key.subject, key.generation);
            } else if fact.state == RefundState::Pending {
                let wait = LOOK_AGAIN_S * i64::from(attempt.min(60));
                let until = world.now + Duration::seconds(wait);
                world.postpone_task(key, until);
                if world.now - since >= SLOW {
                    return call(
                        world,
                        id,
                        AttentionKind::RefundSlow,
                        "the gateway has accepted this refund and not finished it for days; \
                         we keep looking, ask the gateway",
                    );
                }
            } else if current
                && world
                    .refunds
                    .get(&id)
                    .is_some_and(Refund::gateway_should_act)
            {
                // Asked again, it would say the same again.
                let why = "the gateway answers with another refund under this name";
                return failed(world, id, None, why);
            }
            outcome
        }
        _ if finished || !current => {
            world.remove_task(key.kind, key.subject, key.generation);
            Outcome::AlreadyKnown
        }
        RefundAnswer::Declined { why } => failed(world, id, None, why),
        RefundAnswer::RetryLater { after_ms, why } => {
            let at_least =
                world.now + Duration::milliseconds(after_ms.unwrap_or(0).clamp(0, 3_600_000));
            let until = retry_at(world.now, id.uuid(), attempt).max(at_least);
            world.postpone_task(key, until);
            impatient(world, id, attempt, why).unwrap_or(Outcome::Postponed)
        }
        RefundAnswer::Unknown { why } => {
            world.postpone_task(key, retry_at(world.now, id.uuid(), attempt));
            impatient(world, id, attempt, why).unwrap_or(Outcome::Postponed)
        }
        RefundAnswer::NothingAlive => {
            world.remove_task(key.kind, key.subject, key.generation);
            if let Some(refund) = world.refund_mut(id) {
                refund.generation = generation + 1;
            }
            set_task(world, id);
            Outcome::Done
        }
    }
}

/// It has waited for long, whatever for.
pub fn call_by_age(world: &mut World, id: RefundId) {
    let reason = "this refund has waited for half a day without an answer of the gateway; see whether the gateway is \
                  called at all (its circuit, its rate), and its dashboard";
    call(world, id, AttentionKind::RefundStuck, reason);
}

fn impatient(world: &mut World, id: RefundId, attempt: u32, why: &str) -> Option<Outcome> {
    (attempt >= PATIENCE).then(|| {
        let reason = format!(
            "asked {attempt} times without a usable answer ({why}); we keep asking, \
             look at the gateway's dashboard if it lasts"
        );
        call(world, id, AttentionKind::RefundStuck, &reason)
    })
}

fn call(world: &mut World, id: RefundId, kind: AttentionKind, reason: &str) -> Outcome {
    let Some(refund) = world.refunds.get(&id) else {
        return Outcome::AlreadyKnown;
    };
    let item = Attention {
        kind,
        subject: id.uuid(),
        booking: Some(refund.booking),
        payment: Some(refund.payment),
        amount: Some(refund.amount),
        reason: reason.to_owned(),
        at: world.now,
    };
    world.call_person(item);
    Outcome::NeedsPerson
}

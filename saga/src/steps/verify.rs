//! Asking the gateway how an attempt stands: the cure for a webhook that never comes. Soon, once more
//! later, and at the end of the hold by cancelling it.

use time::Duration;

use crate::attention::{Attention, AttentionKind};
use crate::fact::PaymentState;
use crate::identity::PaymentId;
use crate::input::{CallAnswer, Outcome, Refusal};
use crate::payment::PaymentStanding;
use crate::task::{Task, TaskKey, TaskKind};
use crate::world::World;

/// Seconds after opening that the first question is asked.
pub const SOON_S: i64 = 20;
/// Seconds after the first question that the second is asked.
pub const LATER_S: i64 = 160;
/// How many questions are asked in all while the hold lives.
pub const QUESTIONS: u32 = 2;
/// The number of the question that is asked in doubt. Those after hints are numbered from 1,000.
const DOUBT: u32 = 900;

/// Sets the `generation`th question, `after` from now.
pub fn request(world: &mut World, payment: PaymentId, generation: u32, after: Duration) {
    let Some(row) = world.payments.get(&payment) else {
        return;
    };
    let task = Task {
        key: TaskKey {
            kind: TaskKind::Verify,
            subject: payment.uuid(),
            generation,
        },
        booking: Some(row.booking),
        due_at: world.now + after,
        detail: None,
    };
    world.add_task(task);
}

/// Takes back all questions about `payment`.
pub fn withdraw(world: &mut World, payment: PaymentId) {
    for generation in 1..=QUESTIONS {
        world.remove_task(TaskKind::Verify, payment.uuid(), generation);
    }
}

/// Asks because the gateway told of a failure after it had told of money: news in the wrong order, or a contradiction.
pub fn doubt(world: &mut World, payment: PaymentId) {
    request(world, payment, DOUBT, Duration::ZERO);
}

/// The gateway was asked about money that it had told of. If it knows nothing of it any more, a person must look.
fn contradicted(world: &mut World, payment: PaymentId, answer: &CallAnswer) -> Outcome {
    let CallAnswer::Answered { state } = answer else {
        return Outcome::AlreadyKnown;
    };
    let Some(row) = world.payments.get(&payment) else {
        return Outcome::AlreadyKnown;
    };
    if *state == Some(PaymentState::Captured) {
        return Outcome::AlreadyKnown;
    }
    world.call_person(Attention {
        kind: AttentionKind::Contradiction,
        subject: payment.uuid(),
        booking: Some(row.booking),
        payment: Some(payment),
        amount: row.captured,
        reason: "the gateway told of this money, then of a failure, and asked again it does not have it; \
                 compare with its dashboard, the booking stands"
            .to_owned(),
        at: world.now,
    });
    Outcome::NeedsPerson
}

/// The gateway answered, or did not. What it said travels by Kafka, so that money has one way in; here the
/// question is closed and the next one set. Not learning anything is no reason to fail or refund anything.
pub fn answered(
    world: &mut World,
    payment: PaymentId,
    generation: u32,
    answer: &CallAnswer,
) -> Outcome {
    world.remove_task(TaskKind::Verify, payment.uuid(), generation);
    let Some(row) = world.payments.get(&payment) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    match row.standing {
        PaymentStanding::Captured => return contradicted(world, payment, answer),
        PaymentStanding::Closed => return Outcome::AlreadyKnown,
        _ => {}
    }
    if generation < QUESTIONS {
        request(world, payment, generation + 1, Duration::seconds(LATER_S));
        return Outcome::Postponed;
    }
    match answer {
        CallAnswer::Answered { .. } => Outcome::Done,
        // The end of the hold asks again, by cancelling, and that goes on until there is an answer.
        CallAnswer::Unknown { .. } => Outcome::Postponed,
    }
}

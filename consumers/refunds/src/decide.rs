//! What a try at a refund begins with, what a look-up means, and what becomes of an answer. Without I/O: this is
//! what keeps a refund from being made twice.

use boxoffice_gateways::CallError;
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::{Reference, RefundFact, RefundState};
use boxoffice_saga::input::{Input, RefundAnswer};
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::world::World;
use boxoffice_tasks::{EarlierAttempt, HeldBack, Leased};
use time::{Duration, OffsetDateTime};

/// Gateways forget idempotency keys after a day (Stripe keeps them at least 24 hours): an older key is not
/// used again.
const KEY_LIVES: Duration = Duration::hours(23);

/// After so many tries under one key without a usable answer, the key itself is suspected: Stripe replays
/// a first answer even if that was a 500.
const KEY_TRIES: usize = 2;

/// What a try begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First<'a> {
    /// The gateway has it, under this id: how does it stand?
    Follow(&'a str),
    /// An earlier try may have made it: which refunds does the gateway have?
    LookUp,
    /// The gateway is asked for it.
    Ask,
}

/// What follows on a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The look-up is the answer.
    Answer(Box<RefundAnswer>),
    /// Nothing of it is at the gateway: the same request under the same key is safe.
    Repeat,
}

/// The fence, right before something is asked for: whether the decision that caused the refund stands, and this try is
/// still the one to make it. `now` is the database's clock, and the rows are as of then.
///
/// A process may have slept since it leased the task, for hours. Others have gone on by then: they counted on
/// it that nothing of this try leaves after its deadline.
///
/// # Errors
/// The answer, where nothing may be asked for.
pub fn fence(
    now: OffsetDateTime,
    refund: &Refund,
    payment: &Payment,
    booking: BookingState,
    task: &Leased,
) -> Result<(), Box<RefundAnswer>> {
    if !refund.stands(payment, booking) {
        let why = "the decision behind this refund does not stand".to_owned();
        return Err(Box::new(RefundAnswer::Declined { why }));
    }
    let current = refund.generation == task.key.generation && refund.gateway_should_act();
    if now >= task.deadline || !current {
        let why = "this try is too old: it has asked for nothing".to_owned();
        return Err(Box::new(RefundAnswer::RetryLater {
            after_ms: None,
            why,
        }));
    }
    Ok(())
}

/// What a try begins with.
pub fn first<'a>(refund: &'a Refund, task: &Leased) -> First<'a> {
    if let Some(known) = &refund.gateway_refund_id {
        return First::Follow(known);
    }
    // What was made under an earlier key may have been done, or undone, without our knowing.
    if task.key.generation > 1 || task.has_doubtful_attempts() {
        First::LookUp
    } else {
        First::Ask
    }
}

/// What follows when the gateway says that these are all the goes at the refund that it has.
///
/// # Errors
/// [`HeldBack`]: the gateway was not asked.
pub fn after_look_up(
    all: Result<Vec<RefundFact>, CallError>,
    refund: &Refund,
    task: &Leased,
) -> Result<Next, HeldBack> {
    let answer = |answer| Ok(Next::Answer(Box::new(answer)));
    let all = match all {
        Ok(all) => all,
        Err(error) => return unanswered(error).and_then(answer),
    };
    let mut ours: Vec<RefundFact> = all
        .into_iter()
        .filter(|fact| fact.refund == Some(refund.id))
        // One that failed was told before, unless a try of this generation may have made it.
        .filter(|fact| {
            let of_this_go = fact
                .generation
                .is_none_or(|made| made >= task.key.generation);
            fact.state != RefundState::Failed || (in_doubt(task) && of_this_go)
        })
        .collect();
    // One that is alive says more than one that failed.
    ours.sort_by_key(|fact| fact.state == RefundState::Failed);
    if let Some(fact) = ours.into_iter().next() {
        return answer(RefundAnswer::Told { fact });
    }
    if !task.earlier_deadlines_passed() {
        return answer(on_its_way());
    }
    if key_is_spent(task) {
        answer(RefundAnswer::NothingAlive)
    } else {
        Ok(Next::Repeat)
    }
}

/// What follows where the gateway cannot be asked which refunds it has, and answers a key that it knows as the first
/// time: the same request again, as long as it certainly knows the key. A new key is never the way out here, for nobody
/// could say that the old one made nothing.
pub fn without_look_up(task: &Leased, key_lives: Duration) -> Next {
    if !task.earlier_deadlines_passed() {
        return Next::Answer(Box::new(on_its_way()));
    }
    if of_its_own(task).any(|attempt| task.now - attempt.started_at > key_lives) {
        let why = "an answer was lost, the gateway has no list of refunds, and its memory of our key is over: \
                   see at its dashboard whether the refund was made"
            .to_owned();
        return Next::Answer(Box::new(RefundAnswer::Unknown { why }));
    }
    Next::Repeat
}

/// A refund that the gateway has accepted, and of which it tells by webhook only: it is as it was.
pub fn awaited(refund: &Refund, payment: &Payment, gateway_refund_id: &str) -> RefundAnswer {
    let fact = RefundFact {
        account: payment.account.clone(),
        gateway_refund_id: gateway_refund_id.to_owned(),
        gateway_payment_id: payment.gateway_payment_id.clone().unwrap_or_default(),
        reference: Reference::Booking {
            booking: refund.booking,
            payment: Some(payment.id),
        },
        refund: Some(refund.id),
        generation: Some(refund.generation),
        state: RefundState::Pending,
        amount: refund.amount,
        // Nobody told, and nobody looks: the mode was checked when the gateway accepted it.
        live: false,
        reason: None,
    };
    RefundAnswer::Told { fact }
}

/// No look-up shows what has not arrived yet.
fn on_its_way() -> RefundAnswer {
    RefundAnswer::RetryLater {
        after_ms: Some(5_000),
        why: "an earlier request may still be on its way".to_owned(),
    }
}

/// Tries of this task's own generation.
fn of_its_own(task: &Leased) -> impl Iterator<Item = &EarlierAttempt> {
    task.earlier
        .iter()
        .filter(|attempt| attempt.generation == task.key.generation)
}

/// Whether a try of this generation was made of whose outcome nothing certain is known.
fn in_doubt(task: &Leased) -> bool {
    of_its_own(task).any(EarlierAttempt::is_doubtful)
}

/// Whether this generation's key must not be used again.
fn key_is_spent(task: &Leased) -> bool {
    let doubtful = |attempt: &&EarlierAttempt| {
        attempt
            .answer
            .as_deref()
            .is_some_and(|answer| answer.starts_with("unknown"))
    };
    of_its_own(task).any(|attempt| task.now - attempt.started_at > KEY_LIVES)
        || of_its_own(task).filter(doubtful).count() >= KEY_TRIES
}

/// What the answer to the question means how a refund stands that the gateway has.
///
/// # Errors
/// [`HeldBack`]: the gateway was not asked.
pub fn followed(answer: Result<RefundFact, CallError>) -> Result<RefundAnswer, HeldBack> {
    match answer {
        Ok(fact) => Ok(RefundAnswer::Told { fact }),
        Err(error) => unanswered(error),
    }
}

/// A question that is refused is no refused refund: whether one was made is as unknown as before.
fn unanswered(error: CallError) -> Result<RefundAnswer, HeldBack> {
    match error {
        CallError::Declined { .. } | CallError::NotFound => Ok(RefundAnswer::Unknown {
            why: format!("the gateway does not say how the refund stands: {error}"),
        }),
        error => told(Err(error)),
    }
}

/// What the answer to the request for a refund means.
///
/// # Errors
/// [`HeldBack`]: the gateway was not asked.
pub fn told(answer: Result<RefundFact, CallError>) -> Result<RefundAnswer, HeldBack> {
    if let Some(after) = answer.as_ref().err().and_then(CallError::held_back) {
        return Err(HeldBack { after });
    }
    Ok(match answer {
        Ok(fact) => RefundAnswer::Told { fact },
        Err(error @ (CallError::Declined { .. } | CallError::NotFound)) => RefundAnswer::Declined {
            why: error.to_string(),
        },
        Err(CallError::RetryLater { after, why, .. }) => RefundAnswer::RetryLater {
            after_ms: after.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX)),
            why,
        },
        Err(CallError::Unknown { why }) => RefundAnswer::Unknown { why },
    })
}

/// Applies an answer in its turn, and says what is recorded for the attempt. `held`: the lease is still the
/// attempt's.
pub fn apply(task: &Leased, answer: &RefundAnswer, held: bool, world: &mut World) -> String {
    let recorded = match answer {
        RefundAnswer::Told { fact } => {
            let state = format!("{:?}", fact.state).to_lowercase();
            format!("{state}: {}", fact.gateway_refund_id)
        }
        RefundAnswer::Declined { why } => format!("declined: {why}"),
        RefundAnswer::RetryLater { why, .. } => format!("not now: {why}"),
        RefundAnswer::Unknown { why } => format!("unknown: {why}"),
        RefundAnswer::NothingAlive => "looked up: nothing alive".to_owned(),
    };
    // What the gateway has is a fact, whenever it is learnt. Anything else from a lost lease would only
    // disturb the present holder.
    if let Some(booking) = task.booking
        && (held || matches!(answer, RefundAnswer::Told { .. }))
    {
        world.apply(
            booking,
            Input::RefundAnswered {
                refund: task.key.subject.into(),
                generation: task.key.generation,
                attempt: task.attempt,
                answer: answer.clone(),
            },
        );
    }
    recorded
}

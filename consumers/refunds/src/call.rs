//! Making a refund at the gateway, and never twice.

use std::marker::PhantomData;
use std::sync::Arc;

use boxoffice_gateways::{CallError, GatewayClient, Gateways, RefundOrder};
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::{RefundFact, RefundState};
use boxoffice_saga::input::{Input, RefundAnswer};
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_tasks::{EarlierAttempt, HeldBack, Leased, Work};
use boxoffice_turn::{Appends, Reads};
use time::{Duration, OffsetDateTime};

use crate::lane::Lane;

/// Gateways forget idempotency keys after a day (Stripe keeps them at least 24 hours): an older key is not
/// used again.
const KEY_LIVES: Duration = Duration::hours(23);

/// After so many tries under one key without a usable answer, the key itself is suspected: Stripe replays
/// a first answer even if that was a 500.
const KEY_TRIES: usize = 2;

/// The refund worker's tasks of one lane.
pub struct RefundWork<S, L> {
    store: S,
    gateways: Arc<Gateways>,
    lane: PhantomData<L>,
}

impl<S: Reads, L: Lane> RefundWork<S, L> {
    /// Work over `store` and `gateways`.
    pub const fn new(store: S, gateways: Arc<Gateways>) -> Self {
        Self {
            store,
            gateways,
            lane: PhantomData,
        }
    }

    async fn rows(
        &self,
        task: &Leased,
    ) -> Result<(OffsetDateTime, Refund, Payment, BookingState), String> {
        let booking = task.booking.ok_or("the task names no booking")?;
        let (now, mut cases) = self
            .store
            .cases(&[booking])
            .await
            .map_err(|error| error.to_string())?;
        let case = cases.remove(&booking).ok_or("the booking is not there")?;
        let refund = case
            .refunds
            .into_iter()
            .find(|refund| refund.id.uuid() == task.key.subject)
            .ok_or("the refund is not there")?;
        let payment = case
            .payments
            .into_iter()
            .find(|payment| payment.id == refund.payment)
            .ok_or("the refund's payment is not there")?;
        Ok((now, refund, payment, case.booking.state))
    }

    /// The fence, right before something is asked for: the refund with its payment, if the decision that caused it
    /// stands, and this try is still the one to make it.
    ///
    /// A process may have slept since it leased the task, for hours. Others have gone on by then: they counted on
    /// it that nothing of this try leaves after its deadline.
    async fn fenced(&self, task: &Leased) -> Result<(Refund, Payment), RefundAnswer> {
        let (now, refund, payment, booking) = self
            .rows(task)
            .await
            .map_err(|why| RefundAnswer::Unknown { why })?;
        if !refund.stands(&payment, booking) {
            let why = "the decision behind this refund does not stand".to_owned();
            return Err(RefundAnswer::Declined { why });
        }
        if now >= task.deadline || refund.generation != task.key.generation {
            let why = "this try is too old: it has asked for nothing".to_owned();
            return Err(RefundAnswer::RetryLater {
                after_ms: None,
                why,
            });
        }
        Ok((refund, payment))
    }

    async fn make(&self, task: &Leased) -> Result<RefundAnswer, HeldBack> {
        let (refund, payment) = match self.fenced(task).await {
            Ok(rows) => rows,
            Err(answer) => return Ok(answer),
        };
        let declined = |why: &str| {
            Ok(RefundAnswer::Declined {
                why: why.to_owned(),
            })
        };
        let Some(client) = L::client(&self.gateways, &payment.account) else {
            return declined("boxoffice cannot make refunds at this gateway");
        };
        let Some(gateway_payment_id) = &payment.gateway_payment_id else {
            return declined("the gateway's id of the payment is not known");
        };
        if let Some(known) = &refund.gateway_refund_id {
            return told(client.fetch_refund(known).await);
        }
        // What was made under an earlier key may have been done, or undone, without our knowing.
        if task.key.generation > 1 || task.has_doubtful_attempts() {
            match self
                .look_up(&**client, gateway_payment_id, &refund, task)
                .await?
            {
                Lookup::Answer(answer) => return Ok(*answer),
                Lookup::Repeat => {}
            }
            // The look took its time.
            match self.fenced(task).await {
                Ok((refund, _)) => {
                    if let Some(known) = &refund.gateway_refund_id {
                        return told(client.fetch_refund(known).await);
                    }
                }
                Err(answer) => return Ok(answer),
            }
        }
        let order = RefundOrder {
            refund: refund.id,
            generation: task.key.generation,
            key: refund.id.gateway_key(task.key.generation),
            gateway_payment_id: gateway_payment_id.clone(),
            amount: refund.amount,
            booking: refund.booking,
            payment: Some(payment.id),
            reason: refund.cause.name().to_lowercase(),
        };
        told(client.refund(&order).await)
    }

    /// Asks the gateway what became of an earlier try before anything is repeated.
    async fn look_up(
        &self,
        client: &dyn GatewayClient,
        gateway_payment_id: &str,
        refund: &Refund,
        task: &Leased,
    ) -> Result<Lookup, HeldBack> {
        let all = match client.refunds_of(gateway_payment_id).await {
            Ok(all) => all,
            Err(error) => return told(Err(error)).map(Lookup::answer),
        };
        let mut ours: Vec<RefundFact> = all
            .into_iter()
            .filter(|fact| fact.refund == Some(refund.id))
            // One that failed was told before, unless a try of this generation may have made it.
            .filter(|fact| {
                fact.state != RefundState::Failed
                    || (in_doubt(task)
                        && fact
                            .generation
                            .is_none_or(|made| made >= task.key.generation))
            })
            .collect();
        // One that is alive says more than one that failed.
        ours.sort_by_key(|fact| fact.state == RefundState::Failed);
        if let Some(fact) = ours.into_iter().next() {
            return Ok(Lookup::answer(RefundAnswer::Told { fact }));
        }
        if !task.earlier_deadlines_passed() {
            let why = "an earlier request may still be on its way".to_owned();
            return Ok(Lookup::answer(RefundAnswer::RetryLater {
                after_ms: Some(5_000),
                why,
            }));
        }
        Ok(if key_is_spent(task) {
            Lookup::answer(RefundAnswer::NothingAlive)
        } else {
            Lookup::Repeat
        })
    }
}

enum Lookup {
    /// The look-up is the answer.
    Answer(Box<RefundAnswer>),
    /// Nothing of it is at the gateway: the same request under the same key is safe.
    Repeat,
}

impl Lookup {
    fn answer(answer: RefundAnswer) -> Self {
        Self::Answer(Box::new(answer))
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

/// What an answer of the gateway means; or that it was not asked.
fn told(answer: Result<RefundFact, CallError>) -> Result<RefundAnswer, HeldBack> {
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

impl<S: Reads, L: Lane> Work for RefundWork<S, L> {
    type Answer = RefundAnswer;

    const KINDS: &'static [TaskKind] = L::KINDS;

    fn held(&self) -> Vec<String> {
        self.gateways.shut().map(ToString::to_string).collect()
    }

    async fn call(&self, task: &Leased) -> Result<RefundAnswer, HeldBack> {
        self.make(task).await
    }

    fn apply(
        &self,
        task: &Leased,
        answer: &RefundAnswer,
        held: bool,
        world: &mut World,
        _: &mut Appends,
    ) -> String {
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
}

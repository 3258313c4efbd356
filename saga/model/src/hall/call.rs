//! Calls to the gateway for tasks, and what their answers come to.

use boxoffice_refunds::decide::{self, First};
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId};
use boxoffice_saga::input::{CallAnswer, CaptureAnswer, Input, RefundAnswer, VoidAnswer};
use boxoffice_saga::payment::PaymentStanding;
use boxoffice_saga::task::{TaskKey, TaskKind};
use boxoffice_tasks::Leased;
use time::Duration;
use uuid::Uuid;

use super::act::Mood;
use super::{Answer, Hall, Said, State, names, rows};

impl Hall {
    /// Calls the gateway for a task. What it does there is done, whatever becomes of the answer.
    pub(super) fn call(&self, state: &mut State, task: &TaskKey, mood: Mood) {
        let said = match task.kind {
            TaskKind::Verify => Said::Verify(verify(state, task)),
            TaskKind::Void => Said::Void(self.void(state, task)),
            TaskKind::Capture => Said::Capture(self.capture(state, task)),
            _ => match refund(state, task, mood) {
                Some(answer) => Said::Refund(answer),
                None => return,
            },
        };
        let task = task.clone();
        state.answers.push(Answer { task, said });
        state
            .answers
            .sort_by(|one, other| one.task.cmp(&other.task));
    }

    fn fact(&self, state: &State, nth: usize) -> Option<boxoffice_saga::fact::PaymentFact> {
        let paid = state.gateway[nth].as_ref()?;
        let (of, _) = self.attempts[nth];
        let price = state.price(names::booking(of));
        Some(names::payment_fact(
            nth,
            names::booking(of),
            paid,
            paid.state,
            price,
        ))
    }

    fn void(&self, state: &mut State, task: &TaskKey) -> VoidAnswer {
        let nth = names::attempt(task.subject);
        let unknown = || VoidAnswer::Unknown { why: String::new() };
        match state.gateway[nth].as_ref().map(|paid| paid.state) {
            Some(PaymentState::Captured) => self
                .fact(state, nth)
                .map_or_else(unknown, |fact| VoidAnswer::AlreadyPaid { fact }),
            Some(PaymentState::Cancelled) => VoidAnswer::NothingTaken,
            Some(_) if self.can_void => {
                if let Some(paid) = &mut state.gateway[nth] {
                    paid.becomes(PaymentState::Cancelled);
                }
                VoidAnswer::NothingTaken
            }
            Some(_) => VoidAnswer::NotPossible { why: String::new() },
            None => unknown(),
        }
    }

    fn capture(&self, state: &mut State, task: &TaskKey) -> CaptureAnswer {
        let nth = names::attempt(task.subject);
        let id = PaymentId::from(task.subject);
        let authorised = PaymentStanding::Authorised;
        // The fence: what is being given up is not taken.
        if state
            .rows
            .payments
            .get(&id)
            .is_none_or(|row| row.standing != authorised)
        {
            return CaptureAnswer::RetryLater {
                after_ms: None,
                why: String::new(),
            };
        }
        let price = state.price(names::booking(self.attempts[nth].0));
        if let Some(paid) = &mut state.gateway[nth]
            && paid.state == PaymentState::Authorised
        {
            paid.captured = price;
            paid.becomes(PaymentState::Captured);
        }
        match self.fact(state, nth) {
            Some(fact) if fact.state == PaymentState::Captured => CaptureAnswer::Taken { fact },
            _ => CaptureAnswer::Declined { why: String::new() },
        }
    }

    /// Brings an answer back: a turn.
    pub(super) fn bring(&self, state: &mut State, answer: &Answer) {
        let Some(booking) = state.booking_of(&answer.task) else {
            return;
        };
        let held = state.rows.tasks.contains(&answer.task);
        let payment = PaymentId::from(answer.task.subject);
        let generation = answer.task.generation;
        match &answer.said {
            Said::Verify(said) => {
                if !held {
                    return;
                }
                let news = match said {
                    CallAnswer::Answered { state: Some(news) } => Some(*news),
                    _ => None,
                };
                if let Some(news) = news.filter(|news| *news != PaymentState::Open) {
                    // In the same turn, by the outbox.
                    state
                        .fetched
                        .insert((names::attempt(answer.task.subject), news));
                }
                state.apply(
                    booking,
                    Input::VerifyAnswered {
                        payment,
                        generation,
                        answer: said.clone(),
                    },
                );
            }
            Said::Void(said) if held || !matches!(said, VoidAnswer::Unknown { .. }) => {
                state.apply(
                    booking,
                    Input::VoidAnswered {
                        payment,
                        generation,
                        attempt: 1,
                        answer: said.clone(),
                    },
                );
            }
            Said::Capture(said) if held || matches!(said, CaptureAnswer::Taken { .. }) => {
                state.apply(
                    booking,
                    Input::CaptureAnswered {
                        payment,
                        attempt: 1,
                        answer: said.clone(),
                    },
                );
            }
            Said::Refund(said) => {
                let task = leased(&answer.task, booking, 1, state.tick);
                let now = rows::moment(state.tick);
                let turned = state.rows.turn(now, |world| {
                    decide::apply(&task, said, held, world);
                });
                state.note(turned);
                if let RefundAnswer::Told { fact } = said
                    && fact.state == RefundState::Failed
                {
                    state.heard_failed(&fact.gateway_payment_id, &fact.gateway_refund_id);
                }
            }
            Said::Void(_) | Said::Capture(_) => {}
        }
    }

    /// A call of which nobody can say what it came to, after many tries.
    pub(super) fn unknown(&self, state: &mut State, task: &TaskKey) {
        let Some(booking) = state.booking_of(task) else {
            return;
        };
        let payment = PaymentId::from(task.subject);
        let why = String::new();
        let (generation, attempt) = (task.generation, 20);
        let input = match task.kind {
            TaskKind::Verify => Input::VerifyAnswered {
                payment,
                generation,
                answer: CallAnswer::Unknown { why },
            },
            TaskKind::Void => Input::VoidAnswered {
                payment,
                generation,
                attempt,
                answer: VoidAnswer::Unknown { why },
            },
            TaskKind::Capture => Input::CaptureAnswered {
                payment,
                attempt,
                answer: CaptureAnswer::Unknown { why },
            },
            _ => Input::RefundAnswered {
                refund: RefundId::from(task.subject),
                generation,
                attempt,
                answer: RefundAnswer::Unknown { why },
            },
        };
        state.apply(booking, input);
    }
}

fn verify(state: &State, task: &TaskKey) -> CallAnswer {
    let paid = state.gateway[names::attempt(task.subject)].as_ref();
    CallAnswer::Answered {
        state: paid.map(|paid| paid.state),
    }
}

/// The refund worker's call. That a try whose answer was lost is looked up before it is repeated is taken from the
/// model of the lease: here the worker always knows what the gateway has.
fn refund(state: &mut State, task: &TaskKey, mood: Mood) -> Option<RefundAnswer> {
    let id = RefundId::from(task.subject);
    let refund = state.rows.refunds.get(&id)?;
    let payment = state.rows.payments.get(&refund.payment)?;
    let booking: BookingState = state.rows.bookings.get(&refund.booking)?.state;
    let nth = names::attempt(payment.id.uuid());
    let lease = leased(task, refund.booking, 1, state.tick);
    let declined = Some(RefundAnswer::Declined { why: String::new() });
    let amount = refund.amount.minor;
    let told = |state: &State, back: usize| {
        let row = state.gateway[nth].as_ref()?.refunds.get(back)?;
        let fact = names::refund_fact(nth, back, row, row.state);
        Some(RefundAnswer::Told { fact })
    };
    let now = rows::moment(state.tick);
    if let Err(answer) = decide::fence(now, refund, payment, booking, &lease) {
        return Some(*answer);
    }
    match decide::first(refund, &lease) {
        First::Follow(known) => return told(state, names::back(known)?),
        First::LookUp | First::Ask => {}
    }
    let generation = task.generation;
    let paid = state.gateway[nth].as_mut()?;
    let known = paid.refunds.iter().position(|back| {
        back.ours == Some(id) && (back.is_alive() || back.generation == generation)
    });
    if let Some(back) = known {
        return told(state, back);
    }
    if mood == Mood::Declines || paid.left() < amount {
        return declined;
    }
    let stands = if mood == Mood::Accepts {
        RefundState::Pending
    } else {
        RefundState::Succeeded
    };
    let back = paid.refund(Some(id), generation, amount, stands);
    told(state, back)
}

fn leased(task: &TaskKey, booking: BookingId, attempt: u32, tick: usize) -> Leased {
    let now = rows::moment(tick);
    Leased {
        key: task.clone(),
        booking: Some(booking),
        attempt,
        lease: Uuid::nil(),
        deadline: now + Duration::seconds(12),
        now,
        detail: None,
        earlier: Vec::new(),
    }
}

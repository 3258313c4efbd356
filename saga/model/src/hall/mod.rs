//! A small hall: a show of one or two seats, customers who want the same ones, a gateway, and everything that can
//! happen to them in every order.
//!
//! Every decision is made by the production saga ([`World::apply`](boxoffice_saga::world::World::apply)) and judged
//! by the production promises. Around it: a gateway that tells what is and what was, in any order and as often as it
//! likes, or not at all; tasks whose calls have an effect there before their answers are brought back, if ever; a
//! clock that may step past any hold at any moment; customers, operators, banks, and somebody at the gateway's own
//! dashboard.

mod act;
mod call;
mod gateway;
mod names;
mod rows;

use std::collections::BTreeSet;

use boxoffice_saga::fact::PaymentState;
use boxoffice_saga::input::{CallAnswer, CaptureAnswer, RefundAnswer, VoidAnswer};
use boxoffice_saga::payment::{CaptureMode, PaymentStanding};
use boxoffice_saga::promises::Promise;
use boxoffice_saga::refund::{RefundCause, RefundStanding};
use boxoffice_saga::task::TaskKey;
use stateright::{Model, Property};

pub use act::Action;
pub use gateway::{Back, Paid};
pub use rows::Rows;

/// The moments of the clock, in seconds after the opening: within a hold made at the opening; past its promised end;
/// when others may have its seats; after the time for which seats are kept for money that is being taken.
pub const TICKS: [i64; 4] = [0, 605, 640, 1_300];

/// How often each thing may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chances {
    /// Payments that are declined first, and may be made all the same.
    pub declined: u8,
    /// Customers who pay another amount.
    pub wrong_amounts: u8,
    /// Answers to calls that are lost.
    pub lost: u8,
    /// Calls of which nobody can say what they came to, for long.
    pub unknown: u8,
    /// Refunds that the gateway will not make.
    pub refund_declined: u8,
    /// Refunds that the gateway does not finish at once.
    pub refund_slow: u8,
    /// Refunds that come back.
    pub refund_failed: u8,
    /// Refunds made on the gateway's dashboard.
    pub dashboard: u8,
    /// Disputes.
    pub disputes: u8,
    /// Bookings cancelled or given up, by customers and operators.
    pub cancelled: u8,
    /// Shows cancelled.
    pub show_cancelled: u8,
    /// What operators do about refunds.
    pub by_hand: u8,
    /// Sweeps.
    pub sweeps: u8,
    /// Authorisations that run out.
    pub run_out: u8,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Hall {
    /// How many seats there are.
    pub seats: usize,
    /// The seats that each booking is for.
    pub bookings: Vec<Vec<usize>>,
    /// The booking of each attempt to pay, and when its money is to be taken.
    pub attempts: Vec<(usize, CaptureMode)>,
    /// Whether the gateway can cancel a payment.
    pub can_void: bool,
    /// How many of [`TICKS`] there are.
    pub ticks: usize,
    /// What may happen.
    pub chances: Chances,
}

/// An answer on its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The task that it is for.
    pub task: TaskKey,
    /// What it says.
    pub said: Said,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// To a question, and how the payment stands.
    Verify(CallAnswer),
    /// To a void.
    Void(VoidAnswer),
    /// To a capture.
    Capture(CaptureAnswer),
    /// To a refund.
    Refund(RefundAnswer),
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Which of [`TICKS`] it is.
    pub tick: usize,
    /// Our side.
    pub rows: Rows,
    /// The other side, by attempt; nothing before it is opened.
    pub gateway: Vec<Option<Paid>>,
    /// Answers on their way back; at most one per task.
    pub answers: Vec<Answer>,
    /// What a question has put into the topic of facts: it will be decided.
    pub fetched: BTreeSet<(usize, PaymentState)>,
    /// Promises that are broken.
    pub broken: BTreeSet<Promise>,
    /// Another thing that should never happen.
    pub wrong: Option<&'static str>,
    /// What may still happen.
    pub left: Chances,
}

/// No refund of ours is made twice at the gateway.
pub const ONCE: &str = "MONEY-2: a refund is made at most once at the gateway";
/// A good booking keeps its money.
pub const GOOD_BOOKING: &str = "SAGA-1: what pays for a good booking is not returned by us";
/// Done is done.
pub const TRUE: &str = "MONEY-1: a refund of which we heard that it failed is not called done";
/// What is open is somebody's work.
pub const LOOKED_AFTER: &str = "MONEY-3: everything that is open has a task";
/// It ends.
pub const ENDS: &str = "MONEY-3: in the end everything is decided, returned or with a person";
/// Captured is known.
pub const LEARNT: &str =
    "SAGA-1: money that was taken has a verdict in the end, even if no webhook ever came";
/// Once.
pub const ONLY_ONCE: &str = "SAGA-1: a fact that comes again moves nothing and tells nothing";
/// Gapless.
pub const GAPLESS: &str = "EVENT-1: events are numbered without a gap";

fn promise(state: &State, promise: Promise) -> bool {
    !state.broken.contains(&promise)
}

impl Model for Hall {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            tick: 0,
            rows: Rows::new(self.seats),
            gateway: vec![None; self.attempts.len()],
            answers: Vec::new(),
            fetched: BTreeSet::new(),
            broken: BTreeSet::new(),
            wrong: None,
            left: self.chances,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.happenings(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = self.after(state, action)?;
        if next.rows != state.rows || next.tick != state.tick {
            next.broken = next.rows.broken(rows::moment(next.tick));
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("SEAT-1", |_: &Self, state: &State| {
                promise(state, Promise::Seat1)
            }),
            Property::always("SEAT-2", |_: &Self, state: &State| {
                promise(state, Promise::Seat2)
            }),
            Property::always("MONEY-1", |_: &Self, state: &State| {
                promise(state, Promise::Money1)
            }),
            Property::always("MONEY-2", |_: &Self, state: &State| {
                promise(state, Promise::Money2)
            }),
            Property::always("MONEY-3", |_: &Self, state: &State| {
                promise(state, Promise::Money3)
            }),
            Property::always("SAGA-1", |_: &Self, state: &State| {
                promise(state, Promise::Saga1)
            }),
            Property::always(GAPLESS, |_: &Self, state: &State| {
                state.wrong != Some(GAPLESS)
            }),
            Property::always(ONLY_ONCE, |_: &Self, state: &State| {
                state.wrong != Some(ONLY_ONCE)
            }),
            Property::always(ONCE, |_: &Self, state: &State| {
                state.refunds_are_made_once()
            }),
            Property::always(GOOD_BOOKING, |_: &Self, state: &State| {
                state.good_bookings_keep_their_money()
            }),
            Property::always(TRUE, |_: &Self, state: &State| state.done_is_done()),
            Property::always(LOOKED_AFTER, |_: &Self, state: &State| {
                state.rows.is_looked_after()
            }),
            Property::always(ENDS, |model: &Self, state: &State| {
                state.is_settled() || !model.at_rest(state)
            }),
            Property::always(LEARNT, |model: &Self, state: &State| {
                !model.can_void || state.everything_is_known() || !model.at_rest(state)
            }),
            Property::sometimes("a refund is done", |_: &Self, state: &State| {
                let mut refunds = state.rows.refunds.values();
                refunds.any(|row| row.standing == RefundStanding::Done)
            }),
            Property::sometimes("a booking is confirmed", |_: &Self, state: &State| {
                use boxoffice_saga::booking::BookingState::Confirmed;
                state
                    .rows
                    .bookings
                    .values()
                    .any(|row| row.state == Confirmed)
            }),
        ]
    }
}

impl Hall {
    /// Whether nothing more would come of what there is to do, if nothing new happened.
    fn at_rest(&self, state: &State) -> bool {
        use boxoffice_saga::booking::BookingState::Held;
        let now = rows::moment(state.tick);
        let mut holds = state.rows.bookings.values();
        // The clock of the model ends before some holds do.
        if holds.any(|row| row.state == Held && row.reclaim_at > now) {
            return false;
        }
        let mut actions = Vec::new();
        self.steps(state, &mut actions);
        actions
            .into_iter()
            .all(|action| self.after(state, action).is_none())
    }

    fn after(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.act(&mut next, action);
        (next != *state).then_some(next)
    }
}

impl State {
    fn paid(&self) -> impl Iterator<Item = (usize, &Paid)> {
        self.gateway
            .iter()
            .enumerate()
            .filter_map(|(nth, paid)| Some((nth, paid.as_ref()?)))
    }

    fn refunds_are_made_once(&self) -> bool {
        self.paid().all(|(_, paid)| {
            let mut ours: Vec<_> = paid
                .refunds
                .iter()
                .filter(|back| back.is_alive())
                .filter_map(|back| back.ours)
                .collect();
            let made = ours.len();
            ours.sort();
            ours.dedup();
            ours.len() == made
        })
    }

    fn good_bookings_keep_their_money(&self) -> bool {
        use boxoffice_saga::booking::BookingState::Confirmed;
        use boxoffice_saga::payment::Verdict::Applied;
        self.paid().all(|(nth, paid)| {
            let Some(row) = self.rows.payments.get(&names::payment(nth)) else {
                return true;
            };
            let good = row.verdict == Some(Applied)
                && self
                    .rows
                    .bookings
                    .get(&row.booking)
                    .is_some_and(|booking| booking.state == Confirmed);
            !good
                || paid
                    .refunds
                    .iter()
                    .all(|back| back.ours.is_none() || !back.is_alive())
        })
    }

    fn done_is_done(&self) -> bool {
        self.rows
            .refunds
            .values()
            .filter(|row| row.standing == RefundStanding::Done && row.proof.is_none())
            .all(|row| {
                let paid = self.gateway[names::attempt(row.payment.uuid())].as_ref();
                let back = row.gateway_refund_id.as_deref().and_then(names::back);
                back.and_then(|back| paid?.refunds.get(back))
                    .is_some_and(|back| !back.heard_failed)
            })
    }

    /// Decided, returned, or with a person.
    fn is_settled(&self) -> bool {
        let decided = self.rows.payments.values().all(|row| !row.undecided());
        let returned = self
            .rows
            .refunds
            .values()
            .all(|row| !row.gateway_should_act() || row.cause == RefundCause::NotAskedFor);
        decided && returned && self.answers.is_empty()
    }

    fn everything_is_known(&self) -> bool {
        self.paid()
            .filter(|(_, paid)| paid.state == PaymentState::Captured)
            .all(|(nth, _)| {
                self.rows
                    .payments
                    .get(&names::payment(nth))
                    .is_some_and(|row| row.standing == PaymentStanding::Captured)
            })
    }
}

impl std::hash::Hash for Answer {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.task.hash(state);
        // Answers are compared as they are; for the hash it is enough that alike ones have the same.
        match &self.said {
            Said::Verify(CallAnswer::Answered { state: said }) => (0, said).hash(state),
            Said::Verify(CallAnswer::Unknown { .. }) => 1.hash(state),
            Said::Void(VoidAnswer::NothingTaken) => 2.hash(state),
            Said::Void(VoidAnswer::AlreadyPaid { fact }) => (3, fact.amount).hash(state),
            Said::Void(VoidAnswer::NotPossible { .. }) => 4.hash(state),
            Said::Void(VoidAnswer::Unknown { .. }) => 5.hash(state),
            Said::Capture(CaptureAnswer::Taken { fact }) => (6, fact.amount).hash(state),
            Said::Capture(CaptureAnswer::Declined { .. }) => 7.hash(state),
            Said::Capture(CaptureAnswer::RetryLater { .. }) => 8.hash(state),
            Said::Capture(CaptureAnswer::Unknown { .. }) => 9.hash(state),
            Said::Refund(RefundAnswer::Told { fact }) => {
                (10, fact.state, &fact.gateway_refund_id).hash(state);
            }
            Said::Refund(RefundAnswer::Declined { .. }) => 11.hash(state),
            Said::Refund(RefundAnswer::RetryLater { .. }) => 12.hash(state),
            Said::Refund(RefundAnswer::Unknown { .. }) => 13.hash(state),
            Said::Refund(RefundAnswer::NothingAlive) => 14.hash(state),
        }
    }
}

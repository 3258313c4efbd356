//! A refund task and its workers, one of whom may stop at any moment and wake up much later.
//!
//! What a try begins with, what a look-up means and what becomes of an answer is the production code of
//! [`boxoffice_refunds::decide`] and the saga's own. Around it: leases that run out, attempts that are written
//! down, requests on their way, a gateway that forgets keys after a day, answers that are lost.
//!
//! What is taken for granted: a request that is cut off at its deadline arrives by then or never.

mod act;
mod books;
mod gateway;

use boxoffice_saga::refund::RefundStanding;
use stateright::{Model, Property};

pub use act::Action;
pub use books::{AttemptRow, Books, Grip, Recorded, RefundRow, Said, Step, TaskRow};
pub use gateway::{Gateway, GatewayRefund, Key, Made, Mood, Outcome};

/// What refunds rest on. Each can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// An attempt is written down before the call is made.
    AttemptWritten,
    /// While the key may still be used, an attempt in doubt is looked up before it is repeated.
    LookUpBeforeRepeat,
    /// Before another key is used, what was asked for under the old one is looked up.
    LookUpBeforeNewKey,
    /// The generation rises only when the look-up shows nothing alive.
    NothingAlive,
    /// ... and every earlier attempt's deadline has passed.
    EarlierDeadlines,
    /// A key is not used again after 23 hours.
    KeyLives,
    /// An answer that would only set the task again is applied only under the lease.
    LeaseCompared,
    /// What the gateway has is recorded, whenever it is learnt.
    LateAnswerRecorded,
    /// A call is over before half of the lease is.
    CallWithinLease,
    /// Nothing is sent when the attempt's deadline has passed.
    DeadlineBeforeCall,
    /// A refund is made only while its decision stands.
    Stands,
    /// A refund is made only by the task of its present generation, and while it is for the gateway to act.
    Current,
    /// The first try of a later generation knows what was tried before.
    EarlierGenerations,
    /// That a look-up or a question was refused says nothing about the refund.
    RefusedQuestionIsNoAnswer,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 14] = [
        Self::AttemptWritten,
        Self::LookUpBeforeRepeat,
        Self::LookUpBeforeNewKey,
        Self::NothingAlive,
        Self::EarlierDeadlines,
        Self::KeyLives,
        Self::LeaseCompared,
        Self::LateAnswerRecorded,
        Self::CallWithinLease,
        Self::DeadlineBeforeCall,
        Self::Stands,
        Self::Current,
        Self::EarlierGenerations,
        Self::RefusedQuestionIsNoAnswer,
    ];
}

/// How often each thing may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Workers that are no more, with what they had in hand.
    pub crashes: u8,
    /// Answers that are lost on their way.
    pub lost: u8,
    /// Requests that the gateway breaks on, before or after the effect, and remembers so.
    pub breaks: u8,
    /// Requests that the gateway will not do.
    pub declines: u8,
    /// Questions (not requests) that the gateway will not answer.
    pub refused: u8,
    /// Refunds that come back.
    pub failures: u8,
    /// Times that an operator has it made again.
    pub retries: u8,
    /// Times that a few seconds, half a minute, or a day pass.
    pub ticks: [u8; 3],
}

/// Steps of the clock, in seconds: beyond the pause between two tries, beyond a lease, beyond the gateway's memory.
pub const TICKS: [u32; 3] = [6, 31, 25 * 3_600];
/// How long a lease lasts, in seconds.
pub const LEASE_S: u32 = 30;
/// How long a call may take, in seconds.
pub const CALL_S: u32 = 12;

/// The model.
#[derive(Clone, Debug)]
pub struct Lease {
    /// What may happen.
    pub faults: Faults,
    /// Whether the decision behind the refund stands.
    pub decided: bool,
    /// The rules that are removed.
    pub without: Vec<Rule>,
}

impl Lease {
    /// Whether a rule is kept.
    pub fn keeps(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }
}

/// What a worker has in hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hand {
    /// Nothing.
    Free,
    /// A task, just leased.
    Leased(Grip),
    /// A task, and what it does next for it.
    Next(Grip, Step),
    /// A request that is on its way, or its answer is.
    Waiting(Grip),
}

/// A request for a refund on its way to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// The generation that its key is made of.
    pub generation: u32,
    /// The lease under which it was sent.
    pub token: u8,
    /// It arrives by then, in seconds, or never.
    pub until: u32,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Seconds since the refund was requested.
    pub now: u32,
    /// Our side.
    pub books: Books,
    /// The workers, all alike.
    pub hands: [Hand; 2],
    /// Requests on their way.
    pub wire: Vec<Request>,
    /// The other side.
    pub gateway: Gateway,
    /// The next lease's token.
    pub next_token: u8,
    /// What may still happen.
    pub left: Faults,
}

/// No refund is made twice.
pub const ONCE: &str = "MONEY-2: a refund is made at most once at the gateway";
/// No refund is forgotten.
pub const NOT_LOST: &str = "MONEY-3: a refund that is not finished has a task";
/// Done is done.
pub const TRUE: &str = "MONEY-1: a refund that we call done was made";
/// Nobody is asked to do what is done.
pub const NOT_BY_HAND_TOO: &str = "MONEY-2: a person is not asked for a refund that was made";
/// A good booking is left alone.
pub const GOOD_BOOKING: &str = "SAGA-1: the money of a good booking stays where it is";
/// What was heard is known.
pub const HEARD: &str = "MONEY-3: a refund of which we were told is known";

impl Model for Lease {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut books = Books::new(self.decided);
        books.taken(0);
        vec![State {
            now: 0,
            books,
            hands: [Hand::Free, Hand::Free],
            wire: Vec::new(),
            gateway: Gateway::default(),
            next_token: 1,
            left: self.faults,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.act(&mut next, action);
        next.gateway.forget(next.now);
        next.wire.retain(|request| request.until >= next.now);
        next.wire.sort();
        next.hands.sort();
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_: &Self, state: &State| state.gateway.alive() <= 1),
            Property::always(TRUE, |_: &Self, state: &State| {
                let refund = &state.books.refund;
                let made = refund
                    .known_as
                    .and_then(|nth| state.gateway.refunds.get(nth));
                refund.standing != RefundStanding::Done
                    || made.is_some_and(|made| made.state != GatewayRefund::Pending)
            }),
            Property::always(NOT_LOST, |_: &Self, state: &State| {
                let unfinished = matches!(
                    state.books.refund.standing,
                    RefundStanding::UnderWay | RefundStanding::Pending
                );
                !unfinished || !state.books.tasks.is_empty()
            }),
            Property::always(NOT_BY_HAND_TOO, |_: &Self, state: &State| {
                !state.books.by_hand || state.gateway.alive() == 0
            }),
            Property::always(GOOD_BOOKING, |_: &Self, state: &State| {
                state.books.refund.decided || state.gateway.alive() == 0
            }),
            Property::always(HEARD, |_: &Self, state: &State| {
                let refund = &state.books.refund;
                let told = state.books.attempts.iter().any(|attempt| {
                    attempt.answer == Some(Recorded::Told)
                        && attempt.generation == refund.generation
                });
                !told || refund.known_as.is_some() || !refund.beside.is_empty()
            }),
            Property::sometimes("it is done", |_: &Self, state: &State| {
                state.books.refund.standing == RefundStanding::Done
            }),
        ]
    }
}

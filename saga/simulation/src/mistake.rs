//! Mistakes that somebody could make in the product, each by name. The simulation must find every one of them:
//! a mistake that it does not find is one that it would not find in earnest.
//!
//! They are made at the ports (what a turn claims, reads and writes, what a worker is told of earlier tries,
//! what a call asks and answers, what the relay reads), so that the product knows nothing of them.

use boxoffice_coordinator::work::Answer;
use boxoffice_saga::input::{RefundAnswer, VoidAnswer};
use boxoffice_saga::seat::{SeatState, Standing};
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_tasks::Leased;
use boxoffice_turn::Appends;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident = $sentence:literal,)*) => {
        /// A mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Mistake {
            $(#[doc = $sentence] $name,)*
        }

        impl Mistake {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What was done wrong, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }
        }
    };
}

mistakes! {
    HoldsEndWithoutVoid = "A hold ends, and what its customer could still pay is not cancelled.",
    AttemptsAreNotAskedAbout = "Nobody asks the gateway how an attempt stands.",
    HoldsHaveNoTimer = "A hold has no timer.",
    RefundsHaveNoTask = "A refund is taken on, and no task is written for it.",
    NobodyIsCalled = "A person is needed, and nobody is called.",
    EventsAreForgotten = "A change is committed without its events.",
    LedgerIsForgotten = "Money moves, and the ledger is not written.",
    SoldSeatsAreNotMarked = "A booking is confirmed, and its seats are not marked as sold.",
    AnswersAreNotSentOn = "What the gateway says when it is asked is not sent on.",
    NothingIsParked = "A record that finds no booking is dropped, not parked.",
    SeatsAreNotLooked = "Money confirms a booking without a look at who has the seats.",
    PositionsMoveFirst = "A position is moved before its turn, and the turn does not happen.",
    NoLookUp = "A refund is repeated without a look at what became of the earlier try.",
    DeadlinesAreIgnored = "A refund gets a new key while an earlier request may still arrive.",
    SleepersGoOn = "A worker that has slept since it leased a refund goes on as if nothing had happened.",
    RepeatsBlindly = "A refund is repeated under another key each time, without a look at the earlier try.",
    SilenceIsSuccess = "A request to cancel that is not answered counts as done.",
    SilenceIsNothing = "A refund that is not answered counts as not made, and gets a new key.",
    CancelledIsNotReturned = "The refund worker passes over the refunds of cancelled bookings.",
    RelayGoesByPosition = "The relay publishes what lies behind the last position.",
    RelayNotesFirst = "The relay notes a page as published, and then publishes it.",
    RelayForgetsOrder = "The relay publishes a page in any order.",
    TestMoneyCounts = "A payment in the gateway's test mode counts.",
    AnybodyIsBelieved = "Signatures are not verified again.",
    SignaturesGrowOld = "Signatures are verified as of now, not as of when they came.",
    PagesEndEarly = "A cancelled show's page passes over its last booking.",
    VoidsAreNotBelieved = "An attempt that was paid before it could be cancelled is taken for cancelled.",
}

impl Mistake {
    /// What is missing from what a turn writes.
    pub(crate) fn in_writing(self, world: &mut World, appends: &mut Appends) {
        let changes = &mut world.changes;
        let forgets = |kind: TaskKind| match self {
            Self::HoldsEndWithoutVoid => kind == TaskKind::Void,
            Self::AttemptsAreNotAskedAbout => kind == TaskKind::Verify,
            Self::HoldsHaveNoTimer => kind == TaskKind::HoldTimer,
            Self::RefundsHaveNoTask => matches!(kind, TaskKind::Refund | TaskKind::MassRefund),
            Self::NothingIsParked => kind == TaskKind::Trace,
            _ => false,
        };
        changes.tasks_added.retain(|task| !forgets(task.key.kind));
        match self {
            Self::NobodyIsCalled => changes.attention.clear(),
            Self::EventsAreForgotten => changes.events.clear(),
            Self::LedgerIsForgotten => changes.ledger.clear(),
            Self::SoldSeatsAreNotMarked => {
                let seats = &world.seats;
                changes.seats_changed.retain(|key| {
                    seats
                        .get(key)
                        .is_none_or(|seat| seat.state != SeatState::Booked)
                });
            }
            Self::AnswersAreNotSentOn => {
                appends.outgoing.retain(|record| record.sequence.is_some());
            }
            Self::NothingIsParked => appends.parked.clear(),
            _ => {}
        }
    }

    /// What a turn sees otherwise than it is.
    pub(crate) fn in_reading(self, world: &mut World) {
        if self != Self::SeatsAreNotLooked {
            return;
        }
        let owners: Vec<_> = world.bookings.keys().copied().collect();
        let now = world.now;
        for seat in world.seats.values_mut() {
            let taken = owners
                .iter()
                .all(|booking| seat.standing(*booking, now) == Standing::Taken);
            if taken && seat.state != SeatState::Blocked {
                seat.state = SeatState::Available;
            }
        }
    }

    /// What a worker is told of earlier tries.
    pub(crate) fn in_leasing(self, task: &mut Leased) {
        match self {
            Self::NoLookUp | Self::RepeatsBlindly => task.earlier.clear(),
            Self::DeadlinesAreIgnored => {
                for attempt in &mut task.earlier {
                    attempt.deadline = OffsetDateTime::UNIX_EPOCH;
                }
            }
            Self::SleepersGoOn => task.deadline += Duration::days(365),
            _ => {}
        }
    }

    /// What an answer about a refund is taken for.
    pub(crate) fn in_refunding(self, answer: &mut RefundAnswer) {
        if self == Self::SilenceIsNothing && matches!(answer, RefundAnswer::Unknown { .. }) {
            *answer = RefundAnswer::NothingAlive;
        }
    }

    /// What an answer to one of the coordinator's questions is taken for.
    pub(crate) fn in_asking(self, answer: &mut Answer) {
        let Answer::Voided(voided) = answer else {
            return;
        };
        let wrong = matches!(
            (self, &*voided),
            (Self::SilenceIsSuccess, VoidAnswer::Unknown { .. })
                | (Self::VoidsAreNotBelieved, VoidAnswer::AlreadyPaid { .. })
        );
        if wrong {
            *voided = VoidAnswer::NothingTaken;
        }
    }
}

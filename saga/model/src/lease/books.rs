//! Our books: the refund, its task, the attempts that were written down. The decisions about them are the
//! production code's.

use std::collections::BTreeMap;

use boxoffice_gateways::CallError;
use boxoffice_refunds::decide::{self, First, Next};
use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::booking::{Booking, BookingState, Contact};
use boxoffice_saga::fact::{Reference, RefundFact, RefundState};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, RefundId, ShowId, UserId};
use boxoffice_saga::input::{Input, RefundAnswer};
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::payment::{CaptureMode, Payment, PaymentStanding, Verdict};
use boxoffice_saga::refund::{Refund, RefundCause, RefundStanding};
use boxoffice_saga::task::{TaskKey, TaskKind};
use boxoffice_saga::world::World;
use boxoffice_tasks::{EarlierAttempt, Leased};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::gateway::{GatewayRefund, Made};

/// The refund's row, as far as it differs between states.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RefundRow {
    /// Where it stands.
    pub standing: RefundStanding,
    /// Which key is in use.
    pub generation: u32,
    /// Which of the gateway's refunds it is.
    pub known_as: Option<usize>,
    /// Which of the gateway's refunds have a row of their own, and how they stand: those of which we heard that they
    /// failed, and those that are of our name and none of ours.
    pub beside: BTreeMap<usize, RefundStanding>,
    /// Whether the decision behind it stands.
    pub decided: bool,
}

/// A task's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskRow {
    /// The refund's generation that it is for.
    pub generation: u32,
    /// How often it was leased.
    pub attempts: u32,
    /// Not before, in seconds.
    pub due: u32,
    /// The lease: its token, and until when it lasts, in seconds.
    pub lease: Option<(u8, u32)>,
}

/// An attempt's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptRow {
    /// The generation of its task.
    pub generation: u32,
    /// Which try, from 1.
    pub attempt: u32,
    /// When it was leased, in seconds.
    pub started: u32,
    /// When its call had to be over, in seconds.
    pub deadline: u32,
    /// What came of it: the beginning of what is recorded.
    pub answer: Option<Recorded>,
}

/// What is recorded for an attempt, as far as anybody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Recorded {
    /// It begins with `unknown`.
    Unknown,
    /// The gateway has the refund.
    Told,
    /// Anything else.
    Certain,
}

/// A lease in a worker's hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grip {
    /// The task's generation.
    pub generation: u32,
    /// Which try, from 1.
    pub attempt: u32,
    /// The token.
    pub token: u8,
    /// When it was leased, in seconds.
    pub now: u32,
    /// When the call must be over, in seconds.
    pub deadline: u32,
    /// The attempts before it, as they stood when it was leased.
    pub earlier: Vec<AttemptRow>,
}

/// What came back from the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Said {
    /// The gateway has this refund.
    Told(usize, Made),
    /// No.
    Declined,
    /// Not now.
    RetryLater,
    /// Nothing usable.
    Unknown,
    /// Looked up, and there is nothing.
    NothingAlive,
}

fn moment(seconds: u32) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::seconds(seconds.into())
}

fn booking_id() -> BookingId {
    BookingId::pack(1, show(), 1)
}

fn show() -> ShowId {
    match ShowId::try_from(7_u64) {
        Ok(show) => show,
        Err(_) => unreachable!("7 is a show's number"),
    }
}

fn payment_id() -> PaymentId {
    PaymentId::from(Uuid::from_u128(1))
}

fn refund_id() -> RefundId {
    RefundId::from(Uuid::from_u128(2))
}

fn account() -> GatewayAccount {
    GatewayAccount::new("stripe", GatewayAccount::DEFAULT)
}

fn amount() -> Money {
    match "INR".parse::<Currency>() {
        Ok(currency) => Money::new(500, currency),
        Err(_) => unreachable!("INR is a currency"),
    }
}

fn fact(nth: usize, made: Made) -> RefundFact {
    RefundFact {
        account: account(),
        gateway_refund_id: format!("re_{nth}"),
        gateway_payment_id: "pi_1".to_owned(),
        reference: Reference::Absent,
        refund: Some(refund_id()),
        generation: Some(made.generation),
        state: match made.state {
            GatewayRefund::Pending => RefundState::Pending,
            GatewayRefund::Succeeded => RefundState::Succeeded,
            GatewayRefund::Failed => RefundState::Failed,
        },
        amount: amount(),
        live: true,
        reason: None,
    }
}

/// Our books about one refund.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Books {
    /// The refund.
    pub refund: RefundRow,
    /// Its tasks: one, if all is well.
    pub tasks: Vec<TaskRow>,
    /// The attempts that were written down, in order.
    pub attempts: Vec<AttemptRow>,
    /// Whether a person was called because it cannot be made, and nobody has called that off.
    pub by_hand: bool,
}

impl Books {
    /// A refund that was just requested, because the seats were lost. Without `decided`, somebody has requested
    /// it by mistake: its payment pays for a booking.
    pub fn new(decided: bool) -> Self {
        Self {
            refund: RefundRow {
                standing: RefundStanding::Requested,
                generation: 1,
                known_as: None,
                beside: BTreeMap::new(),
                decided,
            },
            tasks: Vec::new(),
            attempts: Vec::new(),
            by_hand: false,
        }
    }

    fn payment(&self) -> Payment {
        Payment {
            id: payment_id(),
            booking: booking_id(),
            account: account(),
            gateway_payment_id: Some("pi_1".to_owned()),
            capture: CaptureMode::Automatic,
            standing: PaymentStanding::Captured,
            expected: amount(),
            captured: Some(amount()),
            verdict: Some(if self.refund.decided {
                Verdict::SeatsLost
            } else {
                Verdict::Applied
            }),
            retained: 0,
            disputes: Vec::new(),
            opened_at: moment(0),
            decided_at: Some(moment(0)),
        }
    }

    fn refund(&self) -> Refund {
        Refund {
            id: refund_id(),
            payment: payment_id(),
            booking: booking_id(),
            amount: amount(),
            cause: RefundCause::SeatsLost,
            standing: self.refund.standing,
            generation: self.refund.generation,
            gateway_refund_id: self.refund.known_as.map(|nth| format!("re_{nth}")),
            other_way: None,
            proof: None,
            requested_at: moment(0),
            done_at: None,
        }
    }

    const fn booking(&self) -> BookingState {
        if self.refund.decided {
            BookingState::SeatsLost
        } else {
            BookingState::Confirmed
        }
    }

    fn world(&self, now: u32) -> World {
        let mut world = World::new(moment(now));
        let id = booking_id();
        world.bookings.insert(
            id,
            Booking {
                id,
                user: UserId("ann".to_owned()),
                seats: Vec::new(),
                amount: amount(),
                state: self.booking(),
                contact: Contact::default(),
                held_at: moment(0),
                expires_at: moment(0),
                reclaim_at: moment(0),
                waiting_since: None,
                cancel_until_ms: 0,
                cancel_fee_bp: 0,
                confirmed_at: None,
                sequence: 0,
                version: 0,
                updated_at: moment(0),
            },
        );
        world.payments.insert(payment_id(), self.payment());
        world.refunds.insert(refund_id(), self.refund());
        for (nth, standing) in &self.refund.beside {
            let known_as = format!("re_{nth}");
            let id = RefundId::not_asked_for(payment_id(), &known_as);
            let row = Refund {
                id,
                cause: RefundCause::NotAskedFor,
                standing: *standing,
                generation: 1,
                gateway_refund_id: Some(known_as),
                ..self.refund()
            };
            world.refunds.insert(id, row);
        }
        world
    }

    /// One turn.
    fn turn(&mut self, now: u32, decide: impl FnOnce(&mut World)) {
        let mut world = self.world(now);
        decide(&mut world);
        let Some(refund) = world.refunds.get(&refund_id()) else {
            return;
        };
        self.refund.standing = refund.standing;
        self.refund.generation = refund.generation;
        let nth = |id: &str| id.strip_prefix("re_")?.parse().ok();
        self.refund.known_as = refund.gateway_refund_id.as_deref().and_then(nth);
        let others = world.refunds.values().filter(|row| row.id != refund_id());
        self.refund.beside = others
            .filter_map(|row| {
                let known_as = row.gateway_refund_id.as_deref().and_then(nth)?;
                Some((known_as, row.standing))
            })
            .collect();
        let changes = &world.changes;
        let is = |task: &TaskRow, key: &TaskKey| task.generation == key.generation;
        self.tasks
            .retain(|task| !changes.tasks_removed.iter().any(|key| is(task, key)));
        for (key, due) in &changes.tasks_postponed {
            for task in self.tasks.iter_mut().filter(|task| is(task, key)) {
                task.lease = None;
                task.due = seconds(*due);
            }
        }
        for added in &changes.tasks_added {
            if !self.tasks.iter().any(|task| is(task, &added.key)) {
                self.tasks.push(TaskRow {
                    generation: added.key.generation,
                    attempts: 0,
                    due: seconds(added.due_at),
                    lease: None,
                });
            }
        }
        if changes
            .attention_settled
            .iter()
            .any(|(kind, _)| *kind == AttentionKind::RefundNotPossible)
        {
            self.by_hand = false;
        }
        if changes
            .attention
            .iter()
            .any(|item| item.kind == AttentionKind::RefundNotPossible)
        {
            self.by_hand = true;
        }
    }

    /// The refund worker takes it on.
    pub fn taken(&mut self, now: u32) {
        self.turn(now, |world| {
            let refund = refund_id();
            world.apply(booking_id(), Input::RefundTaken { refund });
        });
    }

    /// An operator has it made again, and the worker takes it on.
    pub fn retried(&mut self, now: u32) {
        self.turn(now, |world| {
            let refund = refund_id();
            world.apply(booking_id(), Input::RefundRetried { refund });
        });
        self.taken(now);
    }

    /// The gateway's webhook about one of its refunds is decided.
    pub fn told(&mut self, now: u32, nth: usize, made: Made) {
        self.turn(now, |world| {
            world.apply(booking_id(), Input::Refund(fact(nth, made)));
        });
    }

    /// An answer is brought back, and recorded with its attempt.
    pub fn brought(&mut self, now: u32, grip: &Grip, said: Said, held: bool) {
        let answer = match said {
            Said::Told(nth, made) => RefundAnswer::Told {
                fact: fact(nth, made),
            },
            Said::Declined => RefundAnswer::Declined { why: String::new() },
            Said::RetryLater => RefundAnswer::RetryLater {
                after_ms: Some(5_000),
                why: String::new(),
            },
            Said::Unknown => RefundAnswer::Unknown { why: String::new() },
            Said::NothingAlive => RefundAnswer::NothingAlive,
        };
        let task = grip.leased();
        let mut recorded = String::new();
        self.turn(now, |world| {
            recorded = decide::apply(&task, &answer, held, world);
        });
        debug_assert_eq!(recorded.starts_with("unknown"), said == Said::Unknown);
        self.recorded(grip, said);
    }

    /// What came of an attempt is written down with it.
    pub fn recorded(&mut self, grip: &Grip, said: Said) {
        let answer = match said {
            Said::Told(..) => Recorded::Told,
            Said::Unknown => Recorded::Unknown,
            Said::Declined | Said::RetryLater | Said::NothingAlive => Recorded::Certain,
        };
        for row in &mut self.attempts {
            if (row.generation, row.attempt) == (grip.generation, grip.attempt) {
                row.answer = Some(answer);
            }
        }
    }

    /// What a try begins with; `current`: whether it is asked if it is the refund's own.
    pub fn first(&self, now: u32, grip: &Grip, current: bool) -> Step {
        let mut as_of = self.clone();
        if !current {
            as_of.refund.generation = grip.generation;
            as_of.refund.standing = RefundStanding::UnderWay;
        }
        let (refund, payment) = (as_of.refund(), as_of.payment());
        let task = grip.leased();
        match decide::fence(moment(now), &refund, &payment, as_of.booking(), &task) {
            Err(answer) => Step::Answer(said(&answer)),
            Ok(()) => match decide::first(&refund, &task) {
                First::Follow(_) => Step::Follow,
                First::LookUp => Step::LookUp,
                First::Ask => Step::Ask,
            },
        }
    }

    /// What follows on a look-up that found these, or that the gateway would not have.
    pub fn looked_up(&self, grip: &Grip, found: Option<&[Made]>) -> Step {
        let found = found.map(|refunds| {
            let facts = refunds.iter().enumerate();
            facts.map(|(nth, made)| fact(nth, *made)).collect()
        });
        match decide::after_look_up(found.ok_or_else(no), &self.refund(), &grip.leased()) {
            Ok(Next::Repeat) => Step::Ask,
            Ok(Next::Answer(answer)) => Step::Answer(said(&answer)),
            // The gateway's line is no part of this.
            Err(_) => Step::Answer(Said::RetryLater),
        }
    }

    /// What comes of a question that the gateway will not answer.
    pub fn followed_in_vain(&self) -> Step {
        Step::Answer(decide::followed(Err(no())).map_or(Said::RetryLater, |answer| said(&answer)))
    }
}

fn no() -> CallError {
    CallError::Declined {
        code: "parameter_invalid".to_owned(),
        message: String::new(),
    }
}

fn said(answer: &RefundAnswer) -> Said {
    match answer {
        RefundAnswer::Told { fact } => {
            let nth = fact.gateway_refund_id.strip_prefix("re_");
            let nth = nth.and_then(|nth| nth.parse().ok()).unwrap_or_default();
            let made = Made {
                generation: fact.generation.unwrap_or_default(),
                state: match fact.state {
                    RefundState::Pending => GatewayRefund::Pending,
                    RefundState::Succeeded => GatewayRefund::Succeeded,
                    RefundState::Failed => GatewayRefund::Failed,
                },
            };
            Said::Told(nth, made)
        }
        RefundAnswer::Declined { .. } => Said::Declined,
        RefundAnswer::RetryLater { .. } => Said::RetryLater,
        RefundAnswer::Unknown { .. } => Said::Unknown,
        RefundAnswer::NothingAlive => Said::NothingAlive,
    }
}

/// What a try does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Ask how the refund that the gateway has stands.
    Follow,
    /// Look up what the gateway has.
    LookUp,
    /// Ask for the refund.
    Ask,
    /// Bring this back.
    Answer(Said),
}

impl Grip {
    fn leased(&self) -> Leased {
        let earlier = self.earlier.iter().map(|row| EarlierAttempt {
            generation: row.generation,
            started_at: moment(row.started),
            deadline: moment(row.deadline),
            answer: row.answer.map(|answer| match answer {
                Recorded::Unknown => "unknown: no answer".to_owned(),
                Recorded::Told | Recorded::Certain => "not now".to_owned(),
            }),
        });
        Leased {
            key: TaskKey {
                kind: TaskKind::Refund,
                subject: refund_id().uuid(),
                generation: self.generation,
            },
            booking: Some(booking_id()),
            attempt: self.attempt,
            lease: Uuid::from_u128(self.token.into()),
            deadline: moment(self.deadline),
            now: moment(self.now),
            detail: None,
            earlier: earlier.collect(),
        }
    }
}

/// Rounded up: nothing is due early.
fn seconds(at: OffsetDateTime) -> u32 {
    let since = at - moment(0);
    let whole = since.whole_seconds() + i64::from(since.subsec_nanoseconds() > 0);
    u32::try_from(whole).unwrap_or(0)
}

//! A small hall with two customers: the saga's functions on rows in memory, nothing else.

mod draws;

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::booking::{Booking, BookingState, CancelledBy, Contact, Terms};
use boxoffice_saga::event::Event;
use boxoffice_saga::fact::{
    DisputeFact, PaymentFact, PaymentState, Reference, RefundFact, RefundState,
};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, ShowId, UserId};
use boxoffice_saga::input::{CallAnswer, CaptureAnswer, Input, Outcome, VoidAnswer};
use boxoffice_saga::journal::Testimony;
use boxoffice_saga::ledger::Entry;
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::payment::{CaptureMode, DisputeStanding, Payment};
use boxoffice_saga::promises::{Books, Closed, LONGEST_UNDECIDED, Violation};
use boxoffice_saga::refund::{Refund, RefundCause, RefundStanding};
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_saga::status::{self, StatusDocument};
use boxoffice_saga::table::{self, Cell};
use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use boxoffice_saga::world::{Changes, JournalEntry, World};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const SEATS: [&str; 3] = ["A-1", "A-2", "A-3"];

pub struct Hall {
    world: World,
    show: ShowId,
    closed: BTreeMap<ShowId, Closed>,
    drawn: u64,
    /// What is kept when a customer cancels, in hundredths of a percent.
    pub cancel_fee_bp: u16,
    /// How long a history lasts at most.
    pub lasts: Duration,
    tasks: BTreeMap<TaskKey, Task>,
    events: Vec<Event>,
    ledger: Vec<Entry>,
    journal: Vec<JournalEntry>,
    attention: BTreeMap<(&'static str, Uuid), Attention>,
}

fn inr() -> Currency {
    "INR".parse().expect("a currency")
}

fn stripe() -> GatewayAccount {
    GatewayAccount::new("stripe", "default")
}

fn opening() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

impl Hall {
    pub fn new() -> Self {
        let show = ShowId::try_from(7_u64).expect("a show");
        let mut world = World::new(opening());
        for name in SEATS {
            let key = SeatKey {
                show,
                seat: name.to_owned(),
            };
            let seat = Seat {
                key: key.clone(),
                state: SeatState::Available,
                booking: None,
                reclaim_at: None,
                price_minor: 1_000,
            };
            world.seats.insert(key, seat);
        }
        Self {
            world,
            show,
            closed: BTreeMap::new(),
            drawn: 0,
            cancel_fee_bp: 0,
            // No history lasts as long as what nobody works on may wait unnoticed.
            lasts: LONGEST_UNDECIDED,
            tasks: BTreeMap::new(),
            events: Vec::new(),
            ledger: Vec::new(),
            journal: Vec::new(),
            attention: BTreeMap::new(),
        }
    }

    /// Applies an input and "commits" it.
    pub fn happens(&mut self, booking: BookingId, input: Input) -> Outcome {
        let outcome = self.world.apply(booking, input);
        if matches!(outcome, Outcome::Refused(_)) {
            let changes = &self.world.changes;
            assert_eq!(*changes, Changes::default(), "a refusal changes nothing");
        }
        self.commit();
        outcome
    }

    /// Applies several inputs to `booking` and "commits" what comes of them together.
    pub fn happen_in_one_turn(&mut self, booking: BookingId, inputs: &[Input]) {
        for input in inputs {
            self.world.apply(booking, input.clone());
        }
        self.commit();
    }

    fn commit(&mut self) {
        let changes = std::mem::take(&mut self.world.changes);
        for key in changes.tasks_removed {
            self.tasks.remove(&key);
        }
        for (key, due_at) in changes.tasks_postponed {
            if let Some(task) = self.tasks.get_mut(&key) {
                task.due_at = due_at;
            }
        }
        for task in changes.tasks_added {
            self.tasks.entry(task.key.clone()).or_insert(task);
        }
        self.events.extend(changes.events);
        self.ledger.extend(changes.ledger);
        self.journal.extend(changes.journal);
        for (kind, subject) in &changes.attention_settled {
            self.attention.remove(&(kind.name(), *subject));
        }
        for item in changes.attention {
            let key = (item.kind.name(), item.subject);
            self.attention.entry(key).or_insert(item);
        }
    }

    /// The same input again moves no money, takes no seat and tells nobody anything.
    pub fn happens_again(&mut self, booking: BookingId, input: Input) -> Result<(), String> {
        // A second warning or answer to a task would need the task to be there again.
        if matches!(input, Input::HoldTimer | Input::Hold { .. }) {
            return Ok(());
        }
        let before = (
            self.events.len(),
            self.ledger.len(),
            self.world.seats.clone(),
        );
        self.happens(booking, input);
        let after = (
            self.events.len(),
            self.ledger.len(),
            self.world.seats.clone(),
        );
        if before == after {
            Ok(())
        } else {
            Err(format!("{:?}", &self.events[before.0..]))
        }
    }

    pub fn pass_seconds(&mut self, seconds: i64) {
        self.world.now += Duration::seconds(seconds);
    }

    pub fn try_hold(&mut self, user: &str, seats: &[&str]) -> Outcome {
        let (id, input) = self.hold_input(user, seats);
        self.happens(id, input)
    }

    pub fn hold(&mut self, user: &str, seats: &[&str]) -> BookingId {
        self.hold_under(user, seats, |_| {})
    }

    /// A hold of a show whose terms are `changed` so.
    pub fn hold_under(
        &mut self,
        user: &str,
        seats: &[&str],
        changed: impl FnOnce(&mut Terms),
    ) -> BookingId {
        let (id, input) = self.asks(user, seats, changed);
        assert_eq!(self.happens(id, input), Outcome::Done);
        id
    }

    /// A fresh id, and what a customer of such a show asks for.
    pub fn asks(
        &mut self,
        user: &str,
        seats: &[&str],
        changed: impl FnOnce(&mut Terms),
    ) -> (BookingId, Input) {
        let (id, mut input) = self.hold_input(user, seats);
        if let Input::Hold { terms, .. } = &mut input {
            changed(terms);
        }
        (id, input)
    }

    fn hold_input(&mut self, user: &str, seats: &[&str]) -> (BookingId, Input) {
        self.drawn += 1;
        let input = Input::Hold {
            user: UserId(user.to_owned()),
            seats: seats.iter().map(|seat| (*seat).to_owned()).collect(),
            contact: Contact::default(),
            terms: Terms {
                cancel_fee_bp: self.cancel_fee_bp,
                ..Terms::usual(inr())
            },
        };
        (BookingId::pack(self.drawn, self.show, self.drawn), input)
    }

    /// The gateway account of every attempt.
    pub fn account(&self) -> GatewayAccount {
        stripe()
    }

    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.world.payments.values()
    }

    pub fn opens_attempt(&mut self, booking: BookingId) -> PaymentId {
        self.opens(booking, CaptureMode::Automatic)
    }

    /// Opens an attempt whose money is taken in that mode.
    pub fn opens(&mut self, booking: BookingId, capture: CaptureMode) -> PaymentId {
        self.drawn += 1;
        let input = self.attempt(self.drawn, capture);
        assert_eq!(self.happens(booking, input), Outcome::Done);
        PaymentId::from(Uuid::from_u128(self.drawn.into()))
    }

    /// The customer wants to pay: the hall's `nth` attempt.
    pub fn attempt(&self, nth: u64, capture: CaptureMode) -> Input {
        Input::OpenAttempt {
            payment: PaymentId::from(Uuid::from_u128(nth.into())),
            account: self.account(),
            terms: Terms::usual(inr()),
            capture,
        }
    }

    pub fn pays(
        &mut self,
        booking: BookingId,
        id: &str,
        minor: i64,
        state: PaymentState,
    ) -> Outcome {
        self.happens(
            booking,
            Input::Payment(fact(booking, None, id, Money::new(minor, inr()), state)),
        )
    }

    pub fn pays_attempt(
        &mut self,
        booking: BookingId,
        payment: PaymentId,
        id: &str,
        minor: i64,
    ) -> Outcome {
        let amount = Money::new(minor, inr());
        self.happens(
            booking,
            Input::Payment(fact(
                booking,
                Some(payment),
                id,
                amount,
                PaymentState::Captured,
            )),
        )
    }

    /// The gateway tells that `payment` is taken.
    pub fn payment_fact(
        &self,
        booking: BookingId,
        payment: Option<PaymentId>,
        id: &str,
        minor: i64,
    ) -> PaymentFact {
        let amount = Money::new(minor, inr());
        fact(booking, payment, id, amount, PaymentState::Captured)
    }

    /// Whether a hint would have the gateway asked now.
    pub fn hears_hint(&self, booking: BookingId, payment: PaymentId) -> bool {
        self.world.hears_hint(booking, payment)
    }

    /// What a show's cancellation does before its bookings get their turns.
    pub fn cancel_show(&mut self) {
        self.closed.entry(self.show).or_insert(Closed::Cancelled {
            since: self.world.now,
        });
        for seat in self.world.seats.values_mut() {
            seat.state = SeatState::Cancelled;
            seat.reclaim_at = None;
        }
    }

    pub fn show_is_cancelled(&self) -> bool {
        !self.closed.is_empty()
    }

    pub fn refund_of(&self, booking: BookingId) -> Refund {
        self.world
            .refunds_of(booking)
            .next()
            .expect("a refund")
            .clone()
    }

    pub fn refunds_of(&self, booking: BookingId) -> Vec<Refund> {
        self.world.refunds_of(booking).cloned().collect()
    }

    pub fn refund_fact(&self, refund: &Refund, state: RefundState) -> RefundFact {
        let payment = &self.world.payments[&refund.payment];
        RefundFact {
            account: stripe(),
            gateway_refund_id: format!("re_{}_{}", refund.id, refund.generation),
            gateway_payment_id: payment.gateway_payment_id.clone().unwrap_or_default(),
            reference: Reference::Booking {
                booking: refund.booking,
                payment: None,
            },
            refund: Some(refund.id),
            generation: Some(refund.generation),
            state,
            amount: refund.amount,
            live: false,
            reason: None,
        }
    }

    /// The customer's bank disputes so much of a payment.
    pub fn disputed(
        &mut self,
        booking: BookingId,
        which: (&str, &str),
        minor: i64,
        standing: DisputeStanding,
    ) -> Outcome {
        let input = Self::dispute(which, minor, standing);
        self.happens(booking, input)
    }

    pub fn dispute(
        (dispute, payment): (&str, &str),
        minor: i64,
        standing: DisputeStanding,
    ) -> Input {
        Input::Dispute(DisputeFact {
            account: stripe(),
            gateway_dispute_id: dispute.to_owned(),
            gateway_payment_id: payment.to_owned(),
            reference: Reference::Absent,
            standing,
            amount: Money::new(minor, inr()),
            live: false,
            reason: None,
        })
    }

    pub fn state(&self, booking: BookingId) -> BookingState {
        self.world.bookings[&booking].state
    }

    pub fn cancelled(&self) -> BTreeSet<BookingId> {
        let cancelled = |id: &&BookingId| self.state(**id) == BookingState::Cancelled;
        self.world
            .bookings
            .keys()
            .filter(cancelled)
            .copied()
            .collect()
    }

    pub fn owner(&self, seat: &str) -> Option<BookingId> {
        self.world.seats[&SeatKey {
            show: self.show,
            seat: seat.to_owned(),
        }]
            .booking
    }

    pub fn status(&self, booking: BookingId) -> StatusDocument {
        let payments: Vec<_> = self.world.payments_of(booking).collect();
        let refunds: Vec<_> = self.world.refunds_of(booking).collect();
        status::document(
            &self.world.bookings[&booking],
            &payments,
            &refunds,
            self.world.now,
        )
    }

    pub fn statuses(&self) -> Vec<StatusDocument> {
        self.world
            .bookings
            .keys()
            .map(|booking| self.status(*booking))
            .collect()
    }

    pub fn has_task(&self, kind: &str, subject: Uuid) -> bool {
        self.tasks
            .keys()
            .any(|key| key.kind.name() == kind && key.subject == subject)
    }

    /// What should be done is forgotten: an event or a task was lost.
    pub fn lose_tasks(&mut self) {
        self.tasks.clear();
    }

    /// The generations of the tasks of that kind about `subject`.
    pub fn generations(&self, kind: TaskKind, subject: Uuid) -> Vec<u32> {
        self.tasks
            .keys()
            .filter(|key| key.kind == kind && key.subject == subject)
            .map(|key| key.generation)
            .collect()
    }

    /// In how many seconds the one task of that kind about `subject` is due.
    pub fn due_in(&self, kind: TaskKind, subject: Uuid) -> Option<f64> {
        let mut found = self
            .tasks
            .values()
            .filter(|task| task.key.kind == kind && task.key.subject == subject);
        let due_at = found.next().map(|task| task.due_at);
        assert!(found.next().is_none(), "only one");
        due_at.map(|due_at| (due_at - self.world.now).as_seconds_f64())
    }

    pub fn events_of(&self, booking: BookingId) -> Vec<&'static str> {
        self.events
            .iter()
            .filter(|event| event.booking_id == booking)
            .map(|event| event.body.name())
            .collect()
    }

    /// The cell of the decision table that an input would meet.
    pub fn cell(&self, booking: BookingId, input: &Input) -> Cell {
        table::cell(&self.world, booking, input)
    }

    pub fn find(&self, booking: BookingId) -> Option<&Booking> {
        self.world.bookings.get(&booking)
    }

    pub fn ledger(&self) -> &[Entry] {
        &self.ledger
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What was decided about `booking` and why, in order.
    pub fn journal_of(&self, booking: BookingId) -> Vec<(Input, Outcome)> {
        self.journal
            .iter()
            .filter(|entry| entry.booking == booking)
            .map(|entry| (entry.input.clone(), entry.outcome.clone()))
            .collect()
    }

    /// Where a journal of `booking` and its rows disagree.
    pub fn against(&self, booking: BookingId, journal: &[(Input, Outcome)]) -> Vec<Violation> {
        let mut testimony = Testimony::default();
        for (input, outcome) in journal {
            testimony.hear(input, outcome);
        }
        let refunds: Vec<_> = self.world.refunds_of(booking).collect();
        let row = &self.world.bookings[&booking];
        testimony.against(row, self.world.payments_of(booking), &refunds)
    }

    pub fn attention(&self) -> Vec<&'static str> {
        self.attention.keys().map(|(kind, _)| *kind).collect()
    }

    /// What the operators' list says about the only item of that kind.
    pub fn reason(&self, kind: AttentionKind) -> &str {
        let mut found = self.attention.values().filter(|item| item.kind == kind);
        let item = found.next().expect("an item");
        assert!(found.next().is_none(), "only one");
        &item.reason
    }

    pub fn books(&self) -> Books {
        let mut sequences: BTreeMap<BookingId, Vec<u32>> = BTreeMap::new();
        for event in &self.events {
            sequences
                .entry(event.booking_id)
                .or_default()
                .push(event.sequence);
        }
        Books {
            now: self.world.now,
            bookings: self.world.bookings.clone(),
            payments: self.world.payments.clone(),
            refunds: self.world.refunds.values().cloned().collect(),
            seats: self.world.seats.values().cloned().collect(),
            closed: self.closed.clone(),
            ledger: self.ledger.clone(),
            sequences,
            with_person: self.attention.keys().map(|(_, subject)| *subject).collect(),
        }
    }

    /// Time passes and the gateways answer everything: whatever happened, it must come to an end.
    pub fn settle(&mut self) {
        if self.show_is_cancelled() {
            for booking in self.world.bookings.keys().copied().collect::<Vec<_>>() {
                let by = CancelledBy::Show;
                self.happens(booking, Input::Cancel { by });
            }
        }
        for _ in 0..20 {
            self.pass_seconds(4_000);
            let timers: Vec<_> = self.tasks.values().cloned().collect();
            for task in timers {
                let Some(booking) = task.booking else {
                    continue;
                };
                let payment = PaymentId::from(task.key.subject);
                let generation = task.key.generation;
                match task.key.kind {
                    TaskKind::HoldTimer => self.happens(booking, Input::HoldTimer),
                    TaskKind::Verify => {
                        let answer = CallAnswer::Answered { state: None };
                        self.happens(
                            booking,
                            Input::VerifyAnswered {
                                payment,
                                generation,
                                answer,
                            },
                        )
                    }
                    TaskKind::Void => {
                        let answer = VoidAnswer::NothingTaken;
                        self.happens(
                            booking,
                            Input::VoidAnswered {
                                payment,
                                generation,
                                attempt: 1,
                                answer,
                            },
                        )
                    }
                    TaskKind::Capture => {
                        let answer = CaptureAnswer::Declined {
                            why: "ran out".to_owned(),
                        };
                        self.happens(
                            booking,
                            Input::CaptureAnswered {
                                payment,
                                attempt: 1,
                                answer,
                            },
                        )
                    }
                    TaskKind::Trace
                    | TaskKind::Refund
                    | TaskKind::MassRefund
                    | TaskKind::Mail
                    | TaskKind::CancelShow
                    | TaskKind::CancelBooking
                    | TaskKind::Sms
                    | TaskKind::Push => continue,
                };
            }
            for refund in self.world.refunds.values().cloned().collect::<Vec<_>>() {
                if refund.standing == RefundStanding::WithOperator {
                    let refund_id = refund.id;
                    let proof = "receipt 8".to_owned();
                    self.happens(
                        refund.booking,
                        Input::RefundSettledElsewhere {
                            refund: refund_id,
                            proof,
                        },
                    );
                    continue;
                }
                if refund.cause == RefundCause::NotAskedFor {
                    let mut told = self.refund_fact(&refund, RefundState::Succeeded);
                    told.gateway_refund_id = refund.gateway_refund_id.clone().unwrap_or_default();
                    told.refund = None;
                    self.happens(refund.booking, Input::Refund(told));
                    continue;
                }
                if !refund.gateway_should_act() {
                    continue;
                }
                self.happens(refund.booking, Input::RefundTaken { refund: refund.id });
                let told = self.refund_fact(&refund, RefundState::Succeeded);
                self.happens(refund.booking, Input::Refund(told));
            }
        }
        let open: Vec<_> = self
            .world
            .payments
            .values()
            .filter(|payment| payment.undecided())
            .map(|payment| payment.id)
            .collect();
        assert!(
            open.is_empty(),
            "still open: {open:?}, tasks {:?}",
            self.tasks.keys()
        );
        let broken = self.books().violations();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

fn fact(
    booking: BookingId,
    attempt: Option<PaymentId>,
    id: &str,
    amount: Money,
    state: PaymentState,
) -> PaymentFact {
    PaymentFact {
        account: stripe(),
        gateway_payment_id: id.to_owned(),
        opened_as: None,
        reference: Reference::Booking {
            booking,
            payment: attempt,
        },
        state,
        amount,
        live: false,
        reason: None,
    }
}

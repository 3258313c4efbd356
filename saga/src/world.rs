//! What a turn has locked and read, what becomes of it, and the changes to be written: plain data.
//!
//! [`World::apply`] is the one door of the saga. It changes the rows in memory, and notes in [`Changes`]
//! which of them are to be written and what is to be appended. A store turns `Changes` into one commit.

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::attention::{Attention, AttentionKind};
use crate::booking::Booking;
use crate::event::{Event, EventBody};
use crate::identity::{BookingId, GatewayAccount, PaymentId, RefundId, SeatName, ShowId, UserId};
use crate::input::{Input, Outcome, Refusal};
use crate::ledger::Entry;
use crate::money::Money;
use crate::payment::Payment;
use crate::purse::Purse;
use crate::refund::Refund;
use crate::seat::{Seat, SeatKey, SeatState, Standing};
use crate::steps;
use crate::task::{Task, TaskKey, TaskKind};

/// The rows that a turn has locked, at one moment.
#[derive(Clone, Debug)]
pub struct World {
    /// The database's clock, read after the last lock.
    pub now: OffsetDateTime,
    /// Which booking each (show, user) last held, for those that were asked for.
    pub slots: BTreeMap<(ShowId, UserId), BookingId>,
    /// Locked bookings.
    pub bookings: BTreeMap<BookingId, Booking>,
    /// All payments of the locked bookings.
    pub payments: BTreeMap<PaymentId, Payment>,
    /// All refunds of the locked bookings.
    pub refunds: BTreeMap<RefundId, Refund>,
    /// All seats of the locked bookings, and those that were asked for.
    pub seats: BTreeMap<SeatKey, Seat>,
    /// What is to be written.
    pub changes: Changes,
    /// Where the money of the payments that this input touches was before it.
    purses: BTreeMap<PaymentId, Purse>,
}

/// What a turn writes. The rows named by `*_changed` stand in the [`World`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Slots to be written.
    pub slots_changed: BTreeSet<(ShowId, UserId)>,
    /// Bookings that did not exist before.
    pub bookings_created: BTreeSet<BookingId>,
    /// Bookings to be written.
    pub bookings_changed: BTreeSet<BookingId>,
    /// Payments that did not exist before.
    pub payments_created: BTreeSet<PaymentId>,
    /// Payments to be written.
    pub payments_changed: BTreeSet<PaymentId>,
    /// Refunds to be written.
    pub refunds_changed: BTreeSet<RefundId>,
    /// Seats to be written.
    pub seats_changed: BTreeSet<SeatKey>,
    /// Tasks to be added; one that exists already stays as it is.
    pub tasks_added: Vec<Task>,
    /// Tasks to be set to a later time.
    pub tasks_postponed: Vec<(TaskKey, OffsetDateTime)>,
    /// Tasks to be removed, done or no longer of use.
    pub tasks_removed: BTreeSet<TaskKey>,
    /// Events to be published, in order.
    pub events: Vec<Event>,
    /// Money that moved.
    pub ledger: Vec<Entry>,
    /// What was decided and why.
    pub journal: Vec<JournalEntry>,
    /// What no longer needs a person. Taken off the list before `attention` is put on it.
    pub attention_settled: BTreeSet<(AttentionKind, Uuid)>,
    /// What needs a person.
    pub attention: Vec<Attention>,
}

/// One input with its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// The booking.
    pub booking: BookingId,
    /// The database's clock at the decision.
    pub at: OffsetDateTime,
    /// What happened.
    pub input: Input,
    /// What came of it.
    pub outcome: Outcome,
}

impl World {
    /// An empty world at `now`.
    pub fn new(now: OffsetDateTime) -> Self {
        Self {
            now,
            slots: BTreeMap::new(),
            bookings: BTreeMap::new(),
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            seats: BTreeMap::new(),
            changes: Changes::default(),
            purses: BTreeMap::new(),
        }
    }

    /// Whether a hint about `payment` would have the gateway asked now. For hints that anybody could send: those that
    /// are of no use need not be applied, and then leave no trace, however many there are.
    pub fn hears_hint(&self, booking: BookingId, payment: PaymentId) -> bool {
        steps::hint::is_of_use(self, booking, payment)
    }

    /// Applies `input` to `booking`: the one door of the saga.
    ///
    /// Applying the same input again changes nothing more: a redelivery's outcome is
    /// [`Outcome::AlreadyKnown`]. A refusal changes nothing and is not journalled.
    pub fn apply(&mut self, booking: BookingId, input: Input) -> Outcome {
        let outcome = self.step(booking, &input);
        self.account();
        if !matches!(outcome, Outcome::Refused(_)) {
            self.changes.journal.push(JournalEntry {
                booking,
                at: self.now,
                input,
                outcome: outcome.clone(),
            });
        }
        outcome
    }

    fn step(&mut self, booking: BookingId, input: &Input) -> Outcome {
        if let Input::Hold {
            user,
            seats,
            contact,
            terms,
        } = input
        {
            return steps::hold::place(self, booking, user, seats, contact, terms);
        }
        if !self.bookings.contains_key(&booking) {
            return Outcome::Refused(Refusal::NoSuchBooking);
        }
        match input {
            Input::Hold { .. } => Outcome::Refused(Refusal::IdTaken),
            Input::Release => steps::hold_over::release(self, booking),
            Input::Replaced { .. } => steps::hold_over::give_way(self, booking),
            Input::Cancel { by } => steps::cancel::cancel(self, booking, *by),
            Input::HoldTimer => steps::hold_over::timer(self, booking),
            Input::OpenAttempt {
                payment,
                account,
                terms,
                capture,
            } => steps::attempt::open(self, booking, *payment, account, terms, *capture),
            Input::AttemptCreated {
                payment,
                gateway_payment_id,
            } => steps::attempt::created(self, booking, *payment, gateway_payment_id),
            Input::AttemptDeclined { payment } => steps::attempt::declined(self, booking, *payment),
            Input::Hint { payment } => steps::hint::heard(self, booking, *payment),
            Input::Payment(fact) => steps::money::told(self, booking, fact),
            Input::Refund(fact) => steps::refund::told(self, booking, fact),
            Input::Dispute(fact) => steps::dispute::told(self, booking, fact),
            Input::VerifyAnswered {
                payment,
                generation,
                answer,
            } => steps::verify::answered(self, *payment, *generation, answer),
            Input::CaptureAnswered {
                payment,
                attempt,
                answer,
            } => steps::capture::answered(self, booking, *payment, *attempt, answer),
            Input::VoidAnswered {
                payment,
                generation,
                attempt,
                answer,
            } => steps::void::answered(self, booking, *payment, *generation, *attempt, answer),
            Input::RefundTaken { refund } => steps::refund::taken(self, *refund),
            Input::RefundRetried { refund } => steps::by_hand::retry(self, booking, *refund),
            Input::RefundOtherWay { refund, means } => {
                steps::by_hand::other_way(self, booking, *refund, means)
            }
            Input::RefundSettledElsewhere { refund, proof } => {
                steps::by_hand::settled_elsewhere(self, booking, *refund, proof)
            }
            Input::Swept => steps::sweep::swept(self, booking),
            Input::RefundAnswered {
                refund,
                generation,
                attempt,
                answer,
            } => steps::refund::answered(self, booking, *refund, *generation, *attempt, answer),
        }
    }

    /// The payments of `booking`, oldest first.
    pub fn payments_of(&self, booking: BookingId) -> impl Iterator<Item = &Payment> {
        let mut payments: Vec<_> = self
            .payments
            .values()
            .filter(|payment| payment.booking == booking)
            .collect();
        payments.sort_by_key(|payment| (payment.opened_at, payment.id));
        payments.into_iter()
    }

    /// The payment that a gateway knows by `id`, if it is one of the locked bookings'.
    pub fn payment_at_gateway(&self, account: &GatewayAccount, id: &str) -> Option<PaymentId> {
        self.payments
            .values()
            // The id first, which tells nearly all of them apart: a turn has hundreds, mostly of one account.
            .find(|row| row.gateway_payment_id.as_deref() == Some(id) && row.account == *account)
            .map(|row| row.id)
    }

    /// The refunds of `booking`.
    pub fn refunds_of(&self, booking: BookingId) -> impl Iterator<Item = &Refund> {
        self.refunds
            .values()
            .filter(move |refund| refund.booking == booking)
    }

    /// Is a payment attempt of `booking` undecided?
    pub fn attempt_open(&self, booking: BookingId) -> bool {
        self.payments
            .values()
            .any(|payment| payment.booking == booking && payment.undecided())
    }

    // What steps do. Each notes the change beside making it, so that no step can forget to.

    pub(crate) fn booking_mut(&mut self, booking: BookingId) -> Option<&mut Booking> {
        let row = self.bookings.get_mut(&booking)?;
        if self.changes.bookings_changed.insert(booking) {
            row.version += 1;
            row.updated_at = self.now;
        }
        Some(row)
    }

    pub(crate) fn payment_mut(&mut self, payment: PaymentId) -> Option<&mut Payment> {
        self.open_purse(payment);
        let row = self.payments.get_mut(&payment)?;
        self.changes.payments_changed.insert(payment);
        Some(row)
    }

    pub(crate) fn refund_mut(&mut self, refund: RefundId) -> Option<&mut Refund> {
        let payment = self.refunds.get(&refund)?.payment;
        self.open_purse(payment);
        let row = self.refunds.get_mut(&refund)?;
        self.changes.refunds_changed.insert(refund);
        Some(row)
    }

    /// Gives a seat a new state. A seat that is neither held nor booked belongs to nobody.
    pub(crate) fn set_seat(
        &mut self,
        key: &SeatKey,
        state: SeatState,
        booking: Option<BookingId>,
        reclaim_at: Option<OffsetDateTime>,
    ) {
        if let Some(seat) = self.seats.get_mut(key) {
            seat.state = state;
            seat.booking = booking;
            seat.reclaim_at = reclaim_at;
            self.changes.seats_changed.insert(key.clone());
        }
    }

    /// The seats of `booking` that their rows still give to it, held or sold.
    pub(crate) fn own_seats(&self, booking: BookingId) -> Vec<SeatKey> {
        let Some(row) = self.bookings.get(&booking) else {
            return Vec::new();
        };
        row.seats
            .iter()
            .map(|seat| SeatKey {
                show: row.show(),
                seat: seat.clone(),
            })
            .filter(|key| {
                self.seats
                    .get(key)
                    .is_some_and(|seat| seat.standing(booking, self.now) == Standing::Mine)
            })
            .collect()
    }

    /// Publishes an event, with the booking's next sequence.
    pub(crate) fn emit(&mut self, booking: BookingId, body: EventBody) {
        let at = self.now;
        let Some(row) = self.booking_mut(booking) else {
            return;
        };
        row.sequence += 1;
        let event = Event {
            booking_id: booking,
            show_id: booking.show(),
            sequence: row.sequence,
            at,
            body,
        };
        self.changes.events.push(event);
    }

    /// Writes a refund that did not exist before.
    pub(crate) fn add_refund(&mut self, refund: Refund) {
        self.open_purse(refund.payment);
        self.changes.refunds_changed.insert(refund.id);
        self.refunds.insert(refund.id, refund);
    }

    /// The refunds of `payment`.
    pub fn refunds_of_payment(&self, payment: PaymentId) -> impl Iterator<Item = &Refund> {
        self.refunds
            .values()
            .filter(move |refund| refund.payment == payment)
    }

    /// Where a payment's money is now.
    pub fn purse(&self, payment: PaymentId) -> Purse {
        self.payments
            .get(&payment)
            .map_or_else(Purse::default, |row| {
                Purse::of(row, self.refunds_of_payment(payment))
            })
    }

    fn open_purse(&mut self, payment: PaymentId) {
        if !self.purses.contains_key(&payment) {
            let purse = self.purse(payment);
            self.purses.insert(payment, purse);
        }
    }

    /// Posts what the input did to the money: no step can forget to, nor post what its rows do not say.
    fn account(&mut self) {
        for (payment, before) in std::mem::take(&mut self.purses) {
            steps::left_over::look_after(self, payment);
            self.purses.remove(&payment);
            let Some(row) = self.payments.get(&payment) else {
                continue;
            };
            let Some(captured) = row.captured else {
                continue;
            };
            let booking = row.booking;
            for (from, to, minor) in before.movements_to(&self.purse(payment)) {
                self.changes.ledger.push(Entry {
                    payment,
                    booking,
                    from,
                    to,
                    amount: Money::new(minor, captured.currency),
                    at: self.now,
                });
            }
        }
    }

    /// Adds a task; one that exists already stays as it is.
    pub fn add_task(&mut self, task: Task) {
        self.changes.tasks_added.push(task);
    }

    /// Sets a task to a later time and gives its lease up.
    pub fn postpone_task(&mut self, key: TaskKey, until: OffsetDateTime) {
        self.changes.tasks_postponed.push((key, until));
    }

    /// Adds a payment, of which nothing was known. One that exists stays as it is.
    pub(crate) fn add_payment(&mut self, payment: Payment) {
        let id = payment.id;
        if let Place::Vacant(place) = self.payments.entry(id) {
            place.insert(payment);
            self.changes.payments_created.insert(id);
        }
        self.changes.payments_changed.insert(id);
    }

    /// Removes a task, done or no longer of use.
    pub fn remove_task(&mut self, kind: TaskKind, subject: Uuid, generation: u32) {
        let key = TaskKey {
            kind,
            subject,
            generation,
        };
        self.changes.tasks_added.retain(|task| task.key != key);
        self.changes
            .tasks_postponed
            .retain(|(postponed, _)| *postponed != key);
        // Whatever is asked about a payment was added after it.
        let created = &self.changes.payments_created;
        if !created.contains(&subject.into()) {
            self.changes.tasks_removed.insert(key);
        }
    }

    /// Puts an item on the operators' list.
    pub fn call_person(&mut self, item: Attention) {
        self.changes.attention.push(item);
    }

    /// Takes items about `subject` off the operators' list: they have settled themselves.
    pub fn dismiss_person(&mut self, kinds: &[AttentionKind], subject: Uuid) {
        self.changes
            .attention
            .retain(|item| item.subject != subject || !kinds.contains(&item.kind));
        let settled = kinds.iter().map(|kind| (*kind, subject));
        self.changes.attention_settled.extend(settled);
    }

    /// The names of those of `seats` that are somebody else's for `booking` now.
    pub(crate) fn seats_lost(&self, booking: &Booking) -> Vec<SeatName> {
        booking
            .seats
            .iter()
            .filter(|name| {
                let key = SeatKey {
                    show: booking.show(),
                    seat: (*name).clone(),
                };
                self.seats
                    .get(&key)
                    .is_none_or(|seat| seat.standing(booking.id, self.now) == Standing::Taken)
            })
            .cloned()
            .collect()
    }
}

//! What can be seen of the hall.

use std::collections::BTreeSet;

use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::booking::{Booking, BookingState};
use boxoffice_saga::event::Event;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::journal::Testimony;
use boxoffice_saga::ledger::Entry;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::promises::{Books, Violation, sequences};
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::SeatKey;
use boxoffice_saga::status::StatusDocument;
use boxoffice_saga::table::Cell;
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::{status, table};
use uuid::Uuid;

use super::Hall;

impl Hall {
    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.world.payments.values()
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
        Books {
            now: self.world.now,
            bookings: self.world.bookings.clone(),
            payments: self.world.payments.clone(),
            refunds: self.world.refunds.values().cloned().collect(),
            seats: self.world.seats.values().cloned().collect(),
            closed: self.closed.clone(),
            ledger: self.ledger.clone(),
            sequences: sequences(&self.events),
            with_person: self.attention.keys().map(|(_, subject)| *subject).collect(),
        }
    }
}

//! Our rows, and turns over them: what the production code decides is written down here.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::booking::{Booking, BookingState};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, ShowId};
use boxoffice_saga::ledger::{Account, Entry};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::promises::{Books, Closed, Promise};
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_saga::task::{TaskKey, TaskKind};
use boxoffice_saga::world::World;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::names;

/// All rows. What only grows, and what nobody decides by, is left out or kept at its beginning, so that alike states
/// are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    /// The bookings.
    pub bookings: BTreeMap<BookingId, Booking>,
    /// Their payments.
    pub payments: BTreeMap<PaymentId, Payment>,
    /// Their refunds.
    pub refunds: BTreeMap<RefundId, Refund>,
    /// The show's seats.
    pub seats: BTreeMap<SeatKey, Seat>,
    /// Whether the show is cancelled.
    pub closed: bool,
    /// The tasks, whenever they are due.
    pub tasks: BTreeSet<TaskKey>,
    /// Each payment's balances.
    pub ledger: BTreeMap<(PaymentId, Account), i64>,
    /// The operators' list.
    pub attention: BTreeSet<(AttentionKind, Uuid)>,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Whether it told anything or moved any money.
    pub spoke: bool,
    /// Whether its events were not numbered without a gap.
    pub gap: bool,
}

impl Rows {
    /// An empty hall with `seats` seats.
    pub fn new(seats: usize) -> Self {
        let rows = (0..seats).map(|nth| {
            let key = names::seat_key(nth);
            let seat = Seat {
                key: key.clone(),
                state: SeatState::Available,
                booking: None,
                reclaim_at: None,
                price_minor: 1_000,
            };
            (key, seat)
        });
        Self {
            bookings: BTreeMap::new(),
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            seats: rows.collect(),
            closed: false,
            tasks: BTreeSet::new(),
            ledger: BTreeMap::new(),
            attention: BTreeSet::new(),
        }
    }

    /// The world that a turn would lock.
    pub fn world(&self, now: OffsetDateTime) -> World {
        let mut world = World::new(now);
        world.bookings.clone_from(&self.bookings);
        world.payments.clone_from(&self.payments);
        world.refunds.clone_from(&self.refunds);
        world.seats.clone_from(&self.seats);
        world
    }

    /// One turn: `decide` and write.
    pub fn turn(&mut self, now: OffsetDateTime, decide: impl FnOnce(&mut World)) -> Turned {
        let mut world = self.world(now);
        decide(&mut world);
        let changes = world.changes;
        for key in &changes.tasks_removed {
            self.tasks.remove(key);
        }
        self.tasks
            .extend(changes.tasks_added.into_iter().map(|task| task.key));
        for entry in &changes.ledger {
            *self.ledger.entry((entry.payment, entry.from)).or_default() -= entry.amount.minor;
            *self.ledger.entry((entry.payment, entry.to)).or_default() += entry.amount.minor;
        }
        self.ledger.retain(|_, balance| *balance != 0);
        for item in &changes.attention_settled {
            self.attention.remove(item);
        }
        let called = changes.attention.iter();
        self.attention
            .extend(called.map(|item| (item.kind, item.subject)));
        // Numbers begin anew in every turn.
        let mut numbers: BTreeMap<BookingId, u32> = BTreeMap::new();
        let gap = changes.events.iter().any(|event| {
            let number = numbers.entry(event.booking_id).or_default();
            *number += 1;
            event.sequence != *number
        });
        self.bookings = world.bookings;
        self.payments = world.payments;
        self.refunds = world.refunds;
        self.seats = world.seats;
        self.forget();
        Turned {
            spoke: !changes.events.is_empty() || !changes.ledger.is_empty(),
            gap,
        }
    }

    fn forget(&mut self) {
        for row in self.bookings.values_mut() {
            row.sequence = 0;
            row.version = 0;
            row.updated_at = names::opening();
            row.confirmed_at = None;
        }
        for row in self.payments.values_mut() {
            row.decided_at = None;
        }
        for row in self.refunds.values_mut() {
            row.requested_at = names::opening();
            row.done_at = None;
        }
    }

    /// What happens when an operator cancels the show: its seats, and a task for each live booking.
    pub fn cancel_show(&mut self) {
        self.closed = true;
        for seat in self.seats.values_mut() {
            seat.state = SeatState::Cancelled;
            seat.reclaim_at = None;
        }
        let live = self
            .bookings
            .values()
            .filter(|row| matches!(row.state, BookingState::Held | BookingState::Confirmed));
        self.tasks.extend(live.map(|row| TaskKey {
            kind: TaskKind::CancelBooking,
            subject: row.id.uuid(),
            generation: 1,
        }));
    }

    /// The promises that the rows break.
    pub fn broken(&self, now: OffsetDateTime) -> BTreeSet<Promise> {
        let show: ShowId = names::show();
        let closed = self
            .closed
            .then_some((show, Closed::Cancelled { since: now }));
        let ledger = self
            .ledger
            .iter()
            .filter_map(|((payment, account), balance)| {
                let row = self.payments.get(payment)?;
                let (from, to) = if *balance > 0 {
                    (Account::Gateway, *account)
                } else {
                    (*account, Account::Gateway)
                };
                (*account != Account::Gateway).then(|| Entry {
                    payment: *payment,
                    booking: row.booking,
                    from,
                    to,
                    amount: Money::new(balance.abs(), names::rupees()),
                    at: now,
                })
            });
        let books = Books {
            now,
            bookings: self.bookings.clone(),
            payments: self.payments.clone(),
            refunds: self.refunds.values().cloned().collect(),
            seats: self.seats.values().cloned().collect(),
            closed: closed.into_iter().collect(),
            ledger: ledger.collect(),
            sequences: BTreeMap::new(),
            with_person: self.attention.iter().map(|(_, subject)| *subject).collect(),
        };
        books
            .violations()
            .into_iter()
            .map(|violation| violation.promise)
            .collect()
    }

    /// Whether there is a task of this kind about this.
    pub fn has_task(&self, kind: TaskKind, subject: Uuid) -> bool {
        self.tasks
            .iter()
            .any(|key| key.kind == kind && key.subject == subject)
    }

    /// Whether everything that is open is somebody's work.
    pub fn is_looked_after(&self) -> bool {
        use boxoffice_saga::payment::PaymentStanding::{Authorised, Open};
        use boxoffice_saga::refund::RefundStanding::Requested;
        let held = |booking: &BookingId| {
            self.bookings
                .get(booking)
                .is_some_and(|row| row.state == BookingState::Held)
        };
        let holds = self
            .bookings
            .values()
            .filter(|row| row.state == BookingState::Held)
            .all(|row| self.has_task(TaskKind::HoldTimer, row.id.uuid()));
        let payments = self
            .payments
            .values()
            .filter(|row| row.undecided())
            .all(|row| match row.standing {
                Authorised => self.has_task(TaskKind::Capture, row.id.uuid()),
                // The end of the hold asks.
                Open if held(&row.booking) => true,
                _ => self.has_task(TaskKind::Void, row.id.uuid()),
            });
        let refunds = self
            .refunds
            .values()
            // One that is requested is an event that a worker will take.
            .filter(|row| row.gateway_should_act() && row.standing != Requested)
            .all(|row| self.tasks.contains(&row.task()));
        holds && payments && refunds
    }
}

/// The moments at which things happen.
pub fn moment(tick: usize) -> OffsetDateTime {
    names::opening() + Duration::seconds(super::TICKS[tick])
}

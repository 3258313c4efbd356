//! A show's hall, as this build makes it from the journal: every entry is applied again to the rows that the entries
//! before it have made. Pure.
//!
//! A turn locks a booking, and with a hold the one that it takes the place of; nothing else of the show is in its
//! world. So each entry gets a world of its own here too.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, SeatName, ShowId, UserId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_saga::world::World;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What an operator did to seats, beside the saga: blocked or unblocked some, or cancelled the show with all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatAct {
    /// By the database's clock, with the seats locked.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Which seats; none: all of the show.
    pub seats: Option<BTreeSet<SeatName>>,
    /// What they became.
    pub into: SeatState,
}

/// The rows of one show.
#[derive(Debug)]
pub struct Hall {
    show: ShowId,
    /// Seats.
    pub seats: BTreeMap<SeatName, Seat>,
    acts: Vec<SeatAct>,
    /// How many of the acts each seat has behind it.
    passed: BTreeMap<SeatName, usize>,
    slots: BTreeMap<UserId, BookingId>,
    /// Bookings.
    pub bookings: BTreeMap<BookingId, Booking>,
    /// Their payments.
    pub payments: BTreeMap<BookingId, BTreeMap<PaymentId, Payment>>,
    /// Their refunds.
    pub refunds: BTreeMap<BookingId, BTreeMap<RefundId, Refund>>,
    /// The turn that changed a booking last, by its clock: a turn counts one version, however many entries it has.
    turns: BTreeMap<BookingId, OffsetDateTime>,
}

impl Hall {
    /// A hall in which everything is for sale, at these prices in minor units. `acts` in order of time.
    pub fn new(show: ShowId, prices: &[(SeatName, i64)], acts: Vec<SeatAct>) -> Self {
        let seats = prices.iter().map(|(name, price)| {
            let seat = Seat {
                key: SeatKey {
                    show,
                    seat: name.clone(),
                },
                state: SeatState::Available,
                booking: None,
                reclaim_at: None,
                price_minor: *price,
            };
            (name.clone(), seat)
        });
        Self {
            show,
            seats: seats.collect(),
            acts,
            passed: BTreeMap::new(),
            slots: BTreeMap::new(),
            bookings: BTreeMap::new(),
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            turns: BTreeMap::new(),
        }
    }

    /// Applies one input as of `at`. What this build makes of it.
    pub fn apply(&mut self, booking: BookingId, at: OffsetDateTime, input: Input) -> Outcome {
        let mut world = World::new(at);
        let mut bookings = vec![booking];
        let mut seats: BTreeSet<SeatName> = BTreeSet::new();
        if let Input::Hold {
            user, seats: asked, ..
        } = &input
        {
            seats.extend(asked.iter().cloned());
            if let Some(earlier) = self.slots.get(user) {
                world.slots.insert((self.show, user.clone()), *earlier);
                bookings.push(*earlier);
            }
        }
        for id in bookings {
            let Some(row) = self.bookings.get(&id) else {
                continue;
            };
            seats.extend(row.seats.iter().cloned());
            world.bookings.insert(id, row.clone());
            world
                .payments
                .extend(self.payments.get(&id).cloned().unwrap_or_default());
            world
                .refunds
                .extend(self.refunds.get(&id).cloned().unwrap_or_default());
            if self.turns.get(&id) == Some(&at) {
                world.changes.bookings_changed.insert(id);
            }
        }
        for name in seats {
            self.catch_up(&name, Some(at));
            if let Some(seat) = self.seats.get(&name) {
                world.seats.insert(seat.key.clone(), seat.clone());
            }
        }
        let outcome = world.apply(booking, input);
        self.keep(world, at);
        outcome
    }

    fn keep(&mut self, world: World, at: OffsetDateTime) {
        let changed = &world.changes;
        for id in changed
            .bookings_changed
            .iter()
            .chain(&changed.bookings_created)
        {
            if let Some(row) = world.bookings.get(id) {
                self.bookings.insert(*id, row.clone());
                self.turns.insert(*id, at);
            }
        }
        for row in changed
            .payments_changed
            .iter()
            .filter_map(|id| world.payments.get(id))
        {
            let of = self.payments.entry(row.booking).or_default();
            of.insert(row.id, row.clone());
        }
        for row in changed
            .refunds_changed
            .iter()
            .filter_map(|id| world.refunds.get(id))
        {
            let of = self.refunds.entry(row.booking).or_default();
            of.insert(row.id, row.clone());
        }
        for seat in changed
            .seats_changed
            .iter()
            .filter_map(|key| world.seats.get(key))
        {
            self.seats.insert(seat.key.seat.clone(), seat.clone());
        }
        for key in &changed.slots_changed {
            if let Some(booking) = world.slots.get(key) {
                self.slots.insert(key.1.clone(), *booking);
            }
        }
    }

    /// Does to one seat what operators have done before `at`; without a time, everything. Who held the seat's lock
    /// first has the earlier clock, so for one seat the times tell the order, whatever else went on beside.
    fn catch_up(&mut self, name: &SeatName, at: Option<OffsetDateTime>) {
        let passed = self.passed.entry(name.clone()).or_default();
        let Some(seat) = self.seats.get_mut(name) else {
            return;
        };
        while let Some(act) = self.acts.get(*passed) {
            if at.is_some_and(|at| act.at >= at) {
                return;
            }
            *passed += 1;
            if act
                .seats
                .as_ref()
                .is_some_and(|seats| !seats.contains(name))
            {
                continue;
            }
            seat.state = act.into;
            seat.reclaim_at = None;
            if act.into != SeatState::Cancelled {
                seat.booking = None;
            }
        }
    }

    /// Does what operators have done since the last entry.
    pub fn finish(&mut self) {
        let names: Vec<SeatName> = self.seats.keys().cloned().collect();
        for name in names {
            self.catch_up(&name, None);
        }
    }
}

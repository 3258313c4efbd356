//! The promises, as predicates over what the books say. Used by tests, the audit and production.
//!
//! `SEAT-1`, `SEAT-2`: seats. `MONEY-1`, `MONEY-2`, `MONEY-3`: money. `SAGA-1`: one verdict. `EVENT-1`: the
//! sequence of events. `INGRESS-1` is about Kafka's positions and is checked where those are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::booking::{Booking, BookingState};
use crate::event::Event;
use crate::identity::{BookingId, PaymentId, ShowId};
use crate::ledger::{Account, Entry};
use crate::payment::{DisputeStanding, Payment, PaymentStanding, Verdict};
use crate::purse::Purse;
use crate::refund::{Refund, RefundCause, RefundStanding};
use crate::seat::{Seat, SeatState};

/// Money and attempts must be decided, or be with a person, within this time.
pub const LONGEST_UNDECIDED: Duration = Duration::hours(24);
/// A refund that the gateway has accepted must be done, or be with a person, within this time. Banks take days.
pub const LONGEST_PENDING: Duration = Duration::days(6);

/// What has become of a show that is sold no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Cancelled: none of its seats is ever for sale again, and all its bookings come to be cancelled.
    Cancelled {
        /// When.
        since: OffsetDateTime,
    },
    /// Over, and its seats have been removed.
    Removed,
}

/// The name of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub enum Promise {
    /// A seat belongs to at most one confirmed booking.
    #[serde(rename = "SEAT-1")]
    Seat1,
    /// A confirmed booking owns every one of its seats.
    #[serde(rename = "SEAT-2")]
    Seat2,
    /// Every captured unit is in exactly one place.
    #[serde(rename = "MONEY-1")]
    Money1,
    /// Refunded never exceeds captured, and no refund is made twice.
    #[serde(rename = "MONEY-2")]
    Money2,
    /// Nothing stays undecided for ever without a person knowing.
    #[serde(rename = "MONEY-3")]
    Money3,
    /// One verdict per captured payment.
    #[serde(rename = "SAGA-1")]
    Saga1,
    /// Sequences of events are gapless per booking.
    #[serde(rename = "EVENT-1")]
    Event1,
    /// What was accepted is decided.
    #[serde(rename = "INGRESS-1")]
    Ingress1,
}

impl Promise {
    /// All promises.
    pub const ALL: [Self; 8] = [
        Self::Seat1,
        Self::Seat2,
        Self::Money1,
        Self::Money2,
        Self::Money3,
        Self::Saga1,
        Self::Event1,
        Self::Ingress1,
    ];

    /// The name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seat1 => "SEAT-1",
            Self::Seat2 => "SEAT-2",
            Self::Money1 => "MONEY-1",
            Self::Money2 => "MONEY-2",
            Self::Money3 => "MONEY-3",
            Self::Saga1 => "SAGA-1",
            Self::Event1 => "EVENT-1",
            Self::Ingress1 => "INGRESS-1",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A broken promise, with where to look.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// Over which booking, where it is one.
    pub booking: Option<BookingId>,
    /// One sentence with the ids that matter.
    pub what: String,
}

impl Violation {
    /// `promise` is broken over `booking`.
    pub const fn over(promise: Promise, booking: BookingId, what: String) -> Self {
        Self {
            promise,
            booking: Some(booking),
            what,
        }
    }
}

/// Everything that the books say about some shows, at one moment.
#[derive(Clone, Debug)]
pub struct Books {
    /// The moment.
    pub now: OffsetDateTime,
    /// All bookings.
    pub bookings: BTreeMap<BookingId, Booking>,
    /// All payments of those bookings.
    pub payments: BTreeMap<PaymentId, Payment>,
    /// All refunds of those bookings.
    pub refunds: Vec<Refund>,
    /// All seats.
    pub seats: Vec<Seat>,
    /// Those of the shows that are sold no more.
    pub closed: BTreeMap<ShowId, Closed>,
    /// All movements of money.
    pub ledger: Vec<Entry>,
    /// Sequences of the retained events, per booking, in the order in which they are published.
    pub sequences: BTreeMap<BookingId, Vec<u32>>,
    /// Bookings, payments, refunds (by UUID) with an open item on the operators' list.
    pub with_person: BTreeSet<uuid::Uuid>,
}

/// The sequences of `events`, per booking, in the order in which they come.
pub fn sequences<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeMap<BookingId, Vec<u32>> {
    let mut sequences: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events {
        let of_booking = sequences.entry(event.booking_id).or_default();
        of_booking.push(event.sequence);
    }
    sequences
}

type RefundsByPayment<'a> = BTreeMap<PaymentId, Vec<&'a Refund>>;

fn of<'a>(refunds: &RefundsByPayment<'a>, payment: PaymentId) -> impl Iterator<Item = &'a Refund> {
    refunds.get(&payment).into_iter().flatten().copied()
}

impl Books {
    /// Evaluates every promise. No violations is the only good answer.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut refunds: RefundsByPayment<'_> = BTreeMap::new();
        for refund in &self.refunds {
            refunds.entry(refund.payment).or_default().push(refund);
        }
        self.seats_are_owned(&mut found);
        self.money_is_in_one_place(&refunds, &mut found);
        self.refunds_fit(&mut found);
        self.nothing_is_forgotten(&mut found);
        self.verdicts_stand(&refunds, &mut found);
        self.events_are_gapless(&mut found);
        found
    }

    fn seats_are_owned(&self, found: &mut Vec<Violation>) {
        let mut claims: BTreeMap<(u64, &str), BookingId> = BTreeMap::new();
        let rows: BTreeMap<_, _> = self
            .seats
            .iter()
            .map(|seat| ((seat.key.show.number(), seat.key.seat.as_str()), seat))
            .collect();
        for booking in self
            .bookings
            .values()
            .filter(|row| row.state == BookingState::Confirmed)
        {
            for name in &booking.seats {
                let key = (booking.show().number(), name.as_str());
                if let Some(other) = claims.insert(key, booking.id) {
                    let what = format!(
                        "seat {name} is sold to booking {other} and to booking {}",
                        booking.id
                    );
                    found.push(Violation::over(Promise::Seat1, booking.id, what));
                }
                let removed = self.closed.get(&booking.show()) == Some(&Closed::Removed);
                let owned = removed
                    || rows.get(&key).is_some_and(|seat| {
                        matches!(seat.state, SeatState::Booked | SeatState::Cancelled)
                            && seat.booking == Some(booking.id)
                    });
                if !owned {
                    let what = format!(
                        "booking {} is confirmed and does not own seat {name}",
                        booking.id
                    );
                    found.push(Violation::over(Promise::Seat2, booking.id, what));
                }
            }
        }
        for seat in &self.seats {
            let closed = self.closed.get(&seat.key.show);
            if closed.is_some() && seat.state != SeatState::Cancelled {
                found.push(Violation {
                    promise: Promise::Seat1,
                    booking: seat.booking,
                    what: format!(
                        "seat {} is {} though its show {} is closed",
                        seat.key.seat,
                        seat.state.name(),
                        seat.key.show
                    ),
                });
            }
            if seat.state != SeatState::Booked {
                continue;
            }
            let owner = seat.booking.and_then(|id| self.bookings.get(&id));
            let sold = owner.is_some_and(|row| {
                row.state == BookingState::Confirmed && row.seats.contains(&seat.key.seat)
            });
            if !sold {
                found.push(Violation {
                    promise: Promise::Seat1,
                    booking: seat.booking,
                    what: format!(
                        "seat {} of show {} is booked by no confirmed booking",
                        seat.key.seat, seat.key.show
                    ),
                });
            }
        }
    }

    /// MONEY-1, per payment; per booking and in total it follows by summing.
    fn money_is_in_one_place(&self, refunds: &RefundsByPayment<'_>, found: &mut Vec<Violation>) {
        let mut balances: BTreeMap<(PaymentId, Account), i64> = BTreeMap::new();
        let mut complain = |booking: BookingId, what: String| {
            found.push(Violation::over(Promise::Money1, booking, what));
        };
        for entry in &self.ledger {
            if entry.amount.minor <= 0 {
                complain(
                    entry.booking,
                    format!(
                        "payment {} has a movement of {}",
                        entry.payment, entry.amount
                    ),
                );
            }
            let wrong_currency = self.payments.get(&entry.payment).is_none_or(|payment| {
                payment
                    .captured
                    .is_none_or(|c| c.currency != entry.amount.currency)
            });
            if wrong_currency {
                complain(
                    entry.booking,
                    format!(
                        "payment {} has a movement of money it never captured",
                        entry.payment
                    ),
                );
            }
            *balances.entry((entry.payment, entry.from)).or_default() -= entry.amount.minor;
            *balances.entry((entry.payment, entry.to)).or_default() += entry.amount.minor;
        }
        for payment in self.payments.values() {
            let purse = Purse::of(payment, of(refunds, payment.id));
            for account in Account::ALL {
                let booked = balances.get(&(payment.id, account)).copied().unwrap_or(0);
                let expected = purse.balance(account);
                if booked != expected {
                    complain(
                        payment.booking,
                        format!(
                            "payment {} has {booked} in {} where its rows say {expected}",
                            payment.id,
                            account.name()
                        ),
                    );
                }
            }
            let state = self.bookings.get(&payment.booking).map(|row| row.state);
            let pays =
                payment.verdict == Some(Verdict::Applied) && state == Some(BookingState::Confirmed);
            let applied = purse.balance(Account::Applied);
            if applied > 0 && !pays {
                complain(
                    payment.booking,
                    format!(
                        "payment {} has {applied} that neither pays for its booking nor goes back",
                        payment.id
                    ),
                );
            }
            if payment.retained < 0
                || (payment.retained > 0 && state != Some(BookingState::Cancelled))
            {
                complain(
                    payment.booking,
                    format!(
                        "payment {} keeps a fee of {} of a booking that is not cancelled",
                        payment.id, payment.retained
                    ),
                );
            }
        }
    }

    fn refunds_fit(&self, found: &mut Vec<Violation>) {
        let mut totals: BTreeMap<PaymentId, (BookingId, i64)> = BTreeMap::new();
        let mut complain = |booking: BookingId, what: String| {
            found.push(Violation::over(Promise::Money2, booking, what));
        };
        let mut at_gateway: BTreeMap<(&str, &str), &Refund> = BTreeMap::new();
        for refund in &self.refunds {
            // What others do at the gateway we cannot keep from exceeding; it is booked as a loss.
            if refund.cause != RefundCause::NotAskedFor
                && refund.standing != RefundStanding::Withdrawn
            {
                let (_, total) = totals.entry(refund.payment).or_insert((refund.booking, 0));
                *total += refund.amount.minor;
            }
            let gateway = self
                .payments
                .get(&refund.payment)
                .map_or("", |payment| payment.account.gateway.as_str());
            if let Some(id) = &refund.gateway_refund_id
                && let Some(other) = at_gateway.insert((gateway, id), refund)
            {
                complain(
                    refund.booking,
                    format!(
                        "refunds {} and {} are one at the gateway: {id}",
                        other.id, refund.id
                    ),
                );
            }
        }
        for (id, (booking, total)) in totals {
            let payment = self.payments.get(&id);
            let kept = payment.map_or(0, |payment| payment.retained);
            let captured = payment.and_then(|payment| payment.captured);
            if captured.is_none_or(|captured| total + kept > captured.minor) {
                complain(
                    booking,
                    format!(
                        "payment {id} has {total} to be returned or returned, more than it captured"
                    ),
                );
            }
        }
    }

    fn nothing_is_forgotten(&self, found: &mut Vec<Violation>) {
        let mut complain = |booking: BookingId, what: String| {
            found.push(Violation::over(Promise::Money3, booking, what));
        };
        let old = |since: OffsetDateTime| self.now - since > LONGEST_UNDECIDED;
        for payment in self.payments.values() {
            let lapsed = self
                .bookings
                .get(&payment.booking)
                .is_some_and(|row| row.state != BookingState::Held);
            if payment.undecided()
                && lapsed
                && old(payment.opened_at)
                && !self.with_person.contains(&payment.id.uuid())
            {
                complain(
                    payment.booking,
                    format!(
                        "payment {} is undecided since {} and nobody knows",
                        payment.id, payment.opened_at
                    ),
                );
            }
        }
        for booking in self.bookings.values() {
            let live = matches!(booking.state, BookingState::Held | BookingState::Confirmed);
            if let Some(Closed::Cancelled { since }) = self.closed.get(&booking.show())
                && live
                && old(*since)
            {
                complain(
                    booking.id,
                    format!(
                        "booking {} still stands, and its show is cancelled since {since}",
                        booking.id
                    ),
                );
            }
        }
        for refund in &self.refunds {
            let waits = refund.gateway_should_act()
                && if refund.standing == RefundStanding::Pending {
                    self.now - refund.requested_at > LONGEST_PENDING
                } else {
                    old(refund.requested_at)
                };
            if waits && !self.with_person.contains(&refund.id.uuid()) {
                complain(
                    refund.booking,
                    format!(
                        "refund {} is under way since {} and nobody knows",
                        refund.id, refund.requested_at
                    ),
                );
            }
            if refund.standing == RefundStanding::WithOperator
                && !self.with_person.contains(&refund.id.uuid())
            {
                complain(
                    refund.booking,
                    format!(
                        "refund {} waits for an operator who was not told",
                        refund.id
                    ),
                );
            }
        }
    }

    fn verdicts_stand(&self, refunds: &RefundsByPayment<'_>, found: &mut Vec<Violation>) {
        let mut complain = |booking: BookingId, what: String| {
            found.push(Violation::over(Promise::Saga1, booking, what));
        };
        let mut applied: BTreeMap<BookingId, u32> = BTreeMap::new();
        for payment in self.payments.values() {
            let decided = payment.standing == PaymentStanding::Captured;
            if decided != payment.verdict.is_some() || decided != payment.captured.is_some() {
                complain(
                    payment.booking,
                    format!(
                        "payment {} is captured without a verdict, or the reverse",
                        payment.id
                    ),
                );
            }
            if payment.verdict == Some(Verdict::Applied) {
                *applied.entry(payment.booking).or_default() += 1;
            }
            let state = self.bookings.get(&payment.booking).map(|row| row.state);
            let Some(state) = state else {
                complain(
                    payment.booking,
                    format!("payment {} belongs to no booking", payment.id),
                );
                continue;
            };
            let came_back = payment
                .disputes
                .iter()
                .any(|dispute| dispute.standing != DisputeStanding::Opened)
                || of(refunds, payment.id)
                    .any(|refund| refund.standing == RefundStanding::Withdrawn);
            for refund in of(refunds, payment.id) {
                let decided = refund.stands(payment, state)
                    && (refund.cause != RefundCause::LeftOver || came_back);
                if !decided {
                    complain(
                        payment.booking,
                        format!(
                            "payment {} has a refund without a decision for it: verdict {:?}, cause {:?}, booking {}",
                            payment.id,
                            payment.verdict,
                            refund.cause,
                            state.name()
                        ),
                    );
                }
            }
        }
        for booking in self.bookings.values() {
            let count = applied.get(&booking.id).copied().unwrap_or(0);
            let fits = match booking.state {
                BookingState::Confirmed => count == 1,
                // It may have been confirmed before.
                BookingState::Cancelled => count <= 1,
                _ => count == 0,
            };
            if !fits {
                complain(
                    booking.id,
                    format!(
                        "booking {} is {} and {count} payments are applied to it",
                        booking.id,
                        booking.state.name()
                    ),
                );
            }
        }
    }

    fn events_are_gapless(&self, found: &mut Vec<Violation>) {
        for (booking, sequences) in &self.sequences {
            let in_order = sequences
                .windows(2)
                .all(|pair| pair[1] == pair[0].saturating_add(1));
            let last = self.bookings.get(booking).map(|row| row.sequence);
            if !in_order || last != sequences.last().copied() {
                let what = format!(
                    "booking {booking} has the events {sequences:?} in this order and stands at {last:?}"
                );
                found.push(Violation::over(Promise::Event1, *booking, what));
            }
        }
    }
}

//! What comes through the front ends' door.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use boxoffice_failpoints::Role;
use boxoffice_gateways::{CallError, CreatePayment, Created};
use boxoffice_saga::booking::{CancelledBy, Contact};
use boxoffice_saga::identity::{BookingId, PaymentId, SeatName, ShowId, UserId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::payment::{CaptureMode, PaymentStanding};
use boxoffice_saga::promises::Closed;
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::seat::{SeatKey, SeatState};
use boxoffice_saga::show_cancellation::Page;
use boxoffice_saga::table::{Cell, cell};
use boxoffice_saga::world::World;
use boxoffice_turn::memory::TaskRow;
use boxoffice_turn::{Appends, Claimed, Held, Plan, Wanted};

use crate::act::ByHand;
use crate::hall;
use crate::now;
use crate::system::System;

/// A request to open a payment at the gateway, under way.
pub(crate) struct Paying {
    booking: BookingId,
    payment: PaymentId,
    /// Another call for the attempt was made before.
    again: bool,
    call: Pin<Box<dyn Future<Output = Result<Created, CallError>> + Send>>,
}

/// One input, asked for by a customer or an operator.
struct Asked {
    booking: BookingId,
    input: Input,
    slot: Option<(ShowId, UserId)>,
    seats: Vec<SeatKey>,
}

impl Plan for Asked {
    type Answer = (Cell, Outcome);

    fn role(&self) -> Role {
        Role::HoldDesk
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        let mut wanted = Wanted {
            seats_of_bookings: true,
            seats: self.seats.iter().cloned().collect(),
            ..Wanted::default()
        };
        match &self.slot {
            Some(slot) => {
                wanted.slots.insert(slot.clone(), self.booking);
            }
            None => {
                wanted.bookings.insert(self.booking);
            }
        }
        wanted
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, _: &mut Appends) -> (Cell, Outcome) {
        let cell = cell(world, self.booking, &self.input);
        (cell, world.apply(self.booking, self.input.clone()))
    }
}

impl System {
    fn asks(&mut self, booking: BookingId, input: Input) -> Option<Outcome> {
        self.turn(Asked {
            booking,
            input,
            slot: None,
            seats: Vec::new(),
        })
    }

    fn turn(&mut self, asked: Asked) -> Option<Outcome> {
        let (cell, outcome) = now(boxoffice_turn::run(&self.database, &asked)).ok()?;
        // What is refused is not in the journal.
        if matches!(outcome, Outcome::Refused(_)) {
            self.coverage.met(cell, self.happened);
        }
        Some(outcome)
    }

    pub fn holds(&mut self, user: UserId, show: ShowId, seats: Vec<SeatName>) -> bool {
        let Some(terms) = hall::terms(self.setting.fee_bp) else {
            return false;
        };
        let random = self.draw();
        let unix_ms = u64::try_from(self.now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let booking = BookingId::pack(unix_ms, show, random);
        let keys = seats.iter().map(|seat| SeatKey {
            show,
            seat: seat.clone(),
        });
        let asked = Asked {
            booking,
            slot: Some((show, user.clone())),
            seats: keys.collect(),
            input: Input::Hold {
                user,
                seats,
                contact: Contact::default(),
                terms,
            },
        };
        let placed = self.turn(asked) == Some(Outcome::Done);
        if placed {
            self.bookings.push(booking);
        }
        placed
    }

    pub fn releases(&mut self, booking: BookingId) -> bool {
        self.asks(booking, Input::Release) == Some(Outcome::Done)
    }

    pub fn cancels(&mut self, booking: BookingId, operator: bool) -> bool {
        let by = if operator {
            CancelledBy::Operator
        } else {
            CancelledBy::Customer
        };
        self.asks(booking, Input::Cancel { by }) == Some(Outcome::Done)
    }

    pub fn hints(&mut self, payment: PaymentId) -> bool {
        let booking = self
            .database
            .tables()
            .payments
            .get(&payment)
            .map(|row| row.booking);
        booking.is_some_and(|booking| {
            self.asks(booking, Input::Hint { payment }) == Some(Outcome::Done)
        })
    }

    /// What an operator does about a refund that waits for one.
    pub fn by_hand(&mut self, nth: u8, how: ByHand) -> bool {
        let tables = self.database.tables();
        let waiting: Vec<_> = tables
            .refunds
            .values()
            .filter(|row| row.standing == RefundStanding::WithOperator)
            .map(|row| (row.booking, row.id))
            .collect();
        drop(tables);
        let nth = usize::from(nth).checked_rem(waiting.len());
        let Some((booking, refund)) = nth.and_then(|nth| waiting.get(nth).copied()) else {
            return false;
        };
        let input = match how {
            ByHand::Retry => Input::RefundRetried { refund },
            ByHand::OtherWay => Input::RefundOtherWay {
                refund,
                means: "bank transfer".to_owned(),
            },
            ByHand::Settled => Input::RefundSettledElsewhere {
                refund,
                proof: "receipt".to_owned(),
            },
        };
        self.asks(booking, input) == Some(Outcome::Done)
    }

    /// The sweep finds nobody at work on a booking.
    pub fn sweeps(&mut self, booking: BookingId) -> bool {
        self.asks(booking, Input::Swept) == Some(Outcome::Done)
    }

    /// The attempt is written down, and then the gateway is asked.
    pub fn opens(&mut self, booking: BookingId, after_seats: bool) -> bool {
        let Some(terms) = hall::terms(self.setting.fee_bp) else {
            return false;
        };
        let payment = PaymentId::from(self.uuid());
        let account = hall::asked();
        let capture = if after_seats {
            CaptureMode::AfterSeats
        } else {
            CaptureMode::Automatic
        };
        let input = Input::OpenAttempt {
            payment,
            account: account.clone(),
            terms,
            capture,
        };
        if self.asks(booking, input) != Some(Outcome::Done) {
            return false;
        }
        let amount = self
            .database
            .tables()
            .payments
            .get(&payment)
            .map(|row| row.expected);
        let (Some(amount), Some(client)) = (amount, self.gateways.client(&account).cloned()) else {
            return false;
        };
        let order = CreatePayment::new(payment, booking, amount, capture);
        let call = Box::pin(async move { client.create_payment(&order).await });
        self.paying.push(Paying {
            booking,
            payment,
            again: false,
            call,
        });
        true
    }

    /// The same request again, under the same idempotency key: the attempt that it began is gone on with.
    pub fn opens_again(&mut self, payment: PaymentId) -> bool {
        let tables = self.database.tables();
        let row = tables.payments.get(&payment).cloned();
        let alive = row.as_ref().is_some_and(|row| {
            let booking = tables.bookings.get(&row.booking);
            row.standing == PaymentStanding::Open
                && booking.is_some_and(|booking| booking.hold_alive(self.now))
        });
        drop(tables);
        let (Some(row), true) = (row, alive) else {
            return false;
        };
        let (Some(client), Some(terms)) = (
            self.gateways.client(&row.account).cloned(),
            hall::terms(self.setting.fee_bp),
        ) else {
            return false;
        };
        let input = Input::OpenAttempt {
            payment,
            account: row.account.clone(),
            terms,
            capture: row.capture,
        };
        self.asks(row.booking, input);
        let order = CreatePayment::new(payment, row.booking, row.expected, row.capture);
        let call = Box::pin(async move { client.create_payment(&order).await });
        self.paying.push(Paying {
            booking: row.booking,
            payment,
            again: true,
            call,
        });
        true
    }

    /// A customer's request goes on.
    pub fn pays_on(&mut self, nth: usize) -> bool {
        let Some(paying) = self.paying.get_mut(nth) else {
            return false;
        };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(answer) = paying.call.as_mut().poll(&mut context) else {
            return false;
        };
        let Paying {
            booking,
            payment,
            again,
            ..
        } = self.paying.remove(nth);
        let input = match answer {
            Ok(created) => Input::AttemptCreated {
                payment,
                gateway_payment_id: created.gateway_payment_id,
            },
            // An earlier call may have opened it.
            Err(CallError::RetryLater { .. }) if again => return true,
            Err(CallError::Declined { .. } | CallError::RetryLater { .. }) => {
                Input::AttemptDeclined { payment }
            }
            // It may have been opened. Its verify task finds out.
            Err(CallError::Unknown { .. } | CallError::NotFound) => return true,
        };
        self.asks(booking, input);
        true
    }

    /// What an operator's transaction does to a show's rows.
    pub fn cancels_show(&mut self, show: ShowId) -> bool {
        let mut tables = self.database.tables();
        if tables.closed.contains_key(&show) {
            return false;
        }
        let since = self.now;
        tables.closed.insert(show, Closed::Cancelled { since });
        for seat in tables
            .seats
            .values_mut()
            .filter(|seat| seat.key.show == show)
        {
            seat.state = SeatState::Cancelled;
            seat.reclaim_at = None;
        }
        let task = Page::first(show, self.now);
        let row = TaskRow {
            task: task.clone(),
            attempts: 0,
            lease: None,
        };
        tables.tasks.insert(task.key, row);
        drop(tables);
        self.unchecked = true;
        true
    }
}

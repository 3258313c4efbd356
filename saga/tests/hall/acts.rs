//! What customers, gateways and operators do in the hall.

use boxoffice_saga::booking::{Contact, Terms};
use boxoffice_saga::fact::{
    DisputeFact, PaymentFact, PaymentState, Reference, RefundFact, RefundState,
};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, UserId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::{CaptureMode, DisputeStanding};
use boxoffice_saga::promises::Closed;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::SeatState;
use uuid::Uuid;

use super::{Hall, inr, stripe};

impl Hall {
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

    pub(super) fn hold_input(&mut self, user: &str, seats: &[&str]) -> (BookingId, Input) {
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
}

pub(super) fn fact(
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

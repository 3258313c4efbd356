//! What could happen next in the hall: drawn at random, odd and ordinary.

use boxoffice_saga::booking::{CancelledBy, Terms};
use boxoffice_saga::fact::{DisputeFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId};
use boxoffice_saga::input::{CallAnswer, CaptureAnswer, Input, RefundAnswer, VoidAnswer};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::{CaptureMode, DisputeStanding};
use boxoffice_saga::refund::{Refund, RefundCause, RefundStanding};
use boxoffice_saga::task::TaskKind;
use rand::RngExt;
use rand::rngs::StdRng;
use time::Duration;
use uuid::Uuid;

use super::acts::fact;
use super::{Hall, SEATS, inr, opening, stripe};

impl Hall {
    /// Draws something that could happen next.
    pub fn something(&mut self, rng: &mut StdRng) -> (BookingId, Input) {
        let jumps = [
            0, 0, 0, 0, 1, 1, 30, 30, 299, 299, 600, 600, 631, 631, 4_000, 200_000,
        ];
        let jump = jumps[rng.random_range(0..jumps.len())];
        if self.world.now + Duration::seconds(jump) - opening() < self.lasts {
            self.pass_seconds(jump);
        }
        let bookings: Vec<_> = self.world.bookings.keys().copied().collect();
        if bookings.is_empty() || rng.random_bool(0.15) {
            let user = ["ann", "bob"][rng.random_range(0..2)];
            let seats: Vec<_> = SEATS.into_iter().filter(|_| rng.random_bool(0.6)).collect();
            return self.hold_input(user, &seats);
        }
        let booking = bookings[rng.random_range(0..bookings.len())];
        if rng.random_bool(0.04) {
            return self.an_oddity(booking, rng);
        }
        if rng.random_bool(0.004) {
            self.cancel_show();
        }
        if self.show_is_cancelled() && rng.random_bool(0.2) {
            let by = CancelledBy::Show;
            return (booking, Input::Cancel { by });
        }
        let input = match rng.random_range(0..10) {
            0 if rng.random_bool(0.5) => Input::Cancel {
                by: [CancelledBy::Customer, CancelledBy::Operator][rng.random_range(0..2)],
            },
            0 => Input::Release,
            1 => {
                self.drawn += 1;
                let payment = PaymentId::from(Uuid::from_u128(self.drawn.into()));
                Input::OpenAttempt {
                    payment,
                    account: stripe(),
                    terms: Terms::usual(inr()),
                    capture: [CaptureMode::Automatic, CaptureMode::AfterSeats]
                        [rng.random_range(0..2)],
                }
            }
            2 if rng.random_bool(0.3) => {
                let attempts: Vec<_> = self.world.payments.keys().copied().collect();
                match attempts.get(rng.random_range(0..attempts.len().max(1))) {
                    Some(payment) => Input::Hint { payment: *payment },
                    None => Input::Release,
                }
            }
            2..=5 => return (booking, self.some_payment(booking, rng)),
            6 | 7 => return self.some_refund(rng).unwrap_or((booking, Input::HoldTimer)),
            _ => return self.some_task(rng).unwrap_or((booking, Input::HoldTimer)),
        };
        (booking, input)
    }

    fn some_payment(&self, booking: BookingId, rng: &mut StdRng) -> Input {
        let mine: Vec<_> = self
            .world
            .payments_of(booking)
            .map(|payment| payment.id)
            .collect();
        let attempt = (!mine.is_empty() && rng.random_bool(0.7))
            .then(|| mine[rng.random_range(0..mine.len())]);
        let right = self.world.bookings[&booking].amount;
        let amount = match rng.random_range(0..8) {
            0 => Money::new(right.minor - 1, inr()),
            1 => Money::new(right.minor, "USD".parse().expect("a currency")),
            2 if rng.random_bool(0.5) => Money::new(right.minor + 1, inr()),
            _ => right,
        };
        let state = [
            PaymentState::Open,
            PaymentState::Processing,
            PaymentState::Authorised,
            PaymentState::Authorised,
            PaymentState::Failed,
            PaymentState::Cancelled,
            PaymentState::Captured,
            PaymentState::Captured,
            PaymentState::Captured,
        ][rng.random_range(0..9)];
        // A payment keeps its id and its amount at the gateway, whatever we are told about it.
        let known = attempt.and_then(|attempt| self.world.payments.get(&attempt));
        let id = match known {
            Some(payment) => payment
                .gateway_payment_id
                .clone()
                .unwrap_or_else(|| format!("pi_{}", payment.id)),
            None => format!("pi_{booking}_{}", rng.random_range(0..2)),
        };
        let before = self
            .world
            .payments_of(booking)
            .find(|row| row.gateway_payment_id.as_ref() == Some(&id));
        let amount = before.and_then(|row| row.captured).unwrap_or(amount);
        Input::Payment(fact(booking, attempt, &id, amount, state))
    }

    fn some_refund(&self, rng: &mut StdRng) -> Option<(BookingId, Input)> {
        if rng.random_bool(0.25) {
            return self.some_surprise(rng);
        }
        let asked_for = |refund: &&Refund| refund.cause != RefundCause::NotAskedFor;
        let refunds: Vec<_> = self.world.refunds.values().filter(asked_for).collect();
        let refund = *refunds.get(rng.random_range(0..refunds.len().max(1)))?;
        let state = [
            RefundState::Pending,
            RefundState::Succeeded,
            RefundState::Succeeded,
            RefundState::Failed,
        ][rng.random_range(0..4)];
        let told = RefundAnswer::Told {
            fact: self.refund_fact(refund, state),
        };
        let why = || "lost".to_owned();
        let answer = match rng.random_range(0..6) {
            0 => return Some((refund.booking, Input::RefundTaken { refund: refund.id })),
            1 if refund.standing != RefundStanding::Requested => {
                return Some((
                    refund.booking,
                    Input::Refund(self.refund_fact(refund, state)),
                ));
            }
            2 => RefundAnswer::Unknown { why: why() },
            3 => RefundAnswer::RetryLater {
                after_ms: Some(10),
                why: why(),
            },
            4 if rng.random_bool(0.5) => RefundAnswer::NothingAlive,
            4 => RefundAnswer::Declined { why: why() },
            _ => told,
        };
        if refund.standing == RefundStanding::Requested {
            return Some((refund.booking, Input::RefundTaken { refund: refund.id }));
        }
        let generation = refund.generation;
        Some((
            refund.booking,
            Input::RefundAnswered {
                refund: refund.id,
                generation,
                attempt: rng.random_range(1..12),
                answer,
            },
        ))
    }

    /// What others do at the gateway without us: refunds on its dashboard, disputes. And what operators do.
    fn some_surprise(&self, rng: &mut StdRng) -> Option<(BookingId, Input)> {
        let payments: Vec<_> = self.world.payments.values().collect();
        let payment = *payments.get(rng.random_range(0..payments.len().max(1)))?;
        let whole = payment.captured.unwrap_or(payment.expected);
        let amount = Money::new(
            [whole.minor, whole.minor / 2, 1][rng.random_range(0..3)],
            whole.currency,
        );
        let gateway_payment_id = payment.gateway_payment_id.clone()?;
        let reference = Reference::Absent;
        let input = match rng.random_range(0..4) {
            0 | 1 => Input::Dispute(DisputeFact {
                account: stripe(),
                gateway_dispute_id: format!("dp_{gateway_payment_id}"),
                gateway_payment_id,
                reference,
                standing: [
                    DisputeStanding::Opened,
                    DisputeStanding::Won,
                    DisputeStanding::Lost,
                ][rng.random_range(0..3)],
                amount: whole,
                live: false,
                reason: None,
            }),
            2 => Input::Refund(RefundFact {
                account: stripe(),
                gateway_refund_id: format!("re_{gateway_payment_id}_{}", amount.minor),
                gateway_payment_id,
                reference,
                refund: None,
                generation: None,
                state: [
                    RefundState::Pending,
                    RefundState::Succeeded,
                    RefundState::Failed,
                ][rng.random_range(0..3)],
                amount,
                live: false,
                reason: None,
            }),
            _ => {
                let refunds: Vec<_> = self.world.refunds.values().collect();
                let row = *refunds.get(rng.random_range(0..refunds.len().max(1)))?;
                let refund = row.id;
                let input = match rng.random_range(0..4) {
                    0 => Input::RefundRetried { refund },
                    1 => Input::RefundOtherWay {
                        refund,
                        means: "bank transfer".to_owned(),
                    },
                    2 => Input::RefundSettledElsewhere {
                        refund,
                        proof: "receipt 7".to_owned(),
                    },
                    _ => Input::Swept,
                };
                return Some((row.booking, input));
            }
        };
        Some((payment.booking, input))
    }

    /// The answer to a task that is there.
    fn some_task(&self, rng: &mut StdRng) -> Option<(BookingId, Input)> {
        let tasks: Vec<_> = self.tasks.values().collect();
        let task = *tasks.get(rng.random_range(0..tasks.len().max(1)))?;
        let booking = task.booking?;
        let payment = PaymentId::from(task.key.subject);
        let generation = task.key.generation;
        let why = || "no answer".to_owned();
        let input = match task.key.kind {
            TaskKind::HoldTimer => Input::HoldTimer,
            TaskKind::Verify => Input::VerifyAnswered {
                payment,
                generation,
                answer: match rng.random_range(0..3) {
                    0 => CallAnswer::Unknown { why: why() },
                    1 => CallAnswer::Answered { state: None },
                    _ => CallAnswer::Answered {
                        state: Some(PaymentState::Captured),
                    },
                },
            },
            TaskKind::Void => {
                let row = &self.world.payments[&payment];
                let id = row
                    .gateway_payment_id
                    .clone()
                    .unwrap_or_else(|| format!("pi_{payment}"));
                let paid = fact(
                    booking,
                    Some(payment),
                    &id,
                    row.expected,
                    PaymentState::Captured,
                );
                let answer = match rng.random_range(0..4) {
                    0 => VoidAnswer::NothingTaken,
                    1 => VoidAnswer::AlreadyPaid { fact: paid },
                    2 => VoidAnswer::NotPossible { why: why() },
                    _ => VoidAnswer::Unknown { why: why() },
                };
                Input::VoidAnswered {
                    payment,
                    generation,
                    attempt: rng.random_range(1..10),
                    answer,
                }
            }
            TaskKind::Capture => {
                let row = &self.world.payments[&payment];
                let id = row.gateway_payment_id.clone().unwrap_or_default();
                let answer = match rng.random_range(0..5) {
                    0 => CaptureAnswer::Declined { why: why() },
                    1 => CaptureAnswer::Unknown { why: why() },
                    2 => CaptureAnswer::RetryLater {
                        after_ms: None,
                        why: why(),
                    },
                    _ => CaptureAnswer::Taken {
                        fact: fact(
                            booking,
                            Some(payment),
                            &id,
                            row.expected,
                            PaymentState::Captured,
                        ),
                    },
                };
                Input::CaptureAnswered {
                    payment,
                    attempt: rng.random_range(1..10),
                    answer,
                }
            }
            TaskKind::Trace
            | TaskKind::Refund
            | TaskKind::MassRefund
            | TaskKind::Mail
            | TaskKind::CancelShow
            | TaskKind::CancelBooking
            | TaskKind::Sms
            | TaskKind::Push => return None,
        };
        Some((booking, input))
    }

    /// What hardly ever happens: news twice, late answers, another gateway, another's money.
    fn an_oddity(&mut self, booking: BookingId, rng: &mut StdRng) -> (BookingId, Input) {
        let payments: Vec<_> = self.world.payments.keys().copied().collect();
        let some = payments.get(rng.random_range(0..payments.len().max(1)));
        let Some(row) = some.and_then(|id| self.world.payments.get(id)) else {
            return (BookingId::pack(9, self.show, 999_999), Input::HoldTimer);
        };
        let (payment, of) = (row.id, row.booking);
        let id = row
            .gateway_payment_id
            .clone()
            .unwrap_or_else(|| format!("pi_{payment}"));
        let why = || "no answer".to_owned();
        match rng.random_range(0..10) {
            // A gateway gives an id once; ours are told to it before.
            9 if row.gateway_payment_id.is_some() => {
                let fact = fact(booking, None, &id, row.expected, PaymentState::Captured);
                (booking, Input::Payment(fact))
            }
            0 => {
                let input = Input::OpenAttempt {
                    payment,
                    account: stripe(),
                    terms: Terms::usual(inr()),
                    capture: CaptureMode::Automatic,
                };
                (of, input)
            }
            1 => (of, Input::AttemptDeclined { payment }),
            2 => {
                let input = Input::AttemptCreated {
                    payment,
                    gateway_payment_id: id,
                };
                (of, input)
            }
            3 => {
                let amount = self.world.bookings[&booking].amount;
                let id = format!("pay_{booking}");
                let before = self
                    .world
                    .payments
                    .values()
                    .find(|row| row.gateway_payment_id.as_ref() == Some(&id));
                let amount = before.and_then(|row| row.captured).unwrap_or(amount);
                let mut fact = fact(booking, None, &id, amount, PaymentState::Captured);
                fact.account = GatewayAccount::new("razorpay", "default");
                (booking, Input::Payment(fact))
            }
            4 => {
                let whole = row.captured.unwrap_or(row.expected);
                let amount = Money::new(whole.minor + 7, whole.currency);
                let fact = fact(of, Some(payment), &id, amount, PaymentState::Captured);
                (of, Input::Payment(fact))
            }
            5 => {
                let answer = VoidAnswer::NothingTaken;
                let input = Input::VoidAnswered {
                    payment,
                    generation: 1,
                    attempt: 1,
                    answer,
                };
                (of, input)
            }
            6 => {
                let answer = CaptureAnswer::Unknown { why: why() };
                let input = Input::CaptureAnswered {
                    payment,
                    attempt: rng.random_range(1..10),
                    answer,
                };
                (of, input)
            }
            7 => {
                let fact = DisputeFact {
                    account: stripe(),
                    gateway_dispute_id: "dp_9".to_owned(),
                    gateway_payment_id: "pi_of_nobody".to_owned(),
                    reference: Reference::Absent,
                    standing: DisputeStanding::Opened,
                    amount: row.expected,
                    live: false,
                    reason: None,
                };
                (of, Input::Dispute(fact))
            }
            _ => {
                let ours = |refund: &&Refund| refund.gateway_should_act();
                match self.world.refunds.values().find(ours) {
                    Some(refund) => {
                        let mut fact = self.refund_fact(refund, RefundState::Succeeded);
                        fact.gateway_refund_id.push_str("_less");
                        fact.amount.minor -= 1;
                        (refund.booking, Input::Refund(fact))
                    }
                    None => (booking, Input::HoldTimer),
                }
            }
        }
    }
}

//! Money is told of: the heart of the saga. Captured money gets its verdict here, once.

use time::Duration;

use crate::attention::{Attention, AttentionKind};
use crate::booking::BookingState;
use crate::event::{EventBody, Return};
use crate::fact::{PaymentFact, PaymentState, Reference};
use crate::identity::{BookingId, PaymentId, RefundId, SeatName};
use crate::input::{Outcome, Refusal};
use crate::money::Money;
use crate::payment::{CaptureMode, Payment, PaymentStanding, Verdict};
use crate::refund::{Refund, RefundCause, RefundStanding};
use crate::seat::{SeatKey, SeatState};
use crate::steps::{capture, foreign_refund, hold_over, refund, verify, void};
use crate::task::TaskKind;
use crate::world::World;

/// A gateway tells how a payment of `booking` stands.
pub fn told(world: &mut World, booking: BookingId, fact: &PaymentFact) -> Outcome {
    if let Some(owner) = world
        .payment_at_gateway(&fact.account, &fact.gateway_payment_id)
        .and_then(|id| world.payments.get(&id))
        .map(|row| row.booking)
        .filter(|owner| *owner != booking)
    {
        return of_another(world, booking, owner, fact);
    }
    let known = world.payments.len();
    let payment = recognise(world, booking, fact);
    if world.payments.len() > known
        && !matches!(fact.state, PaymentState::Captured | PaymentState::Cancelled)
    {
        look_after(world, booking, payment);
    }
    let Some(standing) = world.payments.get(&payment).map(|row| row.standing) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    match fact.state {
        PaymentState::Captured if standing == PaymentStanding::Captured => {
            told_again(world, payment, fact)
        }
        PaymentState::Captured => captured(world, booking, payment, fact),
        // Older news than what we know, or a contradiction that a captured fact always wins.
        PaymentState::Failed | PaymentState::Cancelled if standing == PaymentStanding::Captured => {
            // Another try of what was opened says nothing against the one that paid it.
            let row = world.payments.get(&payment);
            let of_this_one = row.is_some_and(|row| {
                row.gateway_payment_id.as_ref() == Some(&fact.gateway_payment_id)
            });
            if of_this_one || fact.opened_as.is_none() {
                verify::doubt(world, payment);
            }
            Outcome::AlreadyKnown
        }
        _ if standing == PaymentStanding::Captured => Outcome::AlreadyKnown,
        PaymentState::Failed => declined(world, booking, payment, fact),
        PaymentState::Cancelled if standing == PaymentStanding::Closed => Outcome::AlreadyKnown,
        PaymentState::Cancelled => {
            close(world, booking, payment);
            Outcome::Done
        }
        PaymentState::Authorised => capture::authorised(world, booking, payment, fact),
        PaymentState::Open | PaymentState::Processing => Outcome::AlreadyKnown,
    }
}

/// The gateway's payment is another booking's, though its reference names this one: somebody has changed it there.
fn of_another(
    world: &mut World,
    booking: BookingId,
    owner: BookingId,
    fact: &PaymentFact,
) -> Outcome {
    world.call_person(Attention {
        kind: AttentionKind::Contradiction,
        subject: uuid::Uuid::new_v5(&booking.uuid(), fact.gateway_payment_id.as_bytes()),
        booking: Some(booking),
        payment: None,
        amount: Some(fact.amount),
        reason: format!(
            "the gateway tells of its payment {} for this booking, and it is booking {owner}'s; \
             compare with its dashboard, nothing was changed",
            fact.gateway_payment_id
        ),
        at: world.now,
    });
    Outcome::NeedsPerson
}

/// Finds the payment that a fact is about: by the gateway's id, by that of what it was opened as, or by our attempt's.
///
/// What was opened may come to several payments at the gateway. The first of them that bears money is our attempt's, and
/// gives it its own id; any other is a payment of its own from then on. One that failed is the attempt's in any case, and
/// so is the news that what was opened is paid, where the gateway does not say by which payment.
pub fn find(world: &World, booking: BookingId, fact: &PaymentFact) -> Option<PaymentId> {
    let ids = [Some(&fact.gateway_payment_id), fact.opened_as.as_ref()];
    let known = |id: &String| world.payment_at_gateway(&fact.account, id);
    if let Some(known) = ids.into_iter().flatten().find_map(known) {
        return Some(known);
    }
    let Reference::Booking {
        payment: Some(attempt),
        ..
    } = &fact.reference
    else {
        return None;
    };
    world
        .payments
        .get(attempt)
        .filter(|row| {
            let of_the_attempt = fact.opened_as.as_ref().is_some_and(|opened_as| {
                !fact.bears_money() || *opened_as == fact.gateway_payment_id
            });
            row.booking == booking
                && row.account == fact.account
                && (row.gateway_payment_id.is_none() || of_the_attempt)
        })
        .map(|row| row.id)
}

/// The gateway's id that a payment of ours bears after this fact, if it is to change.
fn new_name(row: &Payment, fact: &PaymentFact) -> Option<String> {
    let theirs = &fact.gateway_payment_id;
    let Some(opened_as) = &fact.opened_as else {
        return row.gateway_payment_id.is_none().then(|| theirs.clone());
    };
    // Where the gateway takes money by itself, a reservation may still lapse and another try of the same order pay.
    let settled = fact.state == PaymentState::Captured
        || fact.state == PaymentState::Authorised && row.capture == CaptureMode::AfterSeats;
    match &row.gateway_payment_id {
        Some(name) if name != opened_as => None,
        _ if settled => Some(theirs.clone()),
        Some(_) => None,
        None => Some(opened_as.clone()),
    }
}

/// The payment that a fact is about, with its gateway's id; or else it is one that we never opened, and that is
/// written down now.
fn recognise(world: &mut World, booking: BookingId, fact: &PaymentFact) -> PaymentId {
    if let Some(id) = find(world, booking, fact) {
        let name = world.payments.get(&id).and_then(|row| new_name(row, fact));
        if let (Some(name), Some(row)) = (name, world.payment_mut(id)) {
            row.gateway_payment_id = Some(name);
        }
        return id;
    }
    let id = PaymentId::of_unseen(booking, &fact.account, &fact.gateway_payment_id);
    world.add_payment(Payment {
        id,
        booking,
        account: fact.account.clone(),
        gateway_payment_id: Some(fact.gateway_payment_id.clone()),
        capture: CaptureMode::Automatic,
        standing: PaymentStanding::Open,
        expected: fact.amount,
        captured: None,
        verdict: None,
        retained: 0,
        disputes: Vec::new(),
        opened_at: world.now,
        decided_at: None,
    });
    id
}

/// An attempt that we never opened and that may still be paid is looked after like one that we did: it must
/// not stay undecided because nobody asks.
fn look_after(world: &mut World, booking: BookingId, payment: PaymentId) {
    if world
        .bookings
        .get(&booking)
        .is_some_and(|row| row.state == BookingState::Held)
    {
        verify::request(world, payment, 1, Duration::seconds(verify::SOON_S));
    } else {
        void::request_all(world, booking);
    }
    // The customer now sees a payment on its way.
    let _ = world.booking_mut(booking);
}

/// A redelivery, under whatever event id. Only a different amount is worth a person's look.
fn told_again(world: &mut World, payment: PaymentId, fact: &PaymentFact) -> Outcome {
    let Some(row) = world.payments.get(&payment) else {
        return Outcome::AlreadyKnown;
    };
    match row.captured {
        Some(captured) if captured != fact.amount => {
            let item = Attention {
                kind: AttentionKind::Contradiction,
                subject: payment.uuid(),
                booking: Some(row.booking),
                payment: Some(payment),
                amount: Some(fact.amount),
                reason: format!(
                    "the gateway first told of {captured} captured and now of {}; compare with its dashboard",
                    fact.amount
                ),
                at: world.now,
            };
            world.call_person(item);
            Outcome::NeedsPerson
        }
        _ => Outcome::AlreadyKnown,
    }
}

/// Captured money: decide where it belongs, and say so.
fn captured(
    world: &mut World,
    booking: BookingId,
    payment: PaymentId,
    fact: &PaymentFact,
) -> Outcome {
    let Some(row) = world.bookings.get(&booking) else {
        return Outcome::Refused(Refusal::NoSuchBooking);
    };
    let late = world.now >= row.expires_at || row.state != BookingState::Held;
    let lapsed = row.state.lapsed();
    let (verdict, seats_lost) = judge(world, booking, fact.amount);
    let now = world.now;
    if let Some(row) = world.payment_mut(payment) {
        row.standing = PaymentStanding::Captured;
        row.captured = Some(fact.amount);
        row.verdict = Some(verdict);
        row.decided_at = Some(now);
    }
    foreign_refund::payment_is_known(world, payment);
    verify::withdraw(world, payment);
    world.remove_task(TaskKind::Void, payment.uuid(), 1);
    world.remove_task(TaskKind::Capture, payment.uuid(), 1);
    world.dismiss_person(&[AttentionKind::PaymentUnknown], payment.uuid());
    world.emit(
        booking,
        EventBody::PaymentCompleted {
            payment_id: payment,
            gateway: fact.account.gateway.clone(),
            gateway_payment_id: fact.gateway_payment_id.clone(),
            amount: fact.amount,
            late,
        },
    );
    let back = verdict
        .returns()
        .map(|cause| give_back(world, booking, payment, fact.amount, cause));
    match back {
        None => confirm(world, booking, payment, fact.amount, lapsed),
        Some(money) if verdict == Verdict::SeatsLost => {
            seats_are_lost(world, booking);
            let seats_lost = seats_lost.clone();
            world.emit(
                booking,
                EventBody::BookingFailedInitiateRefund { money, seats_lost },
            );
        }
        Some(money) => world.emit(booking, EventBody::PaymentRejectedInitiateRefund { money }),
    }
    // A bank that took it back before we heard of it has returned it already.
    refund::cover_loss(world, payment);
    Outcome::Decided {
        verdict,
        seats_lost,
    }
}

/// A booking has lost at least one of its seats: what it still holds is free again.
pub fn seats_are_lost(world: &mut World, booking: BookingId) {
    if world
        .bookings
        .get(&booking)
        .is_some_and(|row| row.state == BookingState::Held)
    {
        hold_over::lapse(world, booking, BookingState::SeatsLost);
    } else if let Some(row) = world.booking_mut(booking) {
        row.state = BookingState::SeatsLost;
    }
}

/// The decision itself. No clock is compared but in the seats: a payer who was in time is never refused
/// because a consumer was slow.
pub fn judge(world: &World, booking: BookingId, amount: Money) -> (Verdict, Vec<SeatName>) {
    let Some(row) = world.bookings.get(&booking) else {
        return (Verdict::SeatsLost, Vec::new());
    };
    match row.state {
        BookingState::Confirmed => return (Verdict::SecondPayment, Vec::new()),
        // Even if its seats are free: who has cancelled is not sold to again.
        BookingState::Cancelled => return (Verdict::Cancelled, Vec::new()),
        _ => {}
    }
    if amount.currency != row.amount.currency {
        return (Verdict::WrongCurrency, Vec::new());
    }
    if amount != row.amount {
        return (Verdict::WrongAmount, Vec::new());
    }
    let lost = world.seats_lost(row);
    if lost.is_empty() {
        (Verdict::Applied, lost)
    } else {
        (Verdict::SeatsLost, lost)
    }
}

fn confirm(
    world: &mut World,
    booking: BookingId,
    payment: PaymentId,
    amount: Money,
    reacquired: bool,
) {
    let now = world.now;
    let Some(row) = world.booking_mut(booking) else {
        return;
    };
    row.state = BookingState::Confirmed;
    row.confirmed_at = Some(now);
    let seats = row.seats.clone();
    for seat in &seats {
        let key = SeatKey {
            show: booking.show(),
            seat: seat.clone(),
        };
        world.set_seat(&key, SeatState::Booked, Some(booking), None);
    }
    world.remove_task(TaskKind::HoldTimer, booking.uuid(), 1);
    world.emit(
        booking,
        EventBody::BookingConfirmed {
            payment_id: payment,
            seats,
            amount,
            reacquired,
        },
    );
    // Another attempt that is still payable would only become a second payment.
    void::request_all(world, booking);
}

/// Reserves money of a payment for its way back. The refund is tied to the payment and to what caused it; we decide
/// on one per payment.
pub fn give_back(
    world: &mut World,
    booking: BookingId,
    payment: PaymentId,
    amount: Money,
    cause: RefundCause,
) -> Return {
    let id = RefundId::of(payment, 1);
    world.add_refund(Refund {
        id,
        payment,
        booking,
        amount,
        cause,
        standing: RefundStanding::Requested,
        generation: 1,
        gateway_refund_id: None,
        other_way: None,
        proof: None,
        requested_at: world.now,
        done_at: None,
    });
    Return {
        refund_id: id,
        payment_id: payment,
        amount,
        reason: cause,
    }
}

fn declined(
    world: &mut World,
    booking: BookingId,
    payment: PaymentId,
    fact: &PaymentFact,
) -> Outcome {
    let standing = world.payments.get(&payment).map(|row| row.standing);
    if standing != Some(PaymentStanding::Open) {
        return Outcome::AlreadyKnown;
    }
    if let Some(row) = world.payment_mut(payment) {
        row.standing = PaymentStanding::Declined;
    }
    world.emit(
        booking,
        EventBody::PaymentFailed {
            payment_id: payment,
            reason: fact.reason.clone(),
        },
    );
    Outcome::Done
}

/// Nothing was taken and the attempt is cancelled. If money comes all the same, it is late money.
pub fn close(world: &mut World, booking: BookingId, payment: PaymentId) {
    let mut reserved = None;
    if let Some(row) = world.payment_mut(payment) {
        if matches!(
            row.standing,
            PaymentStanding::Authorised | PaymentStanding::GivingUp
        ) {
            reserved = Some(row.expected);
        }
        row.standing = PaymentStanding::Closed;
    }
    verify::withdraw(world, payment);
    world.remove_task(TaskKind::Void, payment.uuid(), 1);
    world.remove_task(TaskKind::Capture, payment.uuid(), 1);
    world.dismiss_person(&[AttentionKind::PaymentUnknown], payment.uuid());
    if let Some(amount) = reserved {
        world.emit(
            booking,
            EventBody::PaymentVoided {
                payment_id: payment,
                amount,
            },
        );
    }
    // What the customer sees changes: nothing is on its way any more.
    let _ = world.booking_mut(booking);
}

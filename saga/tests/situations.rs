//! What the customer is told in each situation: the table that front ends are promised, row by row.

use crate::hall::Hall;
use boxoffice_saga::booking::CancelledBy;
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::{BookingId, RefundId};
use boxoffice_saga::input::{Input, Outcome, RefundAnswer, Refusal, VoidAnswer};
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::status::{self, Phase, Status};
use time::Duration;

const PRICE: i64 = 1_000;

/// Status, settled, may pay, phase.
type Row = (Status, bool, bool, Phase);

fn told(hall: &Hall, booking: BookingId) -> Row {
    let document = hall.status(booking);
    assert_eq!(
        document.poll.phase == Phase::Stop,
        document.poll.after_ms == 0
    );
    (
        document.status,
        document.settled,
        document.pay_again,
        document.poll.phase,
    )
}

const HELD: Row = (Status::Held, true, true, Phase::Stop);
const PENDING_QUICK: Row = (Status::PaymentPending, false, false, Phase::Quick);
const PENDING_BACKOFF: Row = (Status::PaymentPending, false, false, Phase::Backoff);
const PENDING_STOP: Row = (Status::PaymentPending, false, false, Phase::Stop);
const CONFIRMED: Row = (Status::Confirmed, true, false, Phase::Stop);
const CONFIRMED_RETURNING: Row = (Status::Confirmed, false, false, Phase::Stop);
const EXPIRED: Row = (Status::Expired, true, false, Phase::Stop);
const RELEASED: Row = (Status::Released, true, false, Phase::Stop);
const REFUND_PENDING: Row = (Status::RefundPending, false, false, Phase::Stop);
const CANCELLED: Row = (Status::Cancelled, true, false, Phase::Stop);
const REFUNDED: Row = (Status::Refunded, true, false, Phase::Stop);

#[test]
fn from_the_hold_to_the_ticket() {
    let mut hall = Hall::new();
    let booking = hall.hold("ann", &["A-1"]);
    assert_eq!(told(&hall, booking), HELD);
    let attempt = hall.opens_attempt(booking);
    assert_eq!(told(&hall, booking), PENDING_QUICK);
    hall.pass_seconds(9);
    assert_eq!(told(&hall, booking), PENDING_QUICK);
    hall.pass_seconds(1);
    assert_eq!(told(&hall, booking), PENDING_BACKOFF);
    assert!(hall.status(booking).message.contains("do not refresh"));
    let mut pauses = Vec::new();
    for _ in 10..30 {
        pauses.push(hall.status(booking).poll.after_ms);
        hall.pass_seconds(1);
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    // From two seconds to eight.
    let some = (pauses[0], pauses[10], pauses[19]);
    assert_eq!(some, (2_000, 5_000, 7_700));
    assert_eq!(told(&hall, booking), PENDING_STOP);
    assert!(hall.status(booking).message.contains("your money is safe"));
    hall.pays_attempt(booking, attempt, "pi_1", PRICE);
    assert_eq!(told(&hall, booking), CONFIRMED);
    assert_eq!(hall.status(booking).refund, None);

    let second = format!("pi_{booking}");
    hall.pays(booking, &second, PRICE, PaymentState::Captured);
    assert_eq!(told(&hall, booking), CONFIRMED_RETURNING);
    assert!(hall.status(booking).refund.is_some());
    refund(&mut hall, booking, RefundState::Succeeded);
    assert_eq!(told(&hall, booking), CONFIRMED);
}

#[test]
fn a_hint_starts_the_schedule_anew_but_not_at_will() {
    let mut hall = Hall::new();
    let booking = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(booking);
    let hint = || Input::Hint { payment };
    hall.pass_seconds(31);
    assert_eq!(told(&hall, booking), PENDING_STOP);
    assert_eq!(hall.happens(booking, hint()), Outcome::Done);
    assert_eq!(told(&hall, booking), PENDING_QUICK);
    assert!(hall.has_task("verify", payment.uuid()));
    hall.pass_seconds(4);
    let version = hall.status(booking).version;
    assert_eq!(
        hall.happens(booking, hint()),
        Outcome::Refused(Refusal::TooSoon { after_s: 7 })
    );
    assert_eq!(hall.status(booking).version, version);
    hall.pass_seconds(6);
    assert_eq!(told(&hall, booking), PENDING_BACKOFF);
    assert_eq!(hall.happens(booking, hint()), Outcome::Done);
    assert_eq!(told(&hall, booking), PENDING_QUICK);
    // It is a reason to ask, never a payment.
    hall.pass_seconds(4_000);
    hall.happens(booking, Input::HoldTimer);
    nothing_taken(&mut hall, booking, payment);
    assert_eq!(told(&hall, booking), EXPIRED);
    assert_eq!(hall.happens(booking, hint()), Outcome::AlreadyKnown);
    let other = hall.hold("bob", &["A-2"]);
    assert_eq!(
        hall.happens(other, hint()),
        Outcome::Refused(Refusal::NoSuchPayment)
    );
}

#[test]
fn a_declined_attempt_leaves_the_hold() {
    let mut hall = Hall::new();
    let booking = hall.hold("ann", &["A-1"]);
    hall.pays(booking, "pi_1", PRICE, PaymentState::Failed);
    assert_eq!(told(&hall, booking), HELD);
    assert!(hall.status(booking).message.contains("another card"));
}

#[test]
fn the_hold_is_over() {
    let mut hall = Hall::new();
    // Nothing known: over with the promised end, although the row lives through the grace.
    let booking = hall.hold("ann", &["A-1"]);
    hall.pass_seconds(600);
    assert_eq!(told(&hall, booking), EXPIRED);
    hall.pass_seconds(31);
    hall.happens(booking, Input::HoldTimer);
    assert_eq!(told(&hall, booking), EXPIRED);
    // Given up, and replaced by a newer one.
    let given_up = hall.hold("ann", &["A-1"]);
    hall.happens(given_up, Input::Release);
    assert_eq!(told(&hall, given_up), RELEASED);
    let replaced = hall.hold("ann", &["A-1"]);
    hall.hold("ann", &["A-2"]);
    assert_eq!(told(&hall, replaced), RELEASED);
    // With an attempt undecided it is a payment that is waited for, whatever became of the hold.
    let paying = hall.hold("bob", &["A-3"]);
    let payment = hall.opens_attempt(paying);
    hall.pass_seconds(5_000);
    assert_eq!(told(&hall, paying), PENDING_STOP);
    hall.happens(paying, Input::HoldTimer);
    assert_eq!(told(&hall, paying), PENDING_STOP);
    nothing_taken(&mut hall, paying, payment);
    assert_eq!(told(&hall, paying), EXPIRED);
    let released = hall.hold("bob", &["A-3"]);
    hall.opens_attempt(released);
    hall.happens(released, Input::Release);
    assert_eq!(told(&hall, released), PENDING_QUICK);
}

#[test]
fn the_money_goes_back() {
    let mut hall = Hall::new();
    let late = hall.hold("ann", &["A-1"]);
    hall.pass_seconds(5_000);
    let other = hall.hold("bob", &["A-1"]);
    hall.pays(late, "pi_1", PRICE, PaymentState::Captured);
    assert_eq!(told(&hall, late), REFUND_PENDING);
    let document = hall.status(late);
    assert_eq!(document.waiting_for, Some("the refund at the gateway"));
    assert!(document.refund.expect("a refund").expected_by > document.updated_at);
    // With an operator: the same, and what to tell our support.
    let refund_id = hall.refund_of(late).id;
    hall.happens(late, Input::RefundTaken { refund: refund_id });
    hall.happens(
        late,
        Input::RefundAnswered {
            refund: refund_id,
            generation: 1,
            attempt: 1,
            answer: RefundAnswer::Declined {
                why: "closed account".into(),
            },
        },
    );
    assert_eq!(told(&hall, late), REFUND_PENDING);
    let document = hall.status(late);
    assert!(document.message.contains("We are on it"));
    assert_eq!(document.refund.expect("a refund").reference, refund_id);
    refund(&mut hall, late, RefundState::Succeeded);
    assert_eq!(told(&hall, late), REFUNDED);
    assert_eq!(told(&hall, other), HELD);
    // A wrong amount goes back and leaves the hold; after the hold, it is a refund like any other.
    hall.pays(other, "pi_2", PRICE - 1, PaymentState::Captured);
    assert_eq!(told(&hall, other), (Status::Held, false, true, Phase::Stop));
    hall.pass_seconds(600);
    assert_eq!(told(&hall, other), REFUND_PENDING);
    refund(&mut hall, other, RefundState::Succeeded);
    assert_eq!(told(&hall, other), REFUNDED);
}

#[test]
fn the_booking_is_cancelled() {
    let mut hall = Hall::new();
    let cancel = |by| Input::Cancel { by };
    // Nothing was paid.
    let held = hall.hold("ann", &["A-1"]);
    hall.happens(held, cancel(CancelledBy::Customer));
    assert_eq!(told(&hall, held), CANCELLED);
    // Paid: the money goes back first.
    let paid = hall.hold("ann", &["A-1"]);
    hall.pays(paid, "pi_1", PRICE, PaymentState::Captured);
    assert_eq!(told(&hall, paid), CONFIRMED);
    hall.happens(paid, cancel(CancelledBy::Operator));
    assert_eq!(told(&hall, paid), REFUND_PENDING);
    assert!(hall.status(paid).refund.is_some());
    refund(&mut hall, paid, RefundState::Succeeded);
    assert_eq!(told(&hall, paid), CANCELLED);
    // While paying: undecided until the gateway says what became of the attempt.
    let paying = hall.hold("bob", &["A-2"]);
    let payment = hall.opens_attempt(paying);
    hall.happens(paying, cancel(CancelledBy::Show));
    assert_eq!(told(&hall, paying), PENDING_QUICK);
    nothing_taken(&mut hall, paying, payment);
    assert_eq!(told(&hall, paying), CANCELLED);
    hall.pays(paying, "pi_2", PRICE, PaymentState::Captured);
    assert_eq!(told(&hall, paying), REFUND_PENDING);
}

/// The sentence for the person who waits, and what is waited for.
#[test]
fn in_words() {
    let words = |hall: &Hall, booking| {
        let document = hall.status(booking);
        (document.message, document.waiting_for)
    };
    let gateway = Some("the refund at the gateway");
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    assert_eq!(words(&hall, ann), ("Your seats are held for you.", None));
    hall.opens_attempt(ann);
    let (first, bank) = words(&hall, ann);
    assert_eq!(first, "We are confirming your payment with the bank.");
    assert_eq!(bank, Some("the bank's confirmation"));

    let bob = hall.hold("bob", &["A-2"]);
    hall.pays(bob, "pi_short", PRICE - 1, PaymentState::Captured);
    let held = "Your seats are held. A payment that did not match is on its way back to you.";
    assert_eq!(words(&hall, bob), (held, gateway));
    hall.pays(bob, "pi_bob", PRICE, PaymentState::Captured);
    let confirmed = "Your booking is confirmed. A further payment is on its way back to you.";
    assert_eq!(words(&hall, bob), (confirmed, gateway));
    refund(&mut hall, bob, RefundState::Succeeded);
    let confirmed = "Your booking is confirmed. Enjoy the show!";
    assert_eq!(words(&hall, bob), (confirmed, None));

    let by = CancelledBy::Operator;
    hall.happens(bob, Input::Cancel { by });
    let back = "Your booking is cancelled. Your money is on its way back.";
    assert_eq!(words(&hall, bob), (back, gateway));
    let mut refunds = hall.refunds_of(bob).into_iter();
    let open = refunds.find(|refund| refund.standing.open());
    let open = open.expect("its refund");
    hall.happens(bob, Input::RefundTaken { refund: open.id });
    let fact = hall.refund_fact(&open, RefundState::Succeeded);
    hall.happens(bob, Input::Refund(fact));
    let back = "Your booking is cancelled, and your money has been returned.";
    assert_eq!(words(&hall, bob), (back, None));
    let cy = hall.hold("cy", &["A-2"]);
    hall.happens(cy, Input::Cancel { by });
    let nothing = "Your booking is cancelled. Nothing was paid.";
    assert_eq!(words(&hall, cy), (nothing, None));

    let di = hall.hold("di", &["A-3"]);
    hall.pass_seconds(5_000);
    hall.happens(di, Input::HoldTimer);
    let over = "The hold has ended and nothing was paid. Please book again.";
    assert_eq!(words(&hall, di), (over, None));
    hall.pays(di, "pi_less", PRICE - 1, PaymentState::Captured);
    let back = "You have no seats from this booking, and your money is on its way back.";
    assert_eq!(words(&hall, di), (back, gateway));
    refund(&mut hall, di, RefundState::Succeeded);
    assert_eq!(words(&hall, di), ("Your money has been returned.", None));
    let ed = hall.hold("ed", &["A-3"]);
    hall.pass_seconds(5_000);
    hall.hold("fay", &["A-3"]);
    hall.pays(ed, "pi_ed", PRICE, PaymentState::Captured);
    let lost =
        "Your seats were no longer free when the payment came. Your money is on its way back.";
    assert_eq!(words(&hall, ed), (lost, gateway));
    let given_up = hall.hold("gus", &["A-2"]);
    hall.happens(given_up, Input::Release);
    let released = "The hold was given up and nothing was paid.";
    assert_eq!(words(&hall, given_up), (released, None));
}

/// Of several refunds the customer is shown one that is open; else one that was made; else the latest.
#[test]
fn the_refund_that_matters_is_shown() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", PRICE - 1, PaymentState::Captured);
    let first = hall.refund_of(ann);
    let row = |nth: u32, standing: RefundStanding| {
        let mut row = first.clone();
        row.id = RefundId::of(row.payment, nth);
        row.standing = standing;
        row.requested_at += Duration::seconds(i64::from(nth));
        row
    };
    use RefundStanding::{Done, Pending, WithOperator, Withdrawn};
    for (rows, shown) in [
        (vec![row(1, Done), row(2, Done)], 2),
        (vec![row(2, Done), row(1, Done)], 2),
        (vec![row(1, Pending), row(2, Done)], 1),
        (vec![row(1, WithOperator), row(2, Withdrawn)], 1),
        (vec![row(1, Done), row(2, Withdrawn)], 1),
        (vec![row(1, Withdrawn), row(2, Withdrawn)], 2),
    ] {
        let booking = hall.find(ann).expect("a booking");
        let refunds: Vec<_> = rows.iter().collect();
        let document = status::document(booking, &[], &refunds, booking.held_at);
        let expected = RefundId::of(first.payment, shown);
        let found = document.refund.expect("a refund");
        assert_eq!(found.reference, expected, "{rows:?}");
        let since = rows.iter().find(|row| row.id == expected);
        let by = since.map(|row| row.requested_at + Duration::days(10));
        assert_eq!(Some(found.expected_by), by);
    }
}

fn refund(hall: &mut Hall, booking: BookingId, state: RefundState) {
    let refund = hall.refund_of(booking);
    hall.happens(booking, Input::RefundTaken { refund: refund.id });
    let fact = hall.refund_fact(&refund, state);
    hall.happens(booking, Input::Refund(fact));
}

fn nothing_taken(
    hall: &mut Hall,
    booking: BookingId,
    payment: boxoffice_saga::identity::PaymentId,
) {
    hall.happens(
        booking,
        Input::VoidAnswered {
            payment,
            generation: 1,
            attempt: 1,
            answer: VoidAnswer::NothingTaken,
        },
    );
}

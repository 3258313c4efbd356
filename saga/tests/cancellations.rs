//! Cancelling a booking, moment by moment. That every promise holds whatever else happens is shown by the
//! random histories.

use crate::hall::Hall;
use boxoffice_saga::booking::{BookingState, CancelledBy};
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{Input, Outcome, Refusal, VoidAnswer};
use boxoffice_saga::payment::Verdict;
use boxoffice_saga::refund::RefundCause;
use boxoffice_saga::status::Status;

fn cancels(hall: &mut Hall, booking: BookingId, by: CancelledBy) -> Outcome {
    hall.happens(booking, Input::Cancel { by })
}

/// Status, settled, pay_again.
fn told(hall: &Hall, booking: BookingId) -> (Status, bool, bool) {
    let status = hall.status(booking);
    (status.status, status.settled, status.pay_again)
}

fn holds(hall: &Hall) {
    assert_eq!(hall.books().violations(), []);
}

#[test]
fn a_hold_that_is_cancelled_frees_its_seats_and_owes_nothing() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1", "A-2"]);
    assert_eq!(
        cancels(&mut hall, ann, CancelledBy::Customer),
        Outcome::Done
    );
    assert_eq!(told(&hall, ann), (Status::Cancelled, true, false));
    assert_eq!(hall.owner("A-1"), None);
    assert!(!hall.has_task("hold_timer", ann.uuid()));
    assert_eq!(hall.events_of(ann), ["HoldPlaced", "BookingCancelled"]);
    assert_eq!(
        cancels(&mut hall, ann, CancelledBy::Operator),
        Outcome::AlreadyKnown
    );
    assert_eq!(
        hall.happens(ann, Input::Release),
        Outcome::Refused(Refusal::HoldOver)
    );
    assert_eq!(hall.try_hold("bob", &["A-1"]), Outcome::Done);
    holds(&hall);
}

#[test]
fn a_paid_booking_that_is_cancelled_goes_back_whole_and_once() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1", "A-2"]);
    hall.pays(ann, "pi_1", 2_000, PaymentState::Captured);
    cancels(&mut hall, ann, CancelledBy::Operator);
    assert_eq!(told(&hall, ann), (Status::RefundPending, false, false));
    assert_eq!(hall.owner("A-1"), None, "its seats are for sale again");
    holds(&hall);
    let refund = hall.refund_of(ann);
    assert_eq!(
        (refund.amount.minor, refund.cause),
        (2_000, RefundCause::Cancelled)
    );
    cancels(&mut hall, ann, CancelledBy::Customer);
    hall.happens(ann, Input::RefundTaken { refund: refund.id });
    let back = hall.refund_fact(&refund, RefundState::Succeeded);
    hall.happens(ann, Input::Refund(back));
    assert_eq!(told(&hall, ann), (Status::Cancelled, true, false));
    assert_eq!(
        hall.events_of(ann),
        [
            "HoldPlaced",
            "PaymentCompleted",
            "BookingConfirmed",
            "BookingCancelled",
            "RefundInitiated",
            "RefundCompleted"
        ]
    );
    holds(&hall);
}

#[test]
fn money_on_its_way_to_a_cancelled_booking_comes_back_even_if_the_seats_are_free() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    cancels(&mut hall, ann, CancelledBy::Customer);
    assert_eq!(told(&hall, ann), (Status::PaymentPending, false, false));
    assert!(hall.has_task("void", payment.uuid()));
    let outcome = hall.pays_attempt(ann, payment, "pi_1", 1_000);
    assert_eq!(
        outcome,
        Outcome::Decided {
            verdict: Verdict::Cancelled,
            seats_lost: vec![]
        }
    );
    assert_eq!(hall.state(ann), BookingState::Cancelled);
    assert_eq!(hall.owner("A-1"), None);
    assert_eq!(told(&hall, ann), (Status::RefundPending, false, false));
    assert_eq!(
        hall.events_of(ann),
        [
            "HoldPlaced",
            "BookingCancelled",
            "PaymentCompleted",
            "PaymentRejected_InitiateRefund"
        ]
    );
    holds(&hall);
}

#[test]
fn an_attempt_that_is_cancelled_in_time_leaves_nothing_to_wait_for() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    cancels(&mut hall, ann, CancelledBy::Customer);
    let answer = VoidAnswer::NothingTaken;
    hall.happens(
        ann,
        Input::VoidAnswered {
            payment,
            generation: 1,
            attempt: 1,
            answer,
        },
    );
    assert_eq!(told(&hall, ann), (Status::Cancelled, true, false));
    holds(&hall);
}

#[test]
fn a_second_payment_under_way_does_not_go_back_twice_when_the_booking_is_cancelled() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 1_000, PaymentState::Captured);
    hall.pays(ann, "pi_2", 1_000, PaymentState::Captured);
    cancels(&mut hall, ann, CancelledBy::Customer);
    let back: Vec<_> = hall.books().refunds;
    assert_eq!(back.len(), 2, "one refund for each payment");
    assert_ne!(back[0].payment, back[1].payment);
    holds(&hall);
}

#[test]
fn what_has_lapsed_has_nothing_to_cancel() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.happens(ann, Input::Release);
    for by in [
        CancelledBy::Customer,
        CancelledBy::Operator,
        CancelledBy::Show,
    ] {
        assert_eq!(
            cancels(&mut hall, ann, by),
            Outcome::Refused(Refusal::HoldOver)
        );
    }
}

#[test]
fn a_cancelled_show_keeps_its_seats_and_returns_all_its_money() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let bob = hall.hold("bob", &["A-2"]);
    hall.pays(ann, "pi_ann", 1_000, PaymentState::Captured);
    hall.cancel_show();
    holds(&hall);
    // Bob's money is faster than his booking's turn.
    let outcome = hall.pays(bob, "pi_bob", 1_000, PaymentState::Captured);
    assert!(matches!(
        outcome,
        Outcome::Decided {
            verdict: Verdict::SeatsLost,
            ..
        }
    ));
    assert_eq!(cancels(&mut hall, ann, CancelledBy::Show), Outcome::Done);
    assert_eq!(
        cancels(&mut hall, bob, CancelledBy::Show),
        Outcome::Refused(Refusal::HoldOver)
    );
    for booking in [ann, bob] {
        assert_eq!(told(&hall, booking), (Status::RefundPending, false, false));
    }
    // In a lane of their own, those of the show keep nobody else's waiting.
    for (booking, lane) in [(ann, "mass_refund"), (bob, "refund")] {
        let refund = hall.refund_of(booking).id;
        hall.happens(booking, Input::RefundTaken { refund });
        for other in ["mass_refund", "refund"] {
            assert_eq!(hall.has_task(other, refund.uuid()), other == lane);
        }
    }
    assert_eq!(hall.owner("A-1"), Some(ann), "the seat says whose it was");
    assert!(matches!(
        hall.try_hold("cy", &["A-1", "A-3"]),
        Outcome::Refused(Refusal::SeatsTaken { .. })
    ));
    holds(&hall);
}

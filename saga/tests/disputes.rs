//! The customer's bank takes a payment back, or does not: what people are told of it.

use crate::hall::Hall;
use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::payment::DisputeStanding::{Lost, Opened, Won};
use boxoffice_saga::table::Cell;

#[test]
fn a_lost_dispute_is_a_loss_only_beyond_what_was_still_ours() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 1_000, PaymentState::Captured);
    let lost = Hall::dispute(("dp_1", "pi_1"), 1_000, Lost);
    assert_eq!(hall.cell(ann, &lost), Cell::DisputeLost);
    hall.happens(ann, lost);
    let told = hall.reason(AttentionKind::DisputeLost);
    assert!(!told.contains("that is a loss"), "{told}");
    assert!(told.contains("(dispute dp_1)"), "{told}");
    assert_eq!(hall.state(ann), BookingState::Confirmed);

    let mut hall = Hall::new();
    let bob = hall.hold("bob", &["A-1"]);
    hall.pays(bob, "pi_1", 999, PaymentState::Captured);
    let refund = hall.refund_of(bob);
    let back = hall.refund_fact(&refund, RefundState::Succeeded);
    hall.happens(bob, Input::Refund(back));
    let lost = Hall::dispute(("dp_1", "pi_1"), 1, Lost);
    assert_eq!(hall.cell(bob, &lost), Cell::DisputeLostBeyond);
    hall.happens(bob, lost);
    let told = hall.reason(AttentionKind::DisputeLost);
    assert!(told.contains("that is a loss"), "{told}");
    assert_eq!(hall.books().violations(), []);
}

/// Each is answered by itself, and leaves the list by itself.
#[test]
fn two_disputes_about_one_payment_are_two() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 1_000, PaymentState::Captured);
    let (first, second) = (("dp_1", "pi_1"), ("dp_2", "pi_1"));
    let mut told = |which, standing| {
        let outcome = hall.disputed(ann, which, 500, standing);
        (outcome, hall.attention())
    };
    use Outcome::{AlreadyKnown, Done, NeedsPerson};
    let (opened, lost) = ("dispute_opened", "dispute_lost");
    assert_eq!(told(first, Opened), (NeedsPerson, vec![opened]));
    assert_eq!(told(second, Opened), (NeedsPerson, vec![opened, opened]));
    assert_eq!(told(first, Opened), (AlreadyKnown, vec![opened, opened]));
    assert_eq!(told(first, Won), (Done, vec![opened]));
    assert_eq!(told(first, Won), (AlreadyKnown, vec![opened]));
    assert_eq!(told(second, Lost), (NeedsPerson, vec![lost]));
    // That it was opened is older news; a further instance is not.
    assert_eq!(told(second, Opened), (AlreadyKnown, vec![lost]));
    assert_eq!(told(second, Won), (Done, vec![]));
    assert_eq!(told(first, Lost), (NeedsPerson, vec![lost]));
    assert_eq!(hall.books().violations(), []);
    let row = hall.payments().next().expect("a payment");
    assert_eq!(row.disputes.len(), 2);
}

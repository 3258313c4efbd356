//! Several inputs that are decided in one turn and written together: what the later undo is not written at all.

use crate::hall::Hall;
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::PaymentState;
use boxoffice_saga::input::{CaptureAnswer, Input};
use boxoffice_saga::payment::{CaptureMode, DisputeStanding};
use boxoffice_saga::task::TaskKind;

#[test]
fn work_that_is_begun_and_ended_in_one_turn_is_not_left_to_do() {
    let mut hall = Hall::new();
    let (ann, hold) = hall.asks("ann", &["A-1"], |_| {});
    hall.happen_in_one_turn(ann, &[hold, Input::Release]);
    assert_eq!(hall.state(ann), BookingState::Released);
    assert_eq!(hall.due_in(TaskKind::HoldTimer, ann.uuid()), None);
}

#[test]
fn one_task_that_is_done_leaves_the_others_of_its_turn_alone() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens(ann, CaptureMode::AfterSeats);
    let mut reserved = hall.payment_fact(ann, Some(payment), "pi_1", 1_000);
    reserved.state = PaymentState::Authorised;
    hall.happens(ann, Input::Payment(reserved));
    hall.pass_seconds(480);
    let answered = |answer| Input::CaptureAnswered {
        payment,
        attempt: 1,
        answer,
    };
    let (why, after_ms) = (String::new, Some(1_000));
    let later = answered(CaptureAnswer::RetryLater {
        after_ms,
        why: why(),
    });
    let declined = answered(CaptureAnswer::Declined { why: why() });
    hall.happen_in_one_turn(ann, &[Input::HoldTimer, later, declined]);
    assert_eq!(hall.due_in(TaskKind::HoldTimer, ann.uuid()), Some(150.0));
    assert_eq!(hall.due_in(TaskKind::Capture, payment.uuid()), None);
}

#[test]
fn a_person_is_not_called_for_what_has_settled_itself_meanwhile() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 1_000, PaymentState::Captured);
    use DisputeStanding::{Opened, Won};
    let told = |dispute, standing| Hall::dispute((dispute, "pi_1"), 500, standing);
    let (first, second) = (told("dp_1", Opened), told("dp_2", Opened));
    hall.happen_in_one_turn(ann, &[first, second, told("dp_1", Won)]);
    assert_eq!(hall.attention(), ["dispute_opened"]);
    hall.happens(ann, told("dp_2", Won));
    assert_eq!(hall.attention(), Vec::<&str>::new());
}

/// What a client has seen is older than whatever comes later, and one turn is one change.
#[test]
fn a_booking_has_a_new_version_with_each_turn_that_changes_it() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let mut seen = vec![hall.status(ann).version];
    hall.opens_attempt(ann);
    seen.push(hall.status(ann).version);
    hall.pass_seconds(480);
    hall.happen_in_one_turn(ann, &[Input::HoldTimer, Input::Release]);
    let status = hall.status(ann);
    seen.push(status.version);
    assert_eq!(seen, [1, 2, 3]);
    let begun = status.expires_at.unix_timestamp() - 600;
    assert_eq!(status.updated_at.unix_timestamp(), begun + 480);
}

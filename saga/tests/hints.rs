//! Somebody says that a payment was made. Anybody could: it has the gateway asked, at a pace, and does nothing else.

use crate::hall::Hall;
use boxoffice_saga::fact::PaymentState;
use boxoffice_saga::input::{Input, Outcome, Refusal, VoidAnswer};
use boxoffice_saga::table::Cell;
use boxoffice_saga::task::TaskKind;

#[test]
fn a_hint_has_the_gateway_asked_at_once_and_a_pause_has_one_question() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    let hint = Input::Hint { payment };
    // Opening the attempt is no hint, so the first need not wait.
    let mut questions = vec![1];
    for (after, question) in [(1, 1_000), (10, 1_001), (25, 1_003), (10, 1_004)] {
        hall.pass_seconds(after);
        assert!(hall.hears_hint(ann, payment));
        assert_eq!(hall.cell(ann, &hint), Cell::HintListenedTo);
        assert_eq!(hall.happens(ann, hint.clone()), Outcome::Done);
        questions.push(question);
        let asked = hall.generations(TaskKind::Verify, payment.uuid());
        assert_eq!(asked, questions);
        assert!(!hall.hears_hint(ann, payment), "the pause begins");
    }
    hall.pass_seconds(9);
    assert!(!hall.hears_hint(ann, payment));
    assert_eq!(hall.cell(ann, &hint), Cell::HintTooSoon);
    let refused = Outcome::Refused(Refusal::TooSoon { after_s: 2 });
    assert_eq!(hall.happens(ann, hint), refused);
}

/// The schedule that hints start anew is the booking's.
#[test]
fn a_hint_for_an_earlier_attempt_waits_for_the_later_one() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let first = hall.opens_attempt(ann);
    hall.pass_seconds(3);
    let second = hall.opens_attempt(ann);
    assert!(!hall.hears_hint(ann, first));
    assert!(hall.hears_hint(ann, second));
    hall.pass_seconds(9);
    assert!(!hall.hears_hint(ann, first));
    hall.pass_seconds(1);
    assert!(hall.hears_hint(ann, first));
}

#[test]
fn a_hint_is_of_use_while_its_own_attempt_is_undecided() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let bob = hall.hold("bob", &["A-2"]);
    let payment = hall.opens_attempt(ann);
    assert!(!hall.hears_hint(bob, payment), "another's");
    let of_no_use = hall.cell(bob, &Input::Hint { payment });
    assert_eq!(of_no_use, Cell::HintOfNoUse);
    hall.happens(bob, Input::Release);
    assert!(!hall.hears_hint(bob, payment), "another's");
    // Declined, it may still be paid with another card.
    let mut declined = hall.payment_fact(ann, Some(payment), "pi_1", 1_000);
    declined.state = PaymentState::Failed;
    hall.happens(ann, Input::Payment(declined));
    assert!(hall.hears_hint(ann, payment));
    let (generation, attempt, answer) = (1, 1, VoidAnswer::NothingTaken);
    hall.happens(
        ann,
        Input::VoidAnswered {
            payment,
            generation,
            attempt,
            answer,
        },
    );
    assert!(!hall.hears_hint(ann, payment), "cancelled");
    hall.pays_attempt(ann, payment, "pi_1", 1_000);
    assert!(!hall.hears_hint(ann, payment), "paid");
}

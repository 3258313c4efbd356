//! What operators do about a refund that the gateway would not make.

use crate::hall::Hall;
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::{BookingId, RefundId};
use boxoffice_saga::input::{Input, Outcome, RefundAnswer, Refusal};
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::task::TaskKind;

/// A hall with a refund that waits for a person.
fn declined() -> (Hall, BookingId, RefundId) {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 999, PaymentState::Captured);
    let refund = hall.refund_of(ann).id;
    hall.happens(ann, Input::RefundTaken { refund });
    let why = "closed account".to_owned();
    let answer = RefundAnswer::Declined { why };
    let (generation, attempt) = (1, 1);
    hall.happens(
        ann,
        Input::RefundAnswered {
            refund,
            generation,
            attempt,
            answer,
        },
    );
    assert_eq!(hall.attention(), ["refund_not_possible"]);
    (hall, ann, refund)
}

fn other_way(refund: RefundId, means: &str) -> Input {
    let means = means.to_owned();
    Input::RefundOtherWay { refund, means }
}

fn settled(refund: RefundId) -> Input {
    let proof = "receipt 7".to_owned();
    Input::RefundSettledElsewhere { refund, proof }
}

/// Under the old key the gateway would repeat its old answer.
#[test]
fn tried_again_it_has_a_key_of_its_own() {
    let (mut hall, ann, refund) = declined();
    let retried = Input::RefundRetried { refund };
    assert_eq!(hall.happens(ann, retried), Outcome::Done);
    let row = hall.refund_of(ann);
    assert_eq!(
        (row.standing, row.generation),
        (RefundStanding::Requested, 2)
    );
    assert_eq!(hall.attention(), Vec::<&str>::new());
    hall.happens(ann, Input::RefundTaken { refund });
    assert_eq!(hall.generations(TaskKind::Refund, refund.uuid()), [2]);
    let done = Input::Refund(hall.refund_fact(&row, RefundState::Succeeded));
    hall.happens(ann, done);
    assert_eq!(hall.refund_of(ann).standing, RefundStanding::Done);
    assert_eq!(hall.books().violations(), []);
}

#[test]
fn sent_by_another_way_it_waits_for_the_proof_and_no_gateway_is_asked() {
    let (mut hall, ann, refund) = declined();
    let by_bank = other_way(refund, "bank transfer");
    assert_eq!(hall.happens(ann, by_bank.clone()), Outcome::Done);
    assert_eq!(hall.attention(), ["refund_other_way"]);
    assert_eq!(hall.happens(ann, by_bank), Outcome::AlreadyKnown);
    let by_cheque = other_way(refund, "cheque");
    assert_eq!(hall.happens(ann, by_cheque), Outcome::Done);
    let means = "cheque".to_owned();
    let refused = Outcome::Refused(Refusal::SentAnotherWay { means });
    assert_eq!(hall.happens(ann, Input::RefundRetried { refund }), refused);
    assert_eq!(hall.happens(ann, settled(refund)), Outcome::Done);
    assert_eq!(hall.attention(), Vec::<&str>::new());
    assert_eq!(hall.refund_of(ann).standing, RefundStanding::Done);
    assert_eq!(hall.books().violations(), []);
    // However often it is said.
    for input in [
        settled(refund),
        other_way(refund, "cheque"),
        Input::RefundRetried { refund },
    ] {
        assert_eq!(hall.happens(ann, input), Outcome::AlreadyKnown);
    }
}

#[test]
fn what_does_not_wait_for_a_person_is_left_to_the_gateway() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 999, PaymentState::Captured);
    let row = hall.refund_of(ann);
    let refund = row.id;
    let refused = |hall: &mut Hall, booking, why: &Refusal| {
        for input in [
            Input::RefundRetried { refund },
            other_way(refund, "cheque"),
            settled(refund),
        ] {
            let outcome = hall.happens(booking, input);
            assert_eq!(outcome, Outcome::Refused(why.clone()));
        }
    };
    refused(&mut hall, ann, &Refusal::NotWithOperator);
    hall.happens(ann, Input::RefundTaken { refund });
    refused(&mut hall, ann, &Refusal::NotWithOperator);
    let done = Input::Refund(hall.refund_fact(&row, RefundState::Succeeded));
    hall.happens(ann, done);
    refused(&mut hall, ann, &Refusal::NotWithOperator);
    let bob = hall.hold("bob", &["A-2"]);
    refused(&mut hall, bob, &Refusal::NoSuchRefund);
    let (mut hall, _, _) = declined();
    let bob = hall.hold("bob", &["A-2"]);
    refused(&mut hall, bob, &Refusal::NoSuchRefund);
}

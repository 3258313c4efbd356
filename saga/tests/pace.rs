//! When the next step is due: what the customer, the gateway and the operators are promised of time.

use crate::hall::Hall;
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::{BookingId, PaymentId};
use boxoffice_saga::input::{
    CallAnswer, CaptureAnswer, Input, Outcome, RefundAnswer, Refusal, VoidAnswer,
};
use boxoffice_saga::payment::CaptureMode;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::table::Cell;
use boxoffice_saga::task::TaskKind;

fn why() -> String {
    "no answer".to_owned()
}

/// 10 minutes, 2 of them after the warning, and 30 seconds of grace.
#[test]
fn a_hold_warns_once_and_ends_after_its_grace() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let due_in = |hall: &Hall| hall.due_in(TaskKind::HoldTimer, ann.uuid());
    let fires = |hall: &mut Hall| {
        let cell = hall.cell(ann, &Input::HoldTimer);
        (cell, hall.happens(ann, Input::HoldTimer), due_in(hall))
    };
    use Outcome::{Done, Postponed};
    assert_eq!(due_in(&hall), Some(480.0));
    hall.pass_seconds(480);
    assert_eq!(fires(&mut hall), (Cell::WarningDue, Done, Some(150.0)));
    // From the promised end on there is nothing left to warn of.
    hall.pass_seconds(120);
    let early = (Cell::TimerTooEarly, Postponed, Some(30.0));
    assert_eq!(fires(&mut hall), early);
    assert_eq!(hall.events_of(ann), ["HoldPlaced", "HoldExpiring"]);
    hall.pass_seconds(30);
    assert_eq!(fires(&mut hall), (Cell::HoldRanOut, Done, None));
    assert_eq!(hall.state(ann), BookingState::Expired);
}

#[test]
fn where_nobody_is_to_be_warned_the_timer_is_the_end() {
    for warning_ms in [0, 600_000, 700_000] {
        let mut hall = Hall::new();
        let ann = hall.hold_under("ann", &["A-1"], |terms| terms.warning_ms = warning_ms);
        let end = hall.due_in(TaskKind::HoldTimer, ann.uuid());
        assert_eq!(end, Some(630.0), "{warning_ms}");
    }
}

/// At the very end of the grace the seats are anybody's, the customer's too.
#[test]
fn who_pays_for_a_hold_may_replace_it_once_it_is_over() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.opens_attempt(ann);
    let asks = |hall: &mut Hall| {
        let (id, input) = hall.asks("ann", &["A-2"], |_| {});
        (hall.cell(id, &input), hall.happens(id, input))
    };
    hall.pass_seconds(629);
    let refused = Outcome::Refused(Refusal::PaymentInProgress);
    assert_eq!(asks(&mut hall), (Cell::HoldWhilePaying, refused));
    hall.pass_seconds(1);
    let replaced = (Cell::HoldReplacingAnEarlier, Outcome::Done);
    assert_eq!(asks(&mut hall), replaced);
    assert_eq!(hall.state(ann), BookingState::Expired);
}

/// Opening an attempt keeps the seats for five minutes, and never for more than ten beyond the promised end. No attempt
/// shortens what there was, and only the first lengthens it.
#[test]
fn a_payer_has_the_seats_a_little_longer() {
    for (extension_ms, kept) in [
        (0, 630),
        (300_000, 890),
        (609_000, 1_199),
        (9_000_000, 1_200),
    ] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        hall.pass_seconds(590);
        let opens = |hall: &mut Hall, nth, extension_ms| {
            let mut input = hall.attempt(nth, CaptureMode::Automatic);
            if let Input::OpenAttempt { terms, .. } = &mut input {
                terms.extension_ms = extension_ms;
            }
            assert_eq!(hall.happens(ann, input), Outcome::Done);
        };
        opens(&mut hall, 101, extension_ms);
        opens(&mut hall, 102, 9_000_000);
        hall.pass_seconds(kept - 590 - 1);
        let seats = vec!["A-1".to_owned()];
        let taken = Outcome::Refused(Refusal::SeatsTaken { seats });
        assert_eq!(hall.try_hold("bob", &["A-1"]), taken, "{extension_ms}");
        hall.pass_seconds(1);
        assert_eq!(hall.try_hold("bob", &["A-1"]), Outcome::Done);
    }
}

/// A webhook that never comes: after 20 seconds, after 3 minutes, and at the end of the hold by cancelling.
#[test]
fn the_gateway_is_asked_soon_once_more_and_at_the_end() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    let due_in = |hall: &Hall, kind| hall.due_in(kind, payment.uuid());
    let unknown = |generation: u32| Input::VerifyAnswered {
        payment,
        generation,
        answer: CallAnswer::Unknown { why: why() },
    };
    assert_eq!(due_in(&hall, TaskKind::Verify), Some(20.0));
    hall.pass_seconds(20);
    assert_eq!(hall.happens(ann, unknown(1)), Outcome::Postponed);
    assert_eq!(due_in(&hall, TaskKind::Verify), Some(160.0));
    hall.pass_seconds(160);
    assert_eq!(hall.happens(ann, unknown(2)), Outcome::Postponed);
    assert_eq!(due_in(&hall, TaskKind::Verify), None);
    hall.pass_seconds(450);
    hall.happens(ann, Input::HoldTimer);
    assert_eq!(due_in(&hall, TaskKind::Void), Some(0.0));
}

/// A gateway that answers "later" and says when is not asked before, whatever our own patience says.
#[test]
fn later_is_not_before_the_gateway_says() {
    let later = |after_ms| CaptureAnswer::RetryLater {
        after_ms,
        why: why(),
    };
    let (mut hall, ann, payment) = reserved();
    let mut wait = |after_ms| {
        let attempt = 1;
        let answer = later(after_ms);
        let input = Input::CaptureAnswered {
            payment,
            attempt,
            answer,
        };
        assert_eq!(hall.happens(ann, input), Outcome::Postponed);
        hall.due_in(TaskKind::Capture, payment.uuid())
            .unwrap_or(0.0)
    };
    // Our own: a second, with a quarter of jitter.
    for after_ms in [None, Some(0), Some(-50_000), Some(700)] {
        assert!((0.75..=1.25).contains(&wait(after_ms)), "{after_ms:?}");
    }
    assert_eq!(wait(Some(50_000)), 50.0);
    assert_eq!(wait(Some(i64::MAX)), 3_600.0, "an hour at most");

    let (mut hall, ann, refund) = under_way();
    let mut wait = |after_ms| {
        let why = why();
        let answer = RefundAnswer::RetryLater { after_ms, why };
        let input = answered(&refund, 1, answer);
        assert_eq!(hall.happens(ann, input), Outcome::Postponed);
        hall.due_in(TaskKind::Refund, refund.id.uuid())
            .unwrap_or(0.0)
    };
    for after_ms in [None, Some(0), Some(-50_000), Some(700)] {
        assert!((0.75..=1.25).contains(&wait(after_ms)), "{after_ms:?}");
    }
    assert_eq!(wait(Some(50_000)), 50.0);
    assert_eq!(wait(Some(i64::MAX)), 3_600.0, "an hour at most");
}

/// Nobody answers: asked again and again, and from the sixth or eighth try on a person knows.
#[test]
fn patience_ends_with_a_person() {
    use Outcome::{NeedsPerson, Postponed};
    let (mut hall, ann, payment) = reserved();
    let mut tries = |attempt| {
        let answer = CaptureAnswer::Unknown { why: why() };
        let input = Input::CaptureAnswered {
            payment,
            attempt,
            answer,
        };
        (hall.cell(ann, &input), hall.happens(ann, input))
    };
    assert_eq!(tries(5), (Cell::TakingUnknown, Postponed));
    assert_eq!(tries(6), (Cell::TakingUnknownForLong, NeedsPerson));
    assert_eq!(tries(7), (Cell::TakingUnknownForLong, NeedsPerson));
    assert_eq!(hall.attention(), ["payment_unknown"]);

    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    hall.happens(ann, Input::Release);
    let mut tries = |attempt| {
        let answer = VoidAnswer::Unknown { why: why() };
        let generation = 1;
        let input = Input::VoidAnswered {
            payment,
            generation,
            attempt,
            answer,
        };
        (hall.cell(ann, &input), hall.happens(ann, input))
    };
    assert_eq!(tries(5), (Cell::VoidUnknown, Postponed));
    assert_eq!(tries(6), (Cell::VoidUnknownForLong, NeedsPerson));
    assert_eq!(tries(7), (Cell::VoidUnknownForLong, NeedsPerson));
    assert_eq!(hall.attention(), ["payment_unknown"]);

    let (mut hall, ann, refund) = under_way();
    let unknown = || RefundAnswer::Unknown { why: why() };
    let later = || RefundAnswer::RetryLater {
        after_ms: None,
        why: why(),
    };
    let unknown: &dyn Fn() -> RefundAnswer = &unknown;
    for (answer, cell) in [(unknown, Cell::RefundUnknown), (&later, Cell::RefundNotNow)] {
        let mut tries = |attempt| {
            let input = answered(&refund, attempt, answer());
            (hall.cell(ann, &input), hall.happens(ann, input))
        };
        assert_eq!(tries(7), (cell, Postponed));
        assert_eq!(tries(8), (Cell::RefundUnknownForLong, NeedsPerson));
        assert_eq!(tries(9), (Cell::RefundUnknownForLong, NeedsPerson));
    }
    assert_eq!(hall.attention(), ["refund_stuck"]);
}

/// What a gateway has accepted and not finished is looked at less and less often, and after five days a person knows.
#[test]
fn an_accepted_refund_is_looked_at_again() {
    let (mut hall, ann, refund) = under_way();
    let pending = |hall: &Hall, attempt| {
        let fact = hall.refund_fact(&refund, RefundState::Pending);
        answered(&refund, attempt, RefundAnswer::Told { fact })
    };
    let due_in = |hall: &Hall| hall.due_in(TaskKind::Refund, refund.id.uuid());
    let days = 5 * 24 * 3_600;
    for (attempt, seconds) in [(1, 60.0), (2, 120.0), (60, 3_600.0), (1_000, 3_600.0)] {
        let input = pending(&hall, attempt);
        assert!(hall.happens(ann, input) != Outcome::NeedsPerson);
        assert_eq!(due_in(&hall), Some(seconds), "{attempt}");
    }
    hall.pass_seconds(days - 1);
    let input = pending(&hall, 100);
    assert_eq!(hall.cell(ann, &input), Cell::RefundToldAgain);
    assert_eq!(hall.happens(ann, input), Outcome::AlreadyKnown);
    hall.pass_seconds(1);
    let input = pending(&hall, 101);
    assert_eq!(hall.cell(ann, &input), Cell::RefundAcceptedForDays);
    assert_eq!(hall.happens(ann, input), Outcome::NeedsPerson);
    assert_eq!(hall.attention(), ["refund_slow"]);
}

/// A hall with a hold whose money is reserved and being taken.
fn reserved() -> (Hall, BookingId, PaymentId) {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens(ann, CaptureMode::AfterSeats);
    let mut fact = hall.payment_fact(ann, Some(payment), "pi_1", 1_000);
    fact.state = PaymentState::Authorised;
    hall.happens(ann, Input::Payment(fact));
    assert_eq!(hall.due_in(TaskKind::Capture, payment.uuid()), Some(0.0));
    (hall, ann, payment)
}

/// A hall with a refund that a worker has taken on.
fn under_way() -> (Hall, BookingId, Refund) {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 999, PaymentState::Captured);
    let refund = hall.refund_of(ann);
    let taken = Input::RefundTaken { refund: refund.id };
    assert_eq!(hall.happens(ann, taken), Outcome::Done);
    assert_eq!(hall.due_in(TaskKind::Refund, refund.id.uuid()), Some(0.0));
    (hall, ann, refund)
}

fn answered(refund: &Refund, attempt: u32, answer: RefundAnswer) -> Input {
    Input::RefundAnswered {
        refund: refund.id,
        generation: refund.generation,
        attempt,
        answer,
    }
}

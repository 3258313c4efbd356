//! A task was lost, or the event that would have set one: the sweep sets again what is missing, and no more. What has
//! waited for half a day is shown to a person.

use crate::hall::Hall;
use boxoffice_saga::LONG_WAIT;
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{Input, Outcome, RefundAnswer};
use boxoffice_saga::payment::CaptureMode;
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::task::TaskKind;
use uuid::Uuid;

/// Everything is lost, and swept. Which tasks are there then, and in how many seconds they are due.
fn swept(hall: &mut Hall, booking: BookingId, subject: Uuid) -> Vec<(TaskKind, f64)> {
    hall.lose_tasks();
    assert_eq!(hall.happens(booking, Input::Swept), Outcome::Done);
    let due = |kind| hall.due_in(kind, subject).map(|seconds| (kind, seconds));
    TaskKind::ALL.into_iter().filter_map(due).collect()
}

#[test]
fn a_hold_gets_its_timer_back_and_its_attempt_is_left_to_the_customer() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let attempt = hall.opens_attempt(ann).uuid();
    let timer = [(TaskKind::HoldTimer, 630.0)];
    assert_eq!(swept(&mut hall, ann, ann.uuid()), timer);
    assert_eq!(swept(&mut hall, ann, attempt), []);
    // Once the hold is over nobody may pay any more.
    hall.happens(ann, Input::Release);
    assert_eq!(swept(&mut hall, ann, ann.uuid()), []);
    assert_eq!(swept(&mut hall, ann, attempt), [(TaskKind::Void, 0.0)]);
}

#[test]
fn reserved_money_is_taken_or_given_up() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens(ann, CaptureMode::AfterSeats);
    let mut fact = hall.payment_fact(ann, Some(payment), "pi_1", 1_000);
    fact.state = PaymentState::Authorised;
    hall.happens(ann, Input::Payment(fact));
    let taken = [(TaskKind::Capture, 0.0)];
    assert_eq!(swept(&mut hall, ann, payment.uuid()), taken);
    hall.happens(ann, Input::Release);
    let given_up = [(TaskKind::Void, 0.0)];
    assert_eq!(swept(&mut hall, ann, payment.uuid()), given_up);
}

#[test]
fn refunds_are_made_and_looked_after() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 999, PaymentState::Captured);
    let refund = hall.refund_of(ann);
    let made = [(TaskKind::Refund, 0.0)];
    let initiated = |hall: &Hall| {
        let events = hall.events_of(ann).into_iter();
        events.filter(|name| *name == "RefundInitiated").count()
    };
    // The event of its decision was lost, then a task.
    assert_eq!(swept(&mut hall, ann, refund.id.uuid()), made);
    assert_eq!(hall.refund_of(ann).standing, RefundStanding::UnderWay);
    assert_eq!(swept(&mut hall, ann, refund.id.uuid()), made);
    let accepted = hall.refund_fact(&refund, RefundState::Pending);
    hall.happens(ann, Input::Refund(accepted));
    assert_eq!(swept(&mut hall, ann, refund.id.uuid()), made);
    assert_eq!(initiated(&hall), 1);
    // What waits for a person, or is done, waits for no gateway.
    let (refund_id, generation, attempt) = (refund.id, 1, 1);
    let answer = RefundAnswer::Declined { why: "no".into() };
    hall.happens(
        ann,
        Input::RefundAnswered {
            refund: refund_id,
            generation,
            attempt,
            answer,
        },
    );
    assert_eq!(hall.refund_of(ann).standing, RefundStanding::WithOperator);
    assert_eq!(swept(&mut hall, ann, refund.id.uuid()), []);
}

/// A gateway that is not called makes no tries that could be counted.
#[test]
fn after_half_a_day_a_person_knows() {
    let long = LONG_WAIT.whole_seconds();
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.opens_attempt(ann);
    hall.happens(ann, Input::Release);
    let bob = hall.hold("bob", &["A-1"]);
    hall.pays(bob, "pi_2", 999, PaymentState::Captured);
    // A hold that lives so long is nobody's fault.
    let cy = hall.hold_under("cy", &["A-2"], |terms| terms.hold_ms = 100 * 3_600_000);
    hall.opens_attempt(cy);
    let refund = hall.refund_of(bob);
    let sweeps = |hall: &mut Hall| {
        for booking in [ann, bob, cy] {
            hall.happens(booking, Input::Swept);
        }
        hall.attention()
    };
    hall.pass_seconds(long - 1);
    assert_eq!(sweeps(&mut hall), Vec::<&str>::new());
    hall.pass_seconds(1);
    hall.happens(cy, Input::Swept);
    assert_eq!(hall.attention(), Vec::<&str>::new());
    assert_eq!(sweeps(&mut hall), ["payment_unknown", "refund_stuck"]);
    // They go when it is known; and an accepted refund has days.
    let done = hall.refund_fact(&refund, RefundState::Succeeded);
    hall.happens(bob, Input::Refund(done));
    assert_eq!(hall.attention(), ["payment_unknown"]);
    hall.pays(bob, "pi_3", 1_001, PaymentState::Captured);
    for refund in hall.refunds_of(bob) {
        hall.happens(bob, Input::RefundTaken { refund: refund.id });
        let accepted = hall.refund_fact(&refund, RefundState::Pending);
        hall.happens(bob, Input::Refund(accepted));
    }
    hall.pass_seconds(long);
    assert_eq!(sweeps(&mut hall), ["payment_unknown"]);
}

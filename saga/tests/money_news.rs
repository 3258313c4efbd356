//! What gateways tell of money, by whichever account, attempt and order of news.

use crate::hall::Hall;
use boxoffice_saga::booking::CancelledBy;
use boxoffice_saga::event::EventBody;
use boxoffice_saga::fact::{PaymentFact, PaymentState};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId};
use boxoffice_saga::input::{CallAnswer, Input, Outcome, VoidAnswer};
use boxoffice_saga::payment::{CaptureMode, PaymentStanding};
use boxoffice_saga::status::Status;
use boxoffice_saga::table::Cell;
use boxoffice_saga::task::TaskKind;

use PaymentState::{Authorised, Cancelled, Captured, Failed, Open, Processing};

fn told(
    hall: &mut Hall,
    booking: BookingId,
    attempt: Option<PaymentId>,
    id: &str,
    state: PaymentState,
) -> Outcome {
    let fact = hall.payment_fact(booking, attempt, id, 1_000);
    hall.happens(booking, Input::Payment(PaymentFact { state, ..fact }))
}

/// Whether it was late, and whether the seats had to be taken again.
fn late_and_reacquired(hall: &Hall) -> (bool, bool) {
    let (mut was_late, mut was_over) = (false, false);
    for event in hall.events() {
        match &event.body {
            EventBody::PaymentCompleted { late, .. } => was_late = *late,
            EventBody::BookingConfirmed { reacquired, .. }
            | EventBody::PaymentAuthorised { reacquired, .. } => was_over = *reacquired,
            _ => {}
        }
    }
    (was_late, was_over)
}

/// Late is what comes after the promised end; the seats are taken again where the hold was over by then.
#[test]
fn the_world_is_told_whether_money_was_late() {
    for (after, ended, expected, cell) in [
        (0, false, (false, false), Cell::PaidUnseen),
        (599, false, (false, false), Cell::PaidUnseen),
        (600, false, (true, false), Cell::PaidLateSeatsKept),
        (630, true, (true, true), Cell::PaidExpiredSeatsFree),
    ] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        hall.pass_seconds(after);
        if ended {
            hall.happens(ann, Input::HoldTimer);
        }
        let paid = hall.payment_fact(ann, None, "pi_1", 1_000);
        let paid = Input::Payment(paid);
        assert_eq!(hall.cell(ann, &paid), cell);
        hall.happens(ann, paid);
        assert_eq!(late_and_reacquired(&hall), expected, "after {after} s");
    }
    // A hold that was given up is over before its end.
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.happens(ann, Input::Release);
    told(&mut hall, ann, None, "pi_1", Captured);
    assert_eq!(late_and_reacquired(&hall), (true, true));
}

/// Every task that a turn removes costs a look at an index. A payment of which nothing was known can have none.
#[test]
fn nothing_is_looked_for_that_cannot_be_there() {
    let looked_for = |hall: &Hall| -> Vec<_> {
        let kinds = hall.tasks_removed.iter().map(|key| key.kind);
        kinds.collect()
    };
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    told(&mut hall, ann, None, "pi_1", Captured);
    assert_eq!(looked_for(&hall), [TaskKind::HoldTimer]);
    let bob = hall.hold("bob", &["A-2"]);
    let attempt = hall.opens_attempt(bob);
    told(&mut hall, bob, Some(attempt), "pi_2", Captured);
    assert!(looked_for(&hall).contains(&TaskKind::Verify));
    assert!(!hall.has_task("verify", attempt.uuid()));
}

/// For five minutes, however near the end was; and a hold that was over is one again.
#[test]
fn the_seats_are_kept_while_reserved_money_is_taken() {
    for ended in [false, true] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        let payment = hall.opens(ann, CaptureMode::AfterSeats);
        hall.pass_seconds(625);
        if ended {
            hall.happens(ann, Input::Release);
        }
        told(&mut hall, ann, Some(payment), "pi_1", Authorised);
        assert_eq!(late_and_reacquired(&hall).1, ended);
        let timer = hall.due_in(TaskKind::HoldTimer, ann.uuid());
        // A timer that is there stays, and finds out by itself.
        assert_eq!(timer, Some(if ended { 300.0 } else { -145.0 }));
        hall.pass_seconds(299);
        assert!(matches!(
            hall.try_hold("bob", &["A-1"]),
            Outcome::Refused(_)
        ));
        hall.pass_seconds(1);
        assert_eq!(hall.try_hold("bob", &["A-1"]), Outcome::Done);
    }
}

/// One that we never opened must not stay undecided because nobody asks.
#[test]
fn an_attempt_that_we_never_opened_is_looked_after_like_one_that_we_did() {
    let only = |hall: &Hall| hall.payments().next().expect("a payment").id.uuid();
    for state in [Open, Processing, Authorised, Failed] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        let version = hall.status(ann).version;
        told(&mut hall, ann, None, "pi_1", state);
        let asked = hall.due_in(TaskKind::Verify, only(&hall));
        assert_eq!(asked, Some(20.0), "{state:?}");
        assert!(hall.status(ann).version > version, "the customer sees it");

        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        hall.happens(ann, Input::Release);
        told(&mut hall, ann, None, "pi_1", state);
        let cancelled = hall.due_in(TaskKind::Void, only(&hall));
        assert_eq!(cancelled, Some(0.0), "{state:?}");
    }
    for state in [Captured, Cancelled] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        told(&mut hall, ann, None, "pi_1", state);
        assert_eq!(hall.due_in(TaskKind::Verify, only(&hall)), None);
    }
}

/// We had cancelled it, or the gateway could not: it lives after all, and nobody must be charged for a booking that is
/// over.
#[test]
fn a_reservation_for_what_was_closed_is_given_up() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    hall.happens(ann, Input::Release);
    let (generation, attempt, answer) = (1, 1, VoidAnswer::NothingTaken);
    let closed = Input::VoidAnswered {
        payment,
        generation,
        attempt,
        answer,
    };
    hall.happens(ann, closed.clone());
    assert_eq!(hall.status(ann).status, Status::Released);
    let version = hall.status(ann).version;
    told(&mut hall, ann, Some(payment), "pi_1", Authorised);
    let status = hall.status(ann);
    assert_eq!(status.status, Status::PaymentPending);
    assert!(status.version > version);
    assert_eq!(hall.due_in(TaskKind::Void, payment.uuid()), Some(0.0));
    hall.happens(ann, closed);
    assert_eq!(hall.status(ann).status, Status::Released);
}

/// Our own is asked about already.
#[test]
fn news_that_an_attempt_is_open_asks_no_further_question() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    let answer = CallAnswer::Answered { state: Some(Open) };
    let generation = 1;
    hall.happens(
        ann,
        Input::VerifyAnswered {
            payment,
            generation,
            answer,
        },
    );
    for state in [Open, Processing, Authorised, Failed] {
        told(&mut hall, ann, Some(payment), "pi_1", state);
        assert_eq!(hall.generations(TaskKind::Verify, payment.uuid()), [2]);
    }
}

/// What is over needs no further question, whatever the answer to the last one is.
#[test]
fn an_answer_about_what_is_over_asks_nothing() {
    for state in [Cancelled, Captured] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        let payment = hall.opens_attempt(ann);
        told(&mut hall, ann, Some(payment), "pi_1", state);
        let (generation, why) = (1, "late".to_owned());
        let answer = CallAnswer::Unknown { why };
        let late = Input::VerifyAnswered {
            payment,
            generation,
            answer,
        };
        assert_eq!(hall.happens(ann, late), Outcome::AlreadyKnown);
        let asked = hall.generations(TaskKind::Verify, payment.uuid());
        assert_eq!(asked, Vec::<u32>::new());
    }
}

/// The reference at the gateway names an attempt; it counts where that was opened.
#[test]
fn a_payment_is_an_attempts_only_at_its_account_and_for_its_booking() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let attempt = hall.opens_attempt(ann);
    let bob = hall.hold("bob", &["A-2"]);
    let standing = |hall: &Hall| {
        let mut rows = hall.payments().filter(|row| row.id == attempt);
        rows.next().map(|row| row.standing)
    };
    let mut elsewhere = hall.payment_fact(ann, Some(attempt), "pi_1", 1_000);
    elsewhere.account = GatewayAccount::new("razorpay", "default");
    elsewhere.state = Failed;
    assert_eq!(hall.happens(ann, Input::Payment(elsewhere)), Outcome::Done);
    assert_eq!(standing(&hall), Some(PaymentStanding::Open));
    assert_eq!(hall.payments().count(), 2);
    told(&mut hall, bob, Some(attempt), "pi_2", Captured);
    assert_eq!(standing(&hall), Some(PaymentStanding::Open));
    assert_eq!(hall.payments().count(), 3);
    let bobs = hall.payments().filter(|row| row.booking == bob);
    assert_eq!(bobs.count(), 1);
    assert_eq!(hall.books().violations(), []);
}

/// Two gateways, or two accounts, may give the same id to two payments.
#[test]
fn the_same_id_at_two_accounts_is_two_payments() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let bob = hall.hold("bob", &["A-2"]);
    told(&mut hall, ann, None, "7", Captured);
    let mut elsewhere = hall.payment_fact(bob, None, "7", 1_000);
    elsewhere.account = GatewayAccount::new("razorpay", "default");
    hall.happens(bob, Input::Payment(elsewhere));
    assert_eq!(hall.payments().count(), 2);
    assert_eq!(hall.events_of(bob).last(), Some(&"BookingConfirmed"));
    // At the same account it is the same payment, and somebody has changed the reference.
    assert_eq!(
        told(&mut hall, bob, None, "7", Captured),
        Outcome::NeedsPerson
    );
    assert_eq!(hall.attention(), ["contradiction"]);
}

/// Nothing is believed that contradicts money; the gateway is asked which is true.
#[test]
fn bad_news_of_money_that_had_come_is_doubted() {
    for state in [Failed, Cancelled] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        told(&mut hall, ann, None, "pi_1", Captured);
        let payment = hall.payments().next().expect("a payment").id;
        assert_eq!(
            told(&mut hall, ann, None, "pi_1", state),
            Outcome::AlreadyKnown
        );
        assert_eq!(hall.due_in(TaskKind::Verify, payment.uuid()), Some(0.0));
        let generation = hall.generations(TaskKind::Verify, payment.uuid())[0];
        let mut answered = |state| {
            let answer = CallAnswer::Answered { state };
            hall.happens(
                ann,
                Input::VerifyAnswered {
                    payment,
                    generation,
                    answer,
                },
            )
        };
        assert_eq!(answered(Some(Captured)), Outcome::AlreadyKnown);
        assert_eq!(answered(Some(state)), Outcome::NeedsPerson);
        assert_eq!(answered(None), Outcome::NeedsPerson);
    }
}

/// The whole price as the fee leaves nothing to return, and none leaves nothing to keep.
#[test]
fn a_cancellation_tells_what_is_kept_and_what_goes_back() {
    // In hundredths of a percent of 1,000, rounded down.
    for (fee_bp, kept) in [
        (0, 0),
        (9, 0),
        (10, 1),
        (19, 1),
        (1_050, 105),
        (9_999, 999),
        (10_000, 1_000),
    ] {
        let mut hall = Hall::new();
        hall.cancel_fee_bp = fee_bp;
        let ann = hall.hold("ann", &["A-1"]);
        told(&mut hall, ann, None, "pi_1", Captured);
        let by = CancelledBy::Customer;
        hall.happens(ann, Input::Cancel { by });
        let Some(EventBody::BookingCancelled { refunds, fee, .. }) =
            hall.events().last().map(|event| &event.body)
        else {
            panic!("it is cancelled");
        };
        let returned: Vec<_> = refunds.iter().map(|back| back.amount.minor).collect();
        let expected: Vec<_> = [1_000 - kept]
            .into_iter()
            .filter(|back| *back > 0)
            .collect();
        assert_eq!(returned, expected, "{fee_bp}");
        let fee = fee.map(|fee| fee.minor);
        assert_eq!(fee, Some(kept).filter(|kept| *kept > 0), "{fee_bp}");
        assert_eq!(hall.refunds_of(ann).len(), returned.len());
        assert_eq!(hall.books().violations(), []);
    }
}

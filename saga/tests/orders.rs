//! What was opened at the gateway is an order, and may come to several payments there.

use crate::hall::Hall;
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference};
use boxoffice_saga::identity::{BookingId, PaymentId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::payment::{CaptureMode, PaymentStanding, Verdict};

const ORDER: &str = "order_1";

/// A hall with a held booking whose attempt is an order.
fn ordered() -> (Hall, BookingId, PaymentId) {
    ordered_in(CaptureMode::Automatic)
}

/// The same, with the money taken in that mode.
fn ordered_in(mode: CaptureMode) -> (Hall, BookingId, PaymentId) {
    let mut hall = Hall::new();
    let booking = hall.hold("ann", &["A-1"]);
    let attempt = hall.opens(booking, mode);
    let created = Input::AttemptCreated {
        payment: attempt,
        gateway_payment_id: ORDER.to_owned(),
    };
    hall.happens(booking, created);
    (hall, booking, attempt)
}

fn told(
    hall: &mut Hall,
    booking: BookingId,
    id: &str,
    state: PaymentState,
    notes: Option<PaymentId>,
) -> Outcome {
    let row = hall.find(booking).expect("a booking");
    let fact = PaymentFact {
        account: hall.account(),
        gateway_payment_id: id.to_owned(),
        opened_as: Some(ORDER.to_owned()),
        reference: match notes {
            Some(payment) => Reference::Booking {
                booking,
                payment: Some(payment),
            },
            None => Reference::Absent,
        },
        state,
        amount: row.amount,
        live: false,
        reason: None,
    };
    hall.happens(booking, Input::Payment(fact))
}

fn rows(hall: &Hall) -> Vec<(String, PaymentStanding, Option<Verdict>)> {
    let mut rows: Vec<_> = hall
        .payments()
        .map(|row| {
            (
                row.gateway_payment_id.clone().unwrap_or_default(),
                row.standing,
                row.verdict,
            )
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

#[test]
fn the_payment_that_is_captured_gives_the_attempt_its_id() {
    for notes in [false, true] {
        let (mut hall, booking, attempt) = ordered();
        let notes = notes.then_some(attempt);
        told(&mut hall, booking, "pay_0", PaymentState::Failed, notes);
        told(&mut hall, booking, "pay_1", PaymentState::Authorised, notes);
        assert_eq!(
            rows(&hall),
            [(ORDER.to_owned(), PaymentStanding::Declined, None)]
        );
        told(&mut hall, booking, "pay_1", PaymentState::Captured, notes);
        let paid = [(
            "pay_1".to_owned(),
            PaymentStanding::Captured,
            Some(Verdict::Applied),
        )];
        assert_eq!(rows(&hall), paid);
        assert_eq!(hall.state(booking), BookingState::Confirmed);
        // The same again, in whatever form.
        told(&mut hall, booking, "pay_1", PaymentState::Captured, notes);
        told(&mut hall, booking, "pay_1", PaymentState::Authorised, notes);
        assert_eq!(rows(&hall), paid);
        hall.settle();
    }
}

/// Where we take the money ourselves, it is taken by the name of what is reserved. A try that failed has none to give.
#[test]
fn the_payment_that_is_reserved_for_us_to_take_gives_the_attempt_its_id() {
    let (mut hall, booking, attempt) = ordered_in(CaptureMode::AfterSeats);
    let notes = Some(attempt);
    told(&mut hall, booking, "pay_0", PaymentState::Failed, notes);
    let declined = [(ORDER.to_owned(), PaymentStanding::Declined, None)];
    assert_eq!(rows(&hall), declined);
    told(&mut hall, booking, "pay_1", PaymentState::Authorised, notes);
    let reserved = [("pay_1".to_owned(), PaymentStanding::Authorised, None)];
    assert_eq!(rows(&hall), reserved);
}

#[test]
fn a_failed_try_that_is_told_late_is_no_payment_of_its_own() {
    let (mut hall, booking, attempt) = ordered();
    told(
        &mut hall,
        booking,
        "pay_1",
        PaymentState::Captured,
        Some(attempt),
    );
    told(
        &mut hall,
        booking,
        "pay_0",
        PaymentState::Failed,
        Some(attempt),
    );
    assert_eq!(rows(&hall).len(), 1);
    assert_eq!(hall.state(booking), BookingState::Confirmed);
    assert!(!hall.events_of(booking).contains(&"PaymentFailed"));
    // It says nothing against the one that paid; that one's own failure does.
    let doubted = |hall: &Hall| hall.has_task("verify", attempt.uuid());
    assert!(!doubted(&hall));
    let notes = Some(attempt);
    told(&mut hall, booking, "pay_1", PaymentState::Failed, notes);
    assert!(doubted(&hall));
}

#[test]
fn a_second_captured_payment_goes_back_whichever_is_told_first() {
    for (first, second) in [("pay_1", "pay_2"), ("pay_2", "pay_1")] {
        for notes in [false, true] {
            let (mut hall, booking, attempt) = ordered();
            let notes = notes.then_some(attempt);
            for id in [first, second, first, second] {
                told(&mut hall, booking, id, PaymentState::Captured, notes);
            }
            let mut wanted = [
                (
                    first.to_owned(),
                    PaymentStanding::Captured,
                    Some(Verdict::Applied),
                ),
                (
                    second.to_owned(),
                    PaymentStanding::Captured,
                    Some(Verdict::SecondPayment),
                ),
            ];
            wanted.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(rows(&hall), wanted);
            hall.settle();
        }
    }
}

#[test]
fn money_that_comes_before_the_answer_to_the_creation_is_the_attempts() {
    let mut hall = Hall::new();
    let booking = hall.hold("ann", &["A-1"]);
    let attempt = hall.opens_attempt(booking);
    told(
        &mut hall,
        booking,
        "pay_0",
        PaymentState::Failed,
        Some(attempt),
    );
    assert_eq!(
        rows(&hall),
        [(ORDER.to_owned(), PaymentStanding::Declined, None)]
    );
    told(
        &mut hall,
        booking,
        "pay_1",
        PaymentState::Captured,
        Some(attempt),
    );
    let created = Input::AttemptCreated {
        payment: attempt,
        gateway_payment_id: ORDER.to_owned(),
    };
    assert_eq!(hall.happens(booking, created), Outcome::AlreadyKnown);
    let paid = [(
        "pay_1".to_owned(),
        PaymentStanding::Captured,
        Some(Verdict::Applied),
    )];
    assert_eq!(rows(&hall), paid);
}

/// Adyen says of a payment link that it is paid, and not by which payment; the webhook says that. Both are one money, in
/// whichever order they are told, and another payment is another.
#[test]
fn that_the_order_itself_is_paid_is_no_second_payment() {
    for order_first in [false, true] {
        let (mut hall, booking, attempt) = ordered();
        let mut ids = ["pay_1", ORDER];
        if order_first {
            ids.reverse();
        }
        for id in ids.into_iter().chain(ids) {
            told(
                &mut hall,
                booking,
                id,
                PaymentState::Captured,
                Some(attempt),
            );
        }
        let paid = ("pay_1".to_owned(), PaymentStanding::Captured);
        let found: Vec<_> = rows(&hall).into_iter().map(|row| (row.0, row.1)).collect();
        assert_eq!(found, [paid], "order first: {order_first}");
        assert_eq!(hall.state(booking), BookingState::Confirmed);
        told(
            &mut hall,
            booking,
            "pay_2",
            PaymentState::Captured,
            Some(attempt),
        );
        let verdicts: Vec<_> = rows(&hall).into_iter().map(|row| row.2).collect();
        assert_eq!(
            verdicts,
            [Some(Verdict::Applied), Some(Verdict::SecondPayment)]
        );
        hall.settle();
    }
}

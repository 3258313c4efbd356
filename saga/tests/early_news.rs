//! News that comes before what it is about, or after what took its place.

use crate::hall::Hall;
use boxoffice_saga::booking::{BookingState, CancelledBy};
use boxoffice_saga::fact::{PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::{BookingId, GatewayAccount};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::money::Money;
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::status::Status;

/// Somebody has returned a part of the payment at the gateway's dashboard.
fn on_the_dashboard(minor: i64, state: RefundState) -> Input {
    Input::Refund(RefundFact {
        account: GatewayAccount::new("stripe", "default"),
        gateway_refund_id: "re_dashboard".to_owned(),
        gateway_payment_id: "pi_1".to_owned(),
        reference: Reference::Absent,
        refund: None,
        generation: None,
        state,
        amount: Money::new(minor, "INR".parse().expect("a currency")),
        live: true,
        reason: None,
    })
}

fn paid_by_attempt(hall: &mut Hall, booking: BookingId, minor: i64) {
    let attempt = hall.opens_attempt(booking);
    hall.happens(
        booking,
        Input::AttemptCreated {
            payment: attempt,
            gateway_payment_id: "pi_1".to_owned(),
        },
    );
    let early = [RefundState::Succeeded, RefundState::Pending];
    for state in early {
        hall.happens(booking, on_the_dashboard(400, state));
        assert_eq!(hall.books().violations(), []);
    }
    hall.pays_attempt(booking, attempt, "pi_1", minor);
    assert_eq!(hall.books().violations(), []);
}

/// A refund that is told before its payment counts with it.
#[test]
fn a_refund_before_its_payment() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    paid_by_attempt(&mut hall, ann, 1_000);
    assert_eq!(hall.state(ann), BookingState::Confirmed);
    let refunds = hall.refunds_of(ann);
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0].standing, RefundStanding::Done);

    // And where the payment goes back, nothing goes back twice.
    let mut hall = Hall::new();
    let bob = hall.hold("bob", &["A-1"]);
    paid_by_attempt(&mut hall, bob, 400);
    let standings: Vec<_> = hall
        .refunds_of(bob)
        .iter()
        .map(|row| row.standing)
        .collect();
    assert!(standings.contains(&RefundStanding::Done), "{standings:?}");
    assert!(
        standings.contains(&RefundStanding::Withdrawn),
        "{standings:?}"
    );
    assert_eq!(hall.attention(), ["foreign_refund"]);
}

/// Of two calls for one attempt one is declined and one opens it, in either order: it can be paid, so it is open.
#[test]
fn an_attempt_that_is_declined_and_opened() {
    for declined_first in [true, false] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        let payment = hall.opens_attempt(ann);
        let gateway_payment_id = "pi_1".to_owned();
        let mut news = [
            Input::AttemptDeclined { payment },
            Input::AttemptCreated {
                payment,
                gateway_payment_id,
            },
        ];
        if !declined_first {
            news.reverse();
        }
        for input in news {
            hall.happens(ann, input);
        }
        assert_eq!(hall.status(ann).status, Status::PaymentPending);
        assert!(hall.has_task("verify", payment.uuid()));
        let again = Input::AttemptDeclined { payment };
        assert_eq!(hall.happens(ann, again), Outcome::AlreadyKnown);
    }
}

/// The same when the booking is over meanwhile: what can be paid is cancelled.
#[test]
fn an_attempt_that_is_opened_when_its_booking_is_over() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    hall.happens(ann, Input::AttemptDeclined { payment });
    assert_eq!(hall.status(ann).status, Status::Held);
    let by = CancelledBy::Customer;
    hall.happens(ann, Input::Cancel { by });
    assert!(!hall.has_task("void", payment.uuid()));
    let gateway_payment_id = "pi_1".to_owned();
    let opened = Input::AttemptCreated {
        payment,
        gateway_payment_id,
    };
    assert_eq!(hall.happens(ann, opened), Outcome::Done);
    assert!(hall.has_task("void", payment.uuid()));
    assert_eq!(
        hall.pays(ann, "pi_2", 1_000, PaymentState::Failed),
        Outcome::Done
    );
    assert_eq!(hall.books().violations(), []);
}

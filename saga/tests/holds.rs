//! Which seats a customer gets, and which words they get if not.

use crate::hall::Hall;
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::PaymentState;
use boxoffice_saga::input::{Input, Outcome, Refusal};
use boxoffice_saga::table::Cell;

#[test]
fn a_hold_that_cannot_be_says_why() {
    let mut hall = Hall::new();
    let taken = hall.hold("bob", &["A-3"]);
    let asks = |hall: &mut Hall, seats: &[&str], id: Option<_>| {
        let (fresh, input) = hall.asks("ann", seats, |terms| terms.seat_limit = 2);
        let id = id.unwrap_or(fresh);
        let cell = hall.cell(id, &input);
        (cell, hall.happens(id, input))
    };
    let seat = |name: &str| name.to_owned();
    for (seats, id, why) in [
        (&[][..], None, Refusal::NoSeats),
        (&["A-1"], Some(taken), Refusal::IdTaken),
        (
            &["A-1", "A-2", "A-3"],
            None,
            Refusal::TooManySeats { limit: 2 },
        ),
        (
            &["A-2", "A-2"],
            None,
            Refusal::SeatTwice { seat: seat("A-2") },
        ),
        (
            &["A-1", "B-1"],
            None,
            Refusal::UnknownSeats {
                seats: vec![seat("B-1")],
            },
        ),
    ] {
        let refused = Outcome::Refused(why);
        let answer = asks(&mut hall, seats, id);
        assert_eq!(answer, (Cell::HoldThatCannotBe, refused));
    }
    let seats = vec![seat("A-3")];
    let refused = Outcome::Refused(Refusal::SeatsTaken { seats });
    let answer = asks(&mut hall, &["A-2", "A-3"], None);
    assert_eq!(answer, (Cell::HoldOfTakenSeats, refused));
    let answer = asks(&mut hall, &["A-1", "A-2"], None);
    assert_eq!(answer, (Cell::HoldOfFreeSeats, Outcome::Done));
}

/// Some of the old seats, and some new: all of them or none, and what is not wanted any more is free.
#[test]
fn a_newer_hold_takes_over_what_is_its_customers_already() {
    let mut hall = Hall::new();
    let first = hall.hold("ann", &["A-1", "A-2"]);
    hall.hold("bob", &["A-3"]);
    let seats = vec!["A-3".to_owned()];
    let refused = Outcome::Refused(Refusal::SeatsTaken { seats });
    assert_eq!(hall.try_hold("ann", &["A-2", "A-3"]), refused);
    assert_eq!(hall.state(first), BookingState::Held, "it stays");
    let second = hall.hold("ann", &["A-2"]);
    assert_eq!(hall.state(first), BookingState::Replaced);
    assert_eq!(hall.owner("A-1"), None);
    assert_eq!(hall.owner("A-2"), Some(second));
    // Its own journal says why.
    let replaced = (Input::Replaced { by: second }, Outcome::Done);
    assert_eq!(hall.journal_of(first).last(), Some(&replaced));
    // What is paid is no hold, and stays beside a new one.
    hall.pays(second, "pi_1", 1_000, PaymentState::Captured);
    hall.hold("ann", &["A-1"]);
    assert_eq!(hall.state(second), BookingState::Confirmed);
}

//! Each promise, from both sides: what breaks it is named, and what comes as near as can be is not.

use crate::hall::Hall;
use boxoffice_saga::booking::{BookingState, CancelledBy};
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::Input;
use boxoffice_saga::ledger::Account;
use boxoffice_saga::payment::{Dispute, DisputeStanding, Payment, PaymentStanding, Verdict};
use boxoffice_saga::promises::Promise::{
    self, Event1, Money1, Money2, Money3, Saga1, Seat1, Seat2,
};
use boxoffice_saga::promises::{Books, Closed, LONGEST_PENDING, LONGEST_UNDECIDED};
use boxoffice_saga::refund::{Refund, RefundCause, RefundStanding};
use boxoffice_saga::seat::{Seat, SeatState};
use time::Duration;

/// Three customers: one with a ticket, one who paid twice, one who cancelled at a fee; and one who only tried.
struct Story {
    hall: Hall,
    /// A-1, confirmed.
    ann: BookingId,
    /// A-2, confirmed; a second payment is on its way back.
    bob: BookingId,
    /// Cancelled, for a tenth; the rest is on its way back.
    cy: BookingId,
    /// A-3, over, with an attempt that nobody knows about.
    di: BookingId,
}

fn story() -> Story {
    let mut hall = Hall::new();
    hall.cancel_fee_bp = 1_000;
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_ann", 1_000, PaymentState::Captured);
    let bob = hall.hold("bob", &["A-2"]);
    hall.pays(bob, "pi_bob", 1_000, PaymentState::Captured);
    hall.pays(bob, "pi_bob_2", 1_000, PaymentState::Captured);
    let cy = hall.hold("cy", &["A-3"]);
    hall.pays(cy, "pi_cy", 1_000, PaymentState::Captured);
    let by = CancelledBy::Customer;
    hall.happens(cy, Input::Cancel { by });
    let di = hall.hold("di", &["A-3"]);
    hall.opens_attempt(di);
    hall.happens(di, Input::Release);
    let story = Story {
        hall,
        ann,
        bob,
        cy,
        di,
    };
    assert_eq!(story.hall.books().violations(), []);
    story
}

impl Story {
    /// What the promises say once the books are changed so.
    fn changed(&self, change: impl FnOnce(&mut Books)) -> Vec<Promise> {
        let mut books = self.hall.books();
        change(&mut books);
        let mut broken: Vec<_> = books
            .violations()
            .iter()
            .map(|found| found.promise)
            .collect();
        broken.sort();
        broken.dedup();
        broken
    }
}

fn seat<'a>(books: &'a mut Books, name: &str) -> &'a mut Seat {
    let found = books.seats.iter_mut().find(|seat| seat.key.seat == name);
    found.expect("a seat")
}

fn booking(books: &mut Books, id: BookingId) -> &mut boxoffice_saga::booking::Booking {
    books.bookings.get_mut(&id).expect("a booking")
}

/// The payment of that id at the gateway; or the one attempt that the gateway knows nothing of.
fn payment<'a>(books: &'a mut Books, id: Option<&str>) -> &'a mut Payment {
    let found = books
        .payments
        .values_mut()
        .find(|payment| payment.gateway_payment_id.as_deref() == id);
    found.expect("a payment")
}

fn refund(books: &mut Books, of: BookingId) -> &mut Refund {
    let found = books.refunds.iter_mut().find(|refund| refund.booking == of);
    found.expect("a refund")
}

#[test]
fn seats() {
    let story = story();
    let (ann, bob, di) = (story.ann, story.bob, story.di);
    let sold_twice = |books: &mut Books| booking(books, bob).seats = vec!["A-1".to_owned()];
    assert_eq!(story.changed(sold_twice), [Seat1, Seat2]);
    let taken_away = |books: &mut Books| seat(books, "A-1").booking = Some(bob);
    assert_eq!(story.changed(taken_away), [Seat1, Seat2]);
    let back_on_sale = |books: &mut Books| {
        seat(books, "A-1").state = SeatState::Available;
        seat(books, "A-1").booking = None;
    };
    assert_eq!(story.changed(back_on_sale), [Seat2]);
    let of_one_who_has_none = |books: &mut Books| {
        seat(books, "A-3").state = SeatState::Booked;
        seat(books, "A-3").booking = Some(di);
    };
    assert_eq!(story.changed(of_one_who_has_none), [Seat1]);
    let one_too_many = |books: &mut Books| {
        seat(books, "A-3").state = SeatState::Booked;
        seat(books, "A-3").booking = Some(ann);
    };
    assert_eq!(story.changed(one_too_many), [Seat1]);
    let nobodys = |books: &mut Books| {
        seat(books, "A-3").state = SeatState::Booked;
        seat(books, "A-3").booking = None;
    };
    assert_eq!(story.changed(nobodys), [Seat1]);
    let another_hold = |books: &mut Books| {
        seat(books, "A-3").state = SeatState::Held;
        seat(books, "A-3").booking = Some(ann);
    };
    assert_eq!(story.changed(another_hold), []);
}

#[test]
fn seats_of_a_show_that_is_closed() {
    let story = story();
    let close = |closed: Closed, state: SeatState| {
        move |books: &mut Books| {
            let show = books.seats[0].key.show;
            books.closed.insert(show, closed);
            for seat in &mut books.seats {
                seat.state = state;
            }
        }
    };
    let since = story.hall.books().now;
    let cancelled = Closed::Cancelled { since };
    assert_eq!(story.changed(close(cancelled, SeatState::Cancelled)), []);
    let on_sale = |books: &mut Books| {
        close(cancelled, SeatState::Cancelled)(books);
        seat(books, "A-3").state = SeatState::Available;
    };
    assert_eq!(story.changed(on_sale), [Seat1]);
    let gone = |books: &mut Books| {
        close(Closed::Removed, SeatState::Cancelled)(books);
        books.seats.clear();
    };
    assert_eq!(story.changed(gone), []);
    let gone_too_early = |books: &mut Books| {
        close(cancelled, SeatState::Cancelled)(books);
        books.seats.clear();
    };
    assert_eq!(story.changed(gone_too_early), [Seat2]);
}

#[test]
fn every_unit_is_in_one_place() {
    let story = story();
    let (ann, cy) = (story.ann, story.cy);
    let lost = |books: &mut Books| books.ledger.retain(|entry| entry.booking != ann);
    assert_eq!(story.changed(lost), [Money1]);
    let twice = |books: &mut Books| {
        let entry = books.ledger[0].clone();
        books.ledger.push(entry);
    };
    assert_eq!(story.changed(twice), [Money1]);
    let backwards = |books: &mut Books| {
        let entry = &mut books.ledger[0];
        entry.amount.minor = -entry.amount.minor;
        std::mem::swap(&mut entry.from, &mut entry.to);
    };
    assert_eq!(story.changed(backwards), [Money1]);
    let nothing_moves = |books: &mut Books| {
        let mut entry = books.ledger[0].clone();
        entry.amount.minor = 0;
        books.ledger.push(entry);
    };
    assert_eq!(story.changed(nothing_moves), [Money1]);
    let elsewhere = |books: &mut Books| {
        let entry = books
            .ledger
            .iter_mut()
            .find(|entry| entry.to == Account::Applied);
        entry.expect("a movement").to = Account::Operator;
    };
    assert_eq!(story.changed(elsewhere), [Money1]);
    // There and back, in money that was never captured.
    let other_money = |books: &mut Books| {
        let mut there = books.ledger[0].clone();
        there.amount.currency = "EUR".parse().expect("a currency");
        let mut back = there.clone();
        std::mem::swap(&mut back.from, &mut back.to);
        books.ledger.extend([there, back]);
    };
    assert_eq!(story.changed(other_money), [Money1]);
    let of_an_attempt = |books: &mut Books| {
        let attempt = payment(books, None).id;
        let mut there = books.ledger[0].clone();
        there.payment = attempt;
        let mut back = there.clone();
        std::mem::swap(&mut back.from, &mut back.to);
        books.ledger.extend([there, back]);
    };
    assert_eq!(story.changed(of_an_attempt), [Money1]);

    // The fee of a booking that still stands, and one below nothing; the ledger agrees with both.
    let moves = |books: &mut Books, of: &str, from: Account, to: Account, by: i64| {
        let id = payment(books, Some(of)).id;
        let like = books.ledger.iter().find(|entry| entry.payment == id);
        let mut entry = like.expect("a movement").clone();
        (entry.from, entry.to, entry.amount.minor) = (from, to, by);
        books.ledger.push(entry);
    };
    let fee_of_a_ticket = |books: &mut Books| {
        payment(books, Some("pi_ann")).retained = 100;
        moves(books, "pi_ann", Account::Applied, Account::Retained, 100);
    };
    assert_eq!(story.changed(fee_of_a_ticket), [Money1]);
    let negative_fee = |books: &mut Books| {
        payment(books, Some("pi_cy")).retained = -1;
        refund(books, cy).amount.minor = 1_001;
        moves(books, "pi_cy", Account::Retained, Account::ToReturn, 101);
    };
    assert!(story.changed(negative_fee).contains(&Money1));
    // What paid for a booking that is no more goes back, or it is kept.
    let kept = |books: &mut Books| {
        let row = refund(books, cy).id;
        books.refunds.retain(|refund| refund.id != row);
        moves(books, "pi_cy", Account::ToReturn, Account::Applied, 900);
    };
    assert_eq!(story.changed(kept), [Money1]);
}

#[test]
fn refunds_fit_into_what_was_captured() {
    let story = story();
    let (bob, cy) = (story.bob, story.cy);
    let more = |books: &mut Books| refund(books, bob).amount.minor += 1;
    assert_eq!(story.changed(more), [Money1, Money2]);
    let more_than_the_fee_leaves = |books: &mut Books| refund(books, cy).amount.minor += 1;
    assert_eq!(story.changed(more_than_the_fee_leaves), [Money1, Money2]);
    let same_at_gateway = |books: &mut Books| {
        refund(books, bob).gateway_refund_id = Some("re_1".to_owned());
        refund(books, cy).gateway_refund_id = Some("re_1".to_owned());
    };
    assert_eq!(story.changed(same_at_gateway), [Money2]);
    let same_at_two_gateways = |books: &mut Books| {
        same_at_gateway(books);
        payment(books, Some("pi_cy")).account.gateway = "razorpay".to_owned();
    };
    assert_eq!(story.changed(same_at_two_gateways), []);
    // What was given up, and what others did, does not count against ours.
    let besides = |cause: RefundCause, standing: RefundStanding| {
        move |books: &mut Books| {
            let mut another = refund(books, bob).clone();
            another.id = boxoffice_saga::identity::RefundId::not_asked_for(another.payment, "re_2");
            another.gateway_refund_id = Some("re_2".to_owned());
            (another.cause, another.standing) = (cause, standing);
            books.refunds.push(another);
        }
    };
    use RefundCause::{NotAskedFor, SecondPayment};
    assert_eq!(
        story.changed(besides(NotAskedFor, RefundStanding::Withdrawn)),
        []
    );
    assert_eq!(
        story.changed(besides(SecondPayment, RefundStanding::Withdrawn)),
        []
    );
    assert_eq!(
        story.changed(besides(NotAskedFor, RefundStanding::Done)),
        [Money1]
    );
    assert_eq!(
        story.changed(besides(SecondPayment, RefundStanding::Done)),
        [Money1, Money2]
    );
    let of_nothing = |books: &mut Books| payment(books, Some("pi_bob_2")).captured = None;
    assert!(story.changed(of_nothing).contains(&Money2));
}

#[test]
fn nothing_waits_unseen() {
    let story = story();
    let (ann, bob, di) = (story.ann, story.bob, story.di);
    let later = |by: Duration| move |books: &mut Books| books.now += by;
    let instant = Duration::milliseconds(1);
    // The attempt, and the refunds.
    assert_eq!(story.changed(later(LONGEST_UNDECIDED)), []);
    assert_eq!(story.changed(later(LONGEST_UNDECIDED + instant)), [Money3]);

    let only_the_attempt = |books: &mut Books| {
        later(LONGEST_UNDECIDED + instant)(books);
        for refund in &mut books.refunds {
            refund.requested_at = books.now;
        }
    };
    assert_eq!(story.changed(only_the_attempt), [Money3]);
    for (standing, waits) in [
        (PaymentStanding::Authorised, true),
        (PaymentStanding::GivingUp, true),
        (PaymentStanding::Declined, false),
        (PaymentStanding::Closed, false),
    ] {
        let stands = |books: &mut Books| {
            only_the_attempt(books);
            payment(books, None).standing = standing;
        };
        let expected = if waits { vec![Money3] } else { vec![] };
        assert_eq!(story.changed(stands), expected, "{standing:?}");
    }
    let still_held = |books: &mut Books| {
        only_the_attempt(books);
        booking(books, di).state = BookingState::Held;
    };
    assert_eq!(story.changed(still_held), []);
    let a_person_knows = |books: &mut Books| {
        only_the_attempt(books);
        let id = payment(books, None).id.uuid();
        books.with_person.insert(id);
    };
    assert_eq!(story.changed(a_person_knows), []);

    // One refund, at the gateway or not.
    let waits = |standing: RefundStanding, since: Duration, told: bool| {
        move |books: &mut Books| {
            let row = refund(books, bob);
            row.standing = standing;
            row.requested_at -= since;
            let id = row.id.uuid();
            if told {
                books.with_person.insert(id);
            }
        }
    };
    use RefundStanding::{Pending, Requested, UnderWay};
    let (day, week) = (LONGEST_UNDECIDED, LONGEST_PENDING);
    for (standing, longest) in [(Requested, day), (UnderWay, day), (Pending, week)] {
        assert_eq!(story.changed(waits(standing, longest, false)), []);
        let over = longest + instant;
        assert_eq!(story.changed(waits(standing, over, false)), [Money3]);
        assert_eq!(story.changed(waits(standing, over, true)), []);
    }
    let of_others = |books: &mut Books| {
        waits(Requested, week, false)(books);
        refund(books, bob).cause = RefundCause::NotAskedFor;
    };
    assert!(!story.changed(of_others).contains(&Money3));

    let given_to_a_person = |told: bool| {
        move |books: &mut Books| {
            let row = refund(books, bob);
            row.standing = RefundStanding::WithOperator;
            let (id, of, amount) = (row.id.uuid(), row.payment, row.amount.minor);
            let like = books.ledger.iter().find(|entry| entry.payment == of);
            let mut entry = like.expect("a movement").clone();
            (entry.from, entry.to) = (Account::ToReturn, Account::Operator);
            entry.amount.minor = amount;
            books.ledger.push(entry);
            if told {
                books.with_person.insert(id);
            }
        }
    };
    assert_eq!(story.changed(given_to_a_person(true)), []);
    assert_eq!(story.changed(given_to_a_person(false)), [Money3]);

    // A booking of a cancelled show.
    use BookingState::{Confirmed, Expired};
    let called_off = |since: Duration, state: BookingState| {
        move |books: &mut Books| {
            let show = ann.show();
            let since = books.now - since;
            books.closed.insert(show, Closed::Cancelled { since });
            for seat in &mut books.seats {
                seat.state = SeatState::Cancelled;
            }
            let gone = [Expired, BookingState::Cancelled];
            if gone.contains(&state) {
                books
                    .bookings
                    .values_mut()
                    .for_each(|row| row.state = state);
            }
        }
    };

    assert_eq!(story.changed(called_off(day, Confirmed)), []);
    assert_eq!(
        story.changed(called_off(day + instant, Confirmed)),
        [Money3]
    );
    assert!(
        !story
            .changed(called_off(day + instant, Expired))
            .contains(&Money3)
    );
    let only_held = |books: &mut Books| {
        called_off(day + instant, Expired)(books);
        booking(books, di).state = BookingState::Held;
    };
    assert!(story.changed(only_held).contains(&Money3));
}

#[test]
fn one_verdict_and_it_stands() {
    let story = story();
    let (ann, bob, cy, di) = (story.ann, story.bob, story.cy, story.di);
    let none = |books: &mut Books| payment(books, Some("pi_ann")).verdict = None;
    assert!(story.changed(none).contains(&Saga1));
    let without_money = |books: &mut Books| payment(books, Some("pi_ann")).captured = None;
    assert!(story.changed(without_money).contains(&Saga1));
    let of_an_attempt = |books: &mut Books| payment(books, None).verdict = Some(Verdict::Cancelled);
    assert_eq!(story.changed(of_an_attempt), [Saga1]);
    let amount = story.hall.books().bookings[&ann].amount;
    let money_of_an_attempt = |books: &mut Books| payment(books, None).captured = Some(amount);
    assert!(story.changed(money_of_an_attempt).contains(&Saga1));
    let applied_twice = |books: &mut Books| {
        payment(books, Some("pi_bob_2")).verdict = Some(Verdict::Applied);
        let row = refund(books, bob).id;
        books.refunds.retain(|refund| refund.id != row);
    };
    assert!(story.changed(applied_twice).contains(&Saga1));
    let never_applied = |books: &mut Books| {
        payment(books, Some("pi_ann")).verdict = Some(Verdict::SecondPayment);
    };
    assert!(story.changed(never_applied).contains(&Saga1));
    let of_another =
        |books: &mut Books| payment(books, None).booking = BookingId::pack(1, ann.show(), 99);
    assert!(story.changed(of_another).contains(&Saga1));
    let by_another_cause = |books: &mut Books| refund(books, bob).cause = RefundCause::WrongAmount;
    assert_eq!(story.changed(by_another_cause), [Saga1]);
    for state in [
        BookingState::Held,
        BookingState::Expired,
        BookingState::SeatsLost,
    ] {
        let paid_for_nothing = |books: &mut Books| booking(books, ann).state = state;
        assert!(
            story.changed(paid_for_nothing).contains(&Saga1),
            "{state:?}"
        );
    }
    let cancelled = |applied: usize| {
        move |books: &mut Books| {
            booking(books, di).state = BookingState::Cancelled;
            let attempt = payment(books, None).id;
            for nth in 0..applied {
                let mut row = payment(books, Some("pi_cy")).clone();
                row.id = uuid::Uuid::from_u128(90 + nth as u128).into();
                row.booking = di;
                books.payments.insert(row.id, row);
            }
            books.payments.remove(&attempt);
        }
    };
    for (applied, broken) in [(0, false), (1, false), (2, true)] {
        assert_eq!(
            story.changed(cancelled(applied)).contains(&Saga1),
            broken,
            "{applied}"
        );
    }

    // What is left over can only be left over by something that came back.
    let left_over = |books: &mut Books| {
        let row = refund(books, bob);
        row.cause = RefundCause::LeftOver;
    };
    assert_eq!(story.changed(left_over), [Saga1]);
    for (standing, came_back) in [
        (DisputeStanding::Opened, false),
        (DisputeStanding::Won, true),
        (DisputeStanding::Lost, true),
    ] {
        let disputed = |books: &mut Books| {
            left_over(books);
            payment(books, Some("pi_bob_2")).disputes.push(Dispute {
                gateway_dispute_id: "dp_1".to_owned(),
                standing,
                amount_minor: 1,
            });
        };
        assert_eq!(
            story.changed(disputed).contains(&Saga1),
            !came_back,
            "{standing:?}"
        );
    }
    let withdrawn = |books: &mut Books| {
        let mut first = refund(books, bob).clone();
        first.standing = RefundStanding::Withdrawn;
        left_over(books);
        let mut second = refund(books, bob).clone();
        second.id = boxoffice_saga::identity::RefundId::of(second.payment, 2);
        *refund(books, bob) = first;
        books.refunds.push(second);
    };
    assert_eq!(story.changed(withdrawn), []);
    let ticket_returned = |books: &mut Books| booking(books, cy).state = BookingState::Confirmed;
    assert!(story.changed(ticket_returned).contains(&Saga1));
}

#[test]
fn events_have_no_gap() {
    let story = story();
    let ann = story.ann;
    let of = |books: &mut Books, change: fn(&mut Vec<u32>)| {
        change(books.sequences.get_mut(&ann).expect("events"));
    };
    assert_eq!(story.hall.books().sequences[&ann], [1, 2, 3]);
    let gap = |books: &mut Books| of(books, |events| events.retain(|nth| *nth != 2));
    assert_eq!(story.changed(gap), [Event1]);
    let swapped = |books: &mut Books| of(books, |events| events.swap(0, 1));
    assert_eq!(story.changed(swapped), [Event1]);
    let twice = |books: &mut Books| of(books, |events| events.push(3));
    assert_eq!(story.changed(twice), [Event1]);
    let last_missing = |books: &mut Books| of(books, |events| events.retain(|nth| *nth != 3));
    assert_eq!(story.changed(last_missing), [Event1]);
    // Only those are retained of which somebody may still ask.
    let first_forgotten = |books: &mut Books| of(books, |events| events.retain(|nth| *nth != 1));
    assert_eq!(story.changed(first_forgotten), []);
}

/// A refund that is done and one that is under way are two places.
#[test]
fn money_that_is_back_is_not_on_its_way() {
    let mut story = story();
    let row = story.hall.refund_of(story.bob);
    let fact = story.hall.refund_fact(&row, RefundState::Succeeded);
    let bob = story.bob;
    story.hall.happens(bob, Input::Refund(fact));
    assert_eq!(story.hall.books().violations(), []);
    let not_done = |books: &mut Books| refund(books, bob).standing = RefundStanding::UnderWay;
    assert_eq!(story.changed(not_done), [Money1]);
}

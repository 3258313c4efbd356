//! What the journal says of a booking, held against its rows: what it leaves out, adds or tells otherwise is found.

use crate::hall::Hall;
use boxoffice_saga::booking::{BookingState, CancelledBy};
use boxoffice_saga::fact::{PaymentState, RefundFact, RefundState};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{CaptureAnswer, Input, Outcome, RefundAnswer, Refusal, VoidAnswer};
use boxoffice_saga::payment::Verdict;
use boxoffice_saga::promises::Promise::{self, Money2, Saga1};

type Entry = (Input, Outcome);

/// What is broken if the journal of `booking` were `changed` so.
fn changed(hall: &Hall, booking: BookingId, change: impl Fn(&mut Vec<Entry>)) -> Vec<Promise> {
    let mut journal = hall.journal_of(booking);
    change(&mut journal);
    let found = hall.against(booking, &journal);
    found.iter().map(|found| found.promise).collect()
}

fn as_it_is(_: &mut Vec<Entry>) {}

fn without(left_out: impl Fn(&Input) -> bool) -> impl Fn(&mut Vec<Entry>) {
    move |journal| journal.retain(|(input, _)| !left_out(input))
}

fn twice(told: impl Fn(&Input) -> bool) -> impl Fn(&mut Vec<Entry>) {
    move |journal| {
        let found = journal.iter().find(|(input, _)| told(input));
        let found = found.expect("an entry").clone();
        journal.push(found);
    }
}

const fn is_hold(input: &Input) -> bool {
    matches!(input, Input::Hold { .. })
}

const fn is_cancel(input: &Input) -> bool {
    matches!(input, Input::Cancel { .. })
}

#[test]
fn a_booking_was_held_once_and_cancelled_once_if_it_is_cancelled() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let by = CancelledBy::Customer;
    assert_eq!(changed(&hall, ann, as_it_is), []);
    assert_eq!(changed(&hall, ann, without(is_hold)), [Saga1]);
    assert_eq!(changed(&hall, ann, twice(is_hold)), [Saga1]);
    let held_in_vain = |journal: &mut Vec<Entry>| {
        let (input, _) = journal[0].clone();
        journal.push((input, Outcome::Refused(Refusal::IdTaken)));
    };
    assert_eq!(changed(&hall, ann, held_in_vain), []);
    let cancelled = |journal: &mut Vec<Entry>| journal.push((Input::Cancel { by }, Outcome::Done));
    assert_eq!(changed(&hall, ann, cancelled), [Saga1]);

    // That it is cancelled already is journalled too, and is no second time.
    for outcome in [Outcome::Done, Outcome::AlreadyKnown] {
        assert_eq!(hall.happens(ann, Input::Cancel { by }), outcome);
    }
    assert_eq!(hall.state(ann), BookingState::Cancelled);
    assert_eq!(changed(&hall, ann, as_it_is), []);
    assert_eq!(changed(&hall, ann, without(is_cancel)), [Saga1]);
    assert_eq!(changed(&hall, ann, twice(is_cancel)), [Saga1]);
}

/// Money is told of by a webhook, by the answer to its taking, or by the answer to its cancelling.
#[test]
fn money_was_decided_once_and_so_it_stands() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    let payment = hall.opens_attempt(ann);
    let fact = |hall: &Hall, id: &str| hall.payment_fact(ann, Some(payment), id, 1_000);
    let mut reserved = fact(&hall, "pi_1");
    reserved.state = PaymentState::Authorised;
    hall.happens(ann, Input::Payment(reserved));
    let ways = [
        Input::CaptureAnswered {
            payment,
            attempt: 1,
            answer: CaptureAnswer::Taken {
                fact: fact(&hall, "pi_1"),
            },
        },
        Input::VoidAnswered {
            payment,
            generation: 1,
            attempt: 1,
            answer: VoidAnswer::AlreadyPaid {
                fact: fact(&hall, "pi_2"),
            },
        },
        Input::Payment(fact(&hall, "pi_3")),
    ];
    let verdicts = [
        Verdict::Applied,
        Verdict::SecondPayment,
        Verdict::SecondPayment,
    ];
    for (way, verdict) in ways.iter().zip(verdicts) {
        assert_eq!(hall.happens(ann, way.clone()), decided(verdict));
        // Told again it is known, and no second decision.
        assert_eq!(hall.happens(ann, way.clone()), Outcome::AlreadyKnown);
    }
    assert_eq!(changed(&hall, ann, as_it_is), []);
    for way in &ways {
        let this = |input: &Input| input == way;
        assert_eq!(changed(&hall, ann, without(this)), [Saga1], "{way:?}");
        assert_eq!(changed(&hall, ann, twice(this)), [Saga1], "{way:?}");
        let otherwise = |journal: &mut Vec<Entry>| {
            let entry = journal.iter_mut().find(|(input, _)| this(input));
            entry.expect("an entry").1 = decided(Verdict::WrongAmount);
        };
        assert_eq!(changed(&hall, ann, otherwise), [Saga1], "{way:?}");
    }
    let of_no_row = |journal: &mut Vec<Entry>| {
        let input = Input::Payment(fact(&hall, "pi_4"));
        journal.push((input, decided(Verdict::SecondPayment)));
    };
    assert_eq!(changed(&hall, ann, of_no_row), [Saga1]);
}

fn decided(verdict: Verdict) -> Outcome {
    let seats_lost = vec![];
    Outcome::Decided {
        verdict,
        seats_lost,
    }
}

/// A refund whose tries the gateway made more than once, as webhooks or answers tell.
#[test]
fn no_refund_lives_twice_at_the_gateway() {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 999, PaymentState::Captured);
    let row = hall.refund_of(ann);
    let (refund, generation) = (row.id, row.generation);
    let told = |hall: &Hall, id: &str, state: RefundState| {
        let mut fact = hall.refund_fact(&row, state);
        fact.gateway_refund_id = id.to_owned();
        fact
    };
    let answered = |fact: RefundFact| Input::RefundAnswered {
        refund,
        generation,
        attempt: 1,
        answer: RefundAnswer::Told { fact },
    };
    use RefundState::{Failed, Pending, Succeeded};
    hall.happens(ann, Input::RefundTaken { refund });
    let pending = answered(told(&hall, "re_1", Pending));
    hall.happens(ann, pending);
    let done = Input::Refund(told(&hall, "re_1", Succeeded));
    hall.happens(ann, done);
    assert_eq!(changed(&hall, ann, as_it_is), [], "one, told twice");

    let besides = |states: &[RefundState], input: &dyn Fn(RefundFact) -> Input| {
        changed(&hall, ann, |journal| {
            for state in states {
                let fact = told(&hall, "re_2", *state);
                journal.push((input(fact), Outcome::Done));
            }
        })
    };
    for input in [&Input::Refund as &dyn Fn(RefundFact) -> Input, &answered] {
        assert_eq!(besides(&[Pending], input), [Money2]);
        assert_eq!(besides(&[Succeeded], input), [Money2]);
        assert_eq!(besides(&[Pending, Failed], input), []);
        // That it had succeeded before it failed may be told later.
        assert_eq!(besides(&[Failed, Succeeded], input), []);
    }
    // What the rows count by itself is a loss that a person knows of, and not made by us.
    let second = Input::Refund(told(&hall, "re_2", Succeeded));
    assert_eq!(hall.happens(ann, second), Outcome::NeedsPerson);
    assert_eq!(changed(&hall, ann, as_it_is), []);
}

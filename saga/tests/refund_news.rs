//! What gateways tell of refunds: ours under their names, earlier goes, and those that people make on dashboards.

use crate::hall::Hall;
use boxoffice_saga::fact::{PaymentState, RefundFact, RefundState};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{Input, Outcome, RefundAnswer};
use boxoffice_saga::payment::DisputeStanding;
use boxoffice_saga::refund::{Refund, RefundCause, RefundStanding};
use boxoffice_saga::table::Cell;
use boxoffice_saga::task::TaskKind;

use RefundStanding::{Done, Pending, Requested, UnderWay, WithOperator, Withdrawn};
use RefundState::{Failed, Succeeded};

/// A hall with a ticket, and a second payment that is to go back.
fn paid_twice() -> (Hall, BookingId, Refund) {
    let mut hall = Hall::new();
    let ann = hall.hold("ann", &["A-1"]);
    hall.pays(ann, "pi_1", 1_000, PaymentState::Captured);
    hall.pays(ann, "pi_2", 1_000, PaymentState::Captured);
    let refund = hall.refund_of(ann);
    (hall, ann, refund)
}

/// The same, and a worker has taken it on.
fn under_way() -> (Hall, BookingId, Refund) {
    let (mut hall, ann, refund) = paid_twice();
    let taken = Input::RefundTaken { refund: refund.id };
    assert_eq!(hall.happens(ann, taken), Outcome::Done);
    (hall, ann, refund)
}

/// The same, and its second key is in use: nothing was alive under the first.
fn at_the_second_go() -> (Hall, BookingId, Refund) {
    let (mut hall, ann, refund) = under_way();
    let nothing = answered(&refund, RefundAnswer::NothingAlive);
    assert_eq!(hall.happens(ann, nothing), Outcome::Done);
    assert_eq!(ours(&hall, &refund).generation, 2);
    assert_eq!(goes(&hall, &refund), [2]);
    (hall, ann, refund)
}

/// Our refund as it stands now.
fn ours(hall: &Hall, refund: &Refund) -> Refund {
    let rows = hall.refunds_of(refund.booking).into_iter();
    let mut rows = rows.filter(|row| row.id == refund.id);
    rows.next().expect("the refund")
}

/// What the gateway made besides.
fn besides(hall: &Hall, booking: BookingId) -> Vec<Refund> {
    let mut rows = hall.refunds_of(booking);
    rows.retain(|row| row.cause == RefundCause::NotAskedFor);
    rows
}

/// For which goes at it there is a task.
fn goes(hall: &Hall, refund: &Refund) -> Vec<u32> {
    hall.generations(TaskKind::Refund, refund.id.uuid())
}

/// An answer to the first go.
fn answered(refund: &Refund, answer: RefundAnswer) -> Input {
    Input::RefundAnswered {
        refund: refund.id,
        generation: 1,
        attempt: 1,
        answer,
    }
}

/// What somebody has returned on the gateway's dashboard.
fn on_the_dashboard(hall: &Hall, refund: &Refund, id: &str, state: RefundState) -> RefundFact {
    let mut fact = hall.refund_fact(refund, state);
    (fact.refund, fact.generation) = (None, None);
    fact.gateway_refund_id = id.to_owned();
    fact
}

#[test]
fn that_an_earlier_go_failed_is_why_there_is_this_one() {
    // As a webhook, or as the slow answer to the first call.
    let as_answer = |refund: &Refund, fact| answered(refund, RefundAnswer::Told { fact });
    let as_webhook = |_: &Refund, fact| Input::Refund(fact);
    for told in [
        &as_answer as &dyn Fn(&Refund, RefundFact) -> Input,
        &as_webhook,
    ] {
        let (mut hall, ann, first) = at_the_second_go();
        let second = ours(&hall, &first);
        let failed = told(&first, hall.refund_fact(&first, Failed));
        assert_eq!(hall.cell(ann, &failed), Cell::RefundToldAgain);
        assert_eq!(hall.happens(ann, failed), Outcome::Done);
        assert_eq!(ours(&hall, &first).standing, UnderWay);
        assert_eq!(hall.attention(), Vec::<&str>::new());
        assert_eq!(goes(&hall, &first), [2], "which is still to be made");
        // It is remembered, so that its success, which is older news, moves nothing.
        let succeeded = told(&first, hall.refund_fact(&first, Succeeded));
        assert_eq!(hall.happens(ann, succeeded), Outcome::AlreadyKnown);
        assert_eq!(ours(&hall, &first).standing, UnderWay);
        let succeeded = Input::Refund(hall.refund_fact(&second, Succeeded));
        assert_eq!(hall.happens(ann, succeeded), Outcome::Done);
        assert_eq!(ours(&hall, &first).standing, Done);
        assert_eq!(hall.books().violations(), []);
    }
}

/// The money does not care which key moved it, nor which brought it back.
#[test]
fn an_earlier_go_may_be_the_one_that_moved_the_money() {
    let (mut hall, ann, first) = at_the_second_go();
    let succeeded = Input::Refund(hall.refund_fact(&first, Succeeded));
    assert_eq!(hall.cell(ann, &succeeded), Cell::RefundDone);
    assert_eq!(hall.happens(ann, succeeded), Outcome::Done);
    assert_eq!(ours(&hall, &first).standing, Done);
    let failed = Input::Refund(hall.refund_fact(&first, Failed));
    assert_eq!(hall.cell(ann, &failed), Cell::RefundFailedAfterDone);
    assert_eq!(hall.happens(ann, failed), Outcome::NeedsPerson);
    assert_eq!(ours(&hall, &first).standing, WithOperator);
    assert_eq!(hall.attention(), ["refund_came_back"]);
    assert_eq!(hall.books().violations(), []);
}

#[test]
fn a_late_answer_to_an_earlier_go_leaves_the_present_one_alone() {
    let (mut hall, ann, refund) = at_the_second_go();
    let why = || "late".to_owned();
    for answer in [
        RefundAnswer::Declined { why: why() },
        RefundAnswer::Unknown { why: why() },
        RefundAnswer::NothingAlive,
    ] {
        let late = answered(&refund, answer);
        assert_eq!(hall.happens(ann, late), Outcome::AlreadyKnown);
        assert_eq!(ours(&hall, &refund).standing, UnderWay);
        assert_eq!(ours(&hall, &refund).generation, 2);
        assert_eq!(goes(&hall, &refund), [2]);
    }
}

/// A gateway that answers the second go with what became of the first would say the same again, for ever.
#[test]
fn an_answer_about_another_refund_ends_with_a_person() {
    let (mut hall, ann, first) = at_the_second_go();
    let fact = hall.refund_fact(&first, Failed);
    let input = Input::RefundAnswered {
        refund: first.id,
        generation: 2,
        attempt: 1,
        answer: RefundAnswer::Told { fact },
    };
    assert_eq!(hall.happens(ann, input), Outcome::NeedsPerson);
    assert_eq!(ours(&hall, &first).standing, WithOperator);
    assert_eq!(goes(&hall, &first), Vec::<u32>::new());
}

/// What failed stays in the books as what it was at the gateway, and as nothing else.
#[test]
fn a_failure_is_remembered_by_the_gateways_name() {
    let (mut hall, ann, first) = at_the_second_go();
    let refund = ours(&hall, &first);
    for (state, outcome) in [(Succeeded, Outcome::Done), (Failed, Outcome::NeedsPerson)] {
        let fact = hall.refund_fact(&refund, state);
        assert_eq!(hall.happens(ann, Input::Refund(fact)), outcome);
    }
    let dead = besides(&hall, ann);
    assert_eq!(dead.len(), 1);
    let id = hall.refund_fact(&refund, Failed).gateway_refund_id;
    assert_eq!(dead[0].gateway_refund_id, Some(id));
    assert_eq!((dead[0].standing, dead[0].generation), (Withdrawn, 1));
    assert_eq!((dead[0].done_at, &dead[0].other_way), (None, &None));
    let row = ours(&hall, &refund);
    assert_eq!((row.standing, row.done_at), (WithOperator, None));
    assert_eq!(row.gateway_refund_id, None);
}

/// A person sends the money by bank; the gateway returns it after all, and then it comes back to us.
#[test]
fn how_a_person_sends_it_is_not_how_the_gateway_did() {
    let (mut hall, ann, refund) = under_way();
    let why = "closed account".to_owned();
    hall.happens(ann, answered(&refund, RefundAnswer::Declined { why }));
    let (id, means) = (refund.id, "bank transfer".to_owned());
    let other_way = Input::RefundOtherWay { refund: id, means };
    assert_eq!(hall.happens(ann, other_way), Outcome::Done);
    for (state, list) in [
        (Succeeded, vec!["contradiction"]),
        (Failed, vec!["contradiction", "refund_came_back"]),
    ] {
        let fact = hall.refund_fact(&refund, state);
        assert_eq!(hall.happens(ann, Input::Refund(fact)), Outcome::NeedsPerson);
        assert_eq!(hall.attention(), list);
    }
    let dead = besides(&hall, ann);
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].other_way, None);
}

#[test]
fn a_refund_is_known_by_our_name_for_it_or_by_the_gateways() {
    let (mut hall, ann, refund) = under_way();
    let pending = Input::Refund(hall.refund_fact(&refund, RefundState::Pending));
    assert_eq!(hall.happens(ann, pending), Outcome::Done);
    let mut nameless = hall.refund_fact(&refund, Succeeded);
    (nameless.refund, nameless.generation) = (None, None);
    assert_eq!(hall.happens(ann, Input::Refund(nameless)), Outcome::Done);
    assert_eq!(ours(&hall, &refund).standing, Done);
    assert_eq!(besides(&hall, ann), []);
}

/// Somebody has changed the reference at the gateway: a name counts in its own booking.
#[test]
fn a_refund_of_another_booking_is_not_this_ones() {
    let (mut hall, _, refund) = paid_twice();
    let bob = hall.hold("bob", &["A-2"]);
    let mut fact = hall.refund_fact(&refund, Succeeded);
    fact.gateway_payment_id = "pi_of_nobody".to_owned();
    assert_eq!(hall.happens(bob, Input::Refund(fact)), Outcome::NeedsPerson);
    assert_eq!(ours(&hall, &refund).standing, Requested);
    assert_eq!(hall.events_of(bob), ["HoldPlaced"]);
}

#[test]
fn what_is_pending_before_a_worker_has_it_is_pending_once_one_does() {
    let (mut hall, ann, refund) = paid_twice();
    let pending = || Input::Refund(hall.refund_fact(&refund, RefundState::Pending));
    let (first, again, once_more) = (pending(), pending(), pending());
    assert_eq!(hall.cell(ann, &first), Cell::RefundAccepted);
    assert_eq!(hall.happens(ann, first), Outcome::Done);
    let version = hall.status(ann).version;
    assert_eq!(hall.cell(ann, &again), Cell::RefundToldAgain);
    assert_eq!(hall.happens(ann, again), Outcome::AlreadyKnown);
    assert_eq!(hall.status(ann).version, version);
    assert_eq!(ours(&hall, &refund).standing, Requested);
    hall.happens(ann, Input::RefundTaken { refund: refund.id });
    assert_eq!(hall.cell(ann, &once_more), Cell::RefundAccepted);
    assert_eq!(hall.happens(ann, once_more), Outcome::Done);
    assert_eq!(ours(&hall, &refund).standing, Pending);
}

/// A person makes at the gateway what nobody makes at the moment: then nobody has to. Anything else that is made there
/// is money besides, and ours goes on.
#[test]
fn what_a_person_makes_at_the_gateway_takes_the_place_of_ours_if_it_is_the_same() {
    type Change = fn(&mut RefundFact);
    let same: Change = |_| {};
    let cases: [(Change, RefundStanding); 4] = [
        (same, Done),
        (|fact| fact.amount.minor -= 1, Requested),
        (
            |fact| fact.gateway_payment_id = "pi_1".to_owned(),
            Requested,
        ),
        (|fact| fact.state = Failed, Requested),
    ];
    for (nth, (change, standing)) in cases.into_iter().enumerate() {
        let (mut hall, ann, refund) = paid_twice();
        let mut fact = on_the_dashboard(&hall, &refund, "re_by_hand", Succeeded);
        change(&mut fact);
        hall.happens(ann, Input::Refund(fact));
        assert_eq!(ours(&hall, &refund).standing, standing, "case {nth}");
        let by_itself = usize::from(standing == Requested);
        assert_eq!(besides(&hall, ann).len(), by_itself, "case {nth}");
        assert_eq!(hall.books().violations(), [], "case {nth}");
    }
    // Nor where a worker is at it, or the gateway has ours already.
    let told = |hall: &mut Hall, ann, refund: &Refund| {
        let fact = on_the_dashboard(hall, refund, "re_by_hand", Succeeded);
        let before = ours(hall, refund).standing;
        assert_eq!(hall.happens(ann, Input::Refund(fact)), Outcome::NeedsPerson);
        assert_eq!(besides(hall, ann).len(), 1);
        before
    };
    let (mut hall, ann, refund) = under_way();
    assert_eq!(told(&mut hall, ann, &refund), UnderWay);
    assert_eq!(ours(&hall, &refund).standing, UnderWay);
    let (mut hall, ann, refund) = paid_twice();
    let pending = Input::Refund(hall.refund_fact(&refund, RefundState::Pending));
    hall.happens(ann, pending);
    assert_eq!(told(&mut hall, ann, &refund), Requested);
    assert_ne!(ours(&hall, &refund).standing, Done);
}

/// Under our name, and of another amount: what moved is counted. Ours is not made any more, unless it is done.
#[test]
fn another_amount_under_our_name_undoes_nothing_that_is_done() {
    let (mut hall, ann, refund) = under_way();
    let other = |hall: &Hall| {
        let mut fact = hall.refund_fact(&refund, Succeeded);
        fact.gateway_refund_id = "re_other".to_owned();
        fact.amount.minor = 400;
        Input::Refund(fact)
    };
    let input = other(&hall);
    assert_eq!(hall.happens(ann, input), Outcome::NeedsPerson);
    assert_eq!(ours(&hall, &refund).standing, Withdrawn);

    let (mut hall, ann, _) = under_way();
    let done = Input::Refund(hall.refund_fact(&refund, Succeeded));
    hall.happens(ann, done);
    let input = other(&hall);
    assert_eq!(hall.happens(ann, input), Outcome::NeedsPerson);
    assert_eq!(ours(&hall, &refund).standing, Done);
    assert_eq!(hall.books().violations(), []);
}

/// More is gone than was captured: as much of what has not left us is kept as was lost, and no more.
#[test]
fn a_loss_is_covered_once() {
    use DisputeStanding::{Lost, Won};
    for (lost, left) in [
        (500, [Withdrawn, WithOperator]),
        (1_000, [Withdrawn, Withdrawn]),
    ] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        hall.pays(ann, "pi_1", 1_000, PaymentState::Captured);
        for (dispute, standing) in [("dp_1", Lost), ("dp_2", Lost), ("dp_1", Won), ("dp_2", Won)] {
            hall.disputed(ann, (dispute, "pi_1"), 500, standing);
            let by = boxoffice_saga::booking::CancelledBy::Operator;
            if dispute == "dp_2" && standing == Lost {
                hall.happens(ann, Input::Cancel { by });
            }
        }
        let standings = |hall: &Hall| {
            let mut rows: Vec<_> = hall.refunds_of(ann);
            rows.sort_by_key(|row| row.standing.name());
            rows.iter().map(|row| row.standing).collect::<Vec<_>>()
        };
        // Each came back after the booking was gone: a person has both.
        assert_eq!(standings(&hall), [WithOperator, WithOperator]);
        hall.disputed(ann, ("dp_3", "pi_1"), lost, Lost);
        assert_eq!(standings(&hall), left);
        assert_eq!(hall.books().violations(), []);
    }
}

/// What a person has sent on its way cannot be kept any more: that it is gone twice is a loss.
#[test]
fn what_is_sent_another_way_is_not_kept_for_a_loss() {
    for sent in [false, true] {
        let (mut hall, ann, refund) = under_way();
        let why = "closed account".to_owned();
        hall.happens(ann, answered(&refund, RefundAnswer::Declined { why }));
        if sent {
            let (refund, means) = (refund.id, "bank transfer".to_owned());
            hall.happens(ann, Input::RefundOtherWay { refund, means });
        }
        hall.disputed(ann, ("dp_1", "pi_2"), 1_000, DisputeStanding::Lost);
        let expected = if sent { WithOperator } else { Withdrawn };
        assert_eq!(ours(&hall, &refund).standing, expected);
        assert_eq!(hall.books().violations(), []);
    }
}

/// Of a ticket's 1,000, told when it is done or from its beginning on.
#[test]
fn what_is_returned_on_the_dashboard_is_a_part_the_whole_or_more() {
    for (minor, cell) in [
        (999, Cell::ForeignPart),
        (1_000, Cell::ForeignWhole),
        (1_001, Cell::ForeignBesideOurs),
    ] {
        for begun in [false, true] {
            let (mut hall, ann, refund) = paid_twice();
            let told = |state| {
                let mut fact = on_the_dashboard(&hall, &refund, "re_foreign", state);
                fact.gateway_payment_id = "pi_1".to_owned();
                fact.amount.minor = minor;
                Input::Refund(fact)
            };
            let mut news = vec![
                (RefundState::Pending, Cell::ForeignPending),
                (Succeeded, cell),
                (Succeeded, Cell::ForeignToldAgain),
                (RefundState::Pending, Cell::ForeignToldAgain),
                (Failed, Cell::ForeignFailed),
                (Failed, Cell::ForeignToldAgain),
                (Succeeded, Cell::ForeignToldAgain),
            ];
            if !begun {
                news.remove(0);
            }
            let news: Vec<_> = news
                .into_iter()
                .map(|(state, cell)| (told(state), cell))
                .collect();
            for (input, cell) in news {
                assert_eq!(hall.cell(ann, &input), cell, "{minor}");
                let known = cell == Cell::ForeignToldAgain;
                let outcome = hall.happens(ann, input);
                assert_eq!(outcome == Outcome::AlreadyKnown, known, "{cell:?}");
                assert_eq!(hall.books().violations(), []);
            }
        }
    }
}

/// A refund in other money, or of nothing, cannot be counted: a person finds out.
#[test]
fn a_refund_that_cannot_be_of_this_money_is_not_counted() {
    let changes: [fn(&mut RefundFact); 3] = [
        |fact| fact.amount.currency = "EUR".parse().expect("a currency"),
        |fact| fact.amount.minor = 0,
        |fact| fact.amount.minor = -1,
    ];
    for change in changes {
        let (mut hall, ann, refund) = paid_twice();
        let mut fact = on_the_dashboard(&hall, &refund, "re_odd", Succeeded);
        fact.gateway_payment_id = "pi_1".to_owned();
        change(&mut fact);
        let told = Input::Refund(fact);
        assert_eq!(hall.cell(ann, &told), Cell::ForeignUnknownPayment);
        assert_eq!(hall.happens(ann, told), Outcome::NeedsPerson);
        assert_eq!(besides(&hall, ann), []);
        assert_eq!(hall.books().violations(), []);
    }
}

/// It is told before its payment, and its payment turns out to be of other money.
#[test]
fn a_refund_before_its_payment_counts_only_in_the_money_of_the_payment() {
    for (captured, standing) in [("INR", Done), ("EUR", Withdrawn)] {
        let mut hall = Hall::new();
        let ann = hall.hold("ann", &["A-1"]);
        let attempt = hall.opens_attempt(ann);
        hall.happens(
            ann,
            Input::AttemptCreated {
                payment: attempt,
                gateway_payment_id: "pi_1".to_owned(),
            },
        );
        let mut paid = hall.payment_fact(ann, Some(attempt), "pi_1", 1_000);
        paid.amount.currency = captured.parse().expect("a currency");
        let early = RefundFact {
            account: hall.account(),
            gateway_refund_id: "re_early".to_owned(),
            gateway_payment_id: "pi_1".to_owned(),
            reference: paid.reference.clone(),
            refund: None,
            generation: None,
            state: Succeeded,
            amount: hall.payment_fact(ann, None, "", 400).amount,
            live: false,
            reason: None,
        };
        hall.happens(ann, Input::Refund(early));
        let row = &besides(&hall, ann)[0];
        assert!(row.done_at.is_some());
        hall.happens(ann, Input::Payment(paid));
        let row = &besides(&hall, ann)[0];
        assert_eq!(row.standing, standing, "{captured}");
        assert_eq!(row.done_at.is_some(), standing == Done, "{captured}");
        assert_eq!(hall.books().violations(), []);
    }
}

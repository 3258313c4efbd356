//! The saga itself, in a small hall where everything happens in every order.

use boxoffice_model::hall::{Chances, Hall};
use boxoffice_model::{explore, is_full};
use boxoffice_saga::payment::CaptureMode::{self, AfterSeats, Automatic};

/// Two customers want the same seat, and pay.
fn two_buyers(capture: CaptureMode, set: fn(&mut Chances)) -> Hall {
    hall(&[0, 0], &[0, 1], capture, set)
}

/// Two want the same seat, and one of them pays: often too late.
fn late_payer(capture: CaptureMode, set: fn(&mut Chances)) -> Hall {
    hall(&[0, 0], &[0], capture, set)
}

/// One customer pays twice.
fn two_attempts(capture: CaptureMode, set: fn(&mut Chances)) -> Hall {
    hall(&[0], &[0, 0], capture, set)
}

/// One customer, one payment.
fn one_buyer(capture: CaptureMode, set: fn(&mut Chances)) -> Hall {
    hall(&[0], &[0], capture, set)
}

fn hall(
    bookings: &[usize],
    attempts: &[usize],
    capture: CaptureMode,
    set: fn(&mut Chances),
) -> Hall {
    let mut chances = Chances::default();
    set(&mut chances);
    Hall {
        seats: 1,
        bookings: bookings.iter().map(|seat| vec![*seat]).collect(),
        attempts: attempts.iter().map(|of| (*of, capture)).collect(),
        can_void: true,
        ticks: if capture == AfterSeats { 4 } else { 3 },
        chances,
    }
}

fn cannot_void(hall: Hall) -> Hall {
    Hall {
        can_void: false,
        ..hall
    }
}

/// One wants one of two seats, the other both.
fn overlapping() -> Hall {
    Hall {
        seats: 2,
        bookings: vec![vec![0], vec![0, 1]],
        ..two_buyers(Automatic, |_| {})
    }
}

fn holds(world: Hall) -> usize {
    let described = format!("{world:?}");
    let found = explore(world);
    eprintln!(
        "{} states, depth {}: {described}",
        found.states, found.depth
    );
    assert!(found.broken.is_empty(), "{described}\n{}", found.story());
    assert!(
        found.never.is_empty(),
        "{described}: never {:?}",
        found.never
    );
    found.states
}

fn all_hold(worlds: Vec<Hall>, at_least: usize) {
    let states: usize = worlds.into_iter().map(holds).sum();
    eprintln!("{states} states in all");
    assert!(
        states > at_least,
        "the worlds have shrunk to {states} states"
    );
}

#[test]
fn seats_and_payments() {
    let mut worlds = vec![
        two_buyers(Automatic, |_| {}),
        overlapping(),
        cannot_void(two_buyers(Automatic, |_| {})),
        two_attempts(Automatic, |_| {}),
        late_payer(Automatic, |c| (c.declined, c.lost, c.unknown) = (1, 1, 1)),
        one_buyer(Automatic, |c| {
            (c.declined, c.wrong_amounts, c.cancelled) = (1, 1, 1)
        }),
    ];
    if is_full() {
        worlds.push(two_buyers(Automatic, |c| (c.lost, c.unknown) = (1, 1)));
        worlds.push(two_buyers(Automatic, |c| {
            (c.declined, c.wrong_amounts) = (1, 1)
        }));
        worlds.push(two_attempts(Automatic, |c| c.cancelled = 1));
    }
    all_hold(worlds, 30_000);
}

#[test]
fn authorise_then_capture() {
    let mut worlds = vec![
        one_buyer(AfterSeats, |c| (c.run_out, c.cancelled, c.lost) = (1, 1, 1)),
        late_payer(AfterSeats, |c| (c.lost, c.run_out) = (1, 1)),
        cannot_void(one_buyer(AfterSeats, |c| c.cancelled = 1)),
    ];
    if is_full() {
        worlds.push(two_buyers(AfterSeats, |_| {}));
        worlds.push(two_attempts(AfterSeats, |_| {}));
        worlds.push(one_buyer(AfterSeats, |c| {
            (c.disputes, c.dashboard, c.cancelled) = (1, 1, 1);
        }));
    }
    all_hold(worlds, 30_000);
}

#[test]
fn refunds() {
    let mut worlds = vec![
        late_payer(Automatic, |c| {
            (c.refund_declined, c.refund_failed, c.by_hand) = (1, 1, 2);
        }),
        late_payer(Automatic, |c| {
            (c.refund_slow, c.refund_failed, c.by_hand, c.lost) = (1, 1, 1, 1);
        }),
        late_payer(Automatic, |c| (c.dashboard, c.refund_failed) = (1, 1)),
        late_payer(Automatic, |c| (c.sweeps, c.unknown) = (1, 1)),
        one_buyer(Automatic, |c| {
            (c.cancelled, c.refund_slow, c.dashboard) = (1, 1, 1)
        }),
    ];
    if is_full() {
        worlds.push(one_buyer(Automatic, |c| {
            (c.cancelled, c.refund_declined, c.refund_slow) = (2, 1, 1);
            (c.refund_failed, c.by_hand) = (1, 2);
        }));
    }
    all_hold(worlds, 10_000);
}

#[test]
fn money_that_others_move() {
    let mut worlds = vec![
        one_buyer(Automatic, |c| (c.disputes, c.cancelled) = (1, 1)),
        late_payer(Automatic, |c| {
            (c.disputes, c.dashboard, c.refund_failed, c.by_hand) = (1, 1, 1, 1);
        }),
    ];
    if is_full() {
        worlds.push(one_buyer(Automatic, |c| {
            (c.disputes, c.dashboard, c.cancelled) = (1, 1, 1);
            (c.refund_failed, c.by_hand) = (1, 1);
        }));
    }
    all_hold(worlds, 20_000);
}

#[test]
fn a_show_is_cancelled() {
    let mut worlds = vec![
        one_buyer(Automatic, |c| {
            (c.show_cancelled, c.cancelled, c.refund_declined) = (1, 1, 1)
        }),
        one_buyer(AfterSeats, |c| (c.show_cancelled, c.lost) = (1, 1)),
        late_payer(Automatic, |c| c.show_cancelled = 1),
    ];
    if is_full() {
        worlds.push(two_buyers(Automatic, |c| c.show_cancelled = 1));
        worlds.push(one_buyer(Automatic, |c| {
            (c.show_cancelled, c.cancelled, c.disputes) = (1, 1, 1);
            (c.refund_failed, c.by_hand) = (1, 1);
        }));
    }
    all_hold(worlds, 10_000);
}

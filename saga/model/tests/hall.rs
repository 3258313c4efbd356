use boxoffice_model::explore;
use boxoffice_model::hall::{Chances, Hall};
use boxoffice_saga::payment::CaptureMode::{AfterSeats, Automatic};

#[test]
fn tmp() {
    let e = |n: &str, d: u8| {
        std::env::var(n)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(d)
    };
    let t = std::time::Instant::now();
    let mode = if e("AS", 0) == 1 {
        AfterSeats
    } else {
        Automatic
    };
    let (bookings, attempts) = match e("W", 0) {
        0 => (vec![vec![0], vec![0]], vec![(0, mode), (1, mode)]),
        1 => (vec![vec![0]], vec![(0, mode), (0, mode)]),
        2 => (vec![vec![0], vec![0, 1]], vec![(0, mode), (1, mode)]),
        3 => (vec![vec![0]], vec![(0, mode)]),
        _ => (vec![vec![0], vec![0]], vec![(0, mode)]),
    };
    let found = explore(Hall {
        seats: 2,
        bookings,
        attempts,
        can_void: e("CV", 1) == 1,
        ticks: e("T", 3).into(),
        chances: Chances {
            declined: e("DE", 0),
            wrong_amounts: e("WR", 0),
            lost: e("LO", 0),
            unknown: e("UN", 0),
            refund_declined: e("RD", 0),
            refund_slow: e("RS", 0),
            refund_failed: e("RF", 0),
            dashboard: e("DA", 0),
            disputes: e("DI", 0),
            cancelled: e("CA", 0),
            show_cancelled: e("SC", 0),
            by_hand: e("BH", 0),
            sweeps: e("SW", 0),
            run_out: e("RO", 0),
        },
    });
    println!(
        "{} states, depth {} {:?} never {:?}\n{}",
        found.states,
        found.depth,
        t.elapsed(),
        found.never,
        found.story()
    );
}

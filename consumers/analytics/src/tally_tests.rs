use boxoffice_saga::money::Money;
use proptest::prelude::*;
use proptest::sample::Index;
use time::Duration;
use time::macros::datetime;

use super::*;
use crate::event::What;

fn booking(show: u64, nth: u64) -> BookingId {
    BookingId::pack(1, ShowId::try_from(show).unwrap(), nth)
}

fn event(booking_id: BookingId, sequence: u32, hours: i64, what: What) -> Event {
    Event {
        booking_id,
        show_id: booking_id.show(),
        sequence,
        at: datetime!(2026-02-03 22:00 UTC) + Duration::hours(hours),
        what,
    }
}

fn money(minor: i64) -> Money {
    Money::new(minor, "INR".parse().unwrap())
}

#[test]
fn an_event_that_comes_again_is_not_counted_again() {
    let (one, two) = (booking(7, 1), booking(7, 2));
    let mut tally = Tally::after([(two, 4)].into());
    for event in [
        event(one, 1, 0, What::HoldPlaced),
        event(one, 1, 0, What::HoldPlaced),
        event(one, 2, 3, What::HoldExpired),
        event(one, 1, 0, What::HoldPlaced),
        event(two, 4, 0, What::HoldExpired),
    ] {
        tally.count(&event).unwrap();
    }
    let counts: Vec<Counts> = tally.counts.values().copied().collect();
    let none = Counts::default();
    let (placed, expired) = (
        Counts {
            holds_placed: 1,
            ..none
        },
        Counts {
            holds_expired: 1,
            ..none
        },
    );
    assert_eq!(counts, [placed, expired], "each on its own day");
    assert_eq!(tally.advanced, [(one, 2)].into());
    assert_eq!((tally.counted, tally.gaps), (2, 0));
}

#[test]
fn a_gap_is_told_and_what_comes_after_it_counts() {
    let one = booking(7, 1);
    let mut tally = Tally::default();
    for (sequence, what) in [
        (2, What::Unknown),
        (3, What::HoldExpired),
        (9, What::HoldPlaced),
    ] {
        tally.count(&event(one, sequence, 0, what)).unwrap();
    }
    assert_eq!(tally.gaps, 2);
    assert_eq!(tally.counts.values().next().unwrap().holds_placed, 1);
}

#[test]
fn an_unknown_type_is_seen_and_counts_nothing() {
    let one = booking(7, 1);
    let mut tally = Tally::default();
    tally.count(&event(one, 1, 0, What::Unknown)).unwrap();
    assert_eq!(tally.advanced, [(one, 1)].into());
    assert!(tally.counts.is_empty() && tally.takings.is_empty());
}

#[test]
fn money_that_no_column_holds_is_refused() {
    let amount = money(i64::MAX);
    let mut tally = Tally::default();
    let refund = |nth| event(booking(7, nth), 1, 0, What::RefundCompleted { amount });
    assert_eq!(tally.count(&refund(1)), Ok(()));
    assert_eq!(tally.count(&refund(2)), Err(Overflow));
}

/// Totals and what was seen, as the tables keep them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    seen: BTreeMap<BookingId, i64>,
    counts: BTreeMap<(ShowId, Date), Counts>,
    takings: BTreeMap<(ShowId, Date, Currency), Takings>,
    gaps: u64,
}

impl Kept {
    fn add(&mut self, batch: &[Event]) {
        let seen = batch
            .iter()
            .filter_map(|event| Some((event.booking_id, *self.seen.get(&event.booking_id)?)));
        let mut tally = Tally::after(seen.collect());
        for event in batch {
            tally.count(event).unwrap();
        }
        self.seen.extend(tally.advanced);
        for (key, more) in tally.counts {
            *self.counts.entry(key).or_default() += more;
        }
        for (key, more) in tally.takings {
            let takings = self.takings.entry(key).or_default();
            *takings = takings.plus(more).unwrap();
        }
        self.gaps += tally.gaps;
    }
}

fn anything() -> impl Strategy<Value = What> {
    let amount = || (0..1_000_000_i64).prop_map(money);
    prop_oneof![
        Just(What::HoldPlaced),
        Just(What::HoldExpiring),
        Just(What::HoldExpired),
        any::<bool>().prop_map(|replaced| What::HoldReleased { replaced }),
        Just(What::PaymentCompleted),
        Just(What::PaymentFailed),
        (0..5_usize, amount()).prop_map(|(seats, amount)| What::BookingConfirmed {
            seats: vec!["A-1".to_owned(); seats],
            amount,
        }),
        Just(What::BookingCancelled),
        Just(What::BookingFailedInitiateRefund),
        Just(What::PaymentRejectedInitiateRefund),
        Just(What::RefundInitiated),
        amount().prop_map(|amount| What::RefundCompleted { amount }),
        Just(What::RefundFailed),
        Just(What::Unknown),
    ]
}

/// A log as the relay writes it: per booking in order, bookings mixed.
fn log() -> impl Strategy<Value = Vec<Event>> {
    let step = (1..3_u64, 0..4_u64, 0..60_i64, anything());
    proptest::collection::vec(step, 1..60).prop_map(|steps| {
        let mut last = BTreeMap::new();
        let number = |(show, nth, hours, what)| {
            let booking = booking(show, nth);
            let sequence: &mut u32 = last.entry(booking).or_default();
            *sequence += 1;
            event(booking, *sequence, hours, what)
        };
        steps.into_iter().map(number).collect()
    })
}

proptest! {
    /// The relay repeats stretches of what it has published, and batches end anywhere.
    #[test]
    fn totals_do_not_depend_on_repeats_or_batches(
        log in log(),
        repeats in proptest::collection::vec((any::<Index>(), any::<Index>()), 0..6),
        cuts in proptest::collection::vec(any::<Index>(), 0..8),
    ) {
        let mut delivered = log.clone();
        for (to, from) in repeats {
            // From the back on, what was delivered up to `to` is delivered again from `from` on.
            let to = to.index(delivered.len()) + 1;
            let again = delivered[from.index(to)..to].to_vec();
            delivered.splice(to..to, again);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(delivered.len())).collect();
        cuts.extend([0, delivered.len()]);
        cuts.sort_unstable();
        let mut kept = Kept::default();
        for cut in cuts.windows(2) {
            kept.add(&delivered[cut[0]..cut[1]]);
        }

        // The plain recount: every event of the log, once.
        let mut plain = Kept::default();
        for event in &log {
            plain.seen.insert(event.booking_id, event.sequence.into());
            let (show, day) = (event.show_id, event.day());
            let counts = event.what.counts();
            if counts != Counts::default() {
                *plain.counts.entry((show, day)).or_default() += counts;
            }
            if let Some((currency, more)) = event.what.takings() {
                let takings = plain.takings.entry((show, day, currency)).or_default();
                *takings = takings.plus(more).unwrap();
            }
        }
        prop_assert_eq!(kept, plain);
    }
}

//! The hall that this build has made, against the tables.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_saga::identity::{BookingId, RefundId, ShowId};
use boxoffice_saga::promises::Books;
use boxoffice_saga::refund::Refund;

use super::difference::{self, Difference, Fields};
use super::hall::Hall;

/// Names every field that differs, of the bookings that `wanted` names and of all seats.
pub fn compare(
    show: ShowId,
    hall: &Hall,
    books: &Books,
    wanted: impl Fn(BookingId) -> bool,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differ =
        |booking: Option<BookingId>, what: &str, ours: Option<Fields>, made: Option<Fields>| {
            let there = |fields: &Option<Fields>| {
                fields.as_ref().map_or("not there", |_| "there").to_owned()
            };
            let (Some(ours), Some(made)) = (&ours, &made) else {
                if ours.is_some() != made.is_some() {
                    found.push(Difference {
                        show,
                        booking,
                        entry: None,
                        what: what.to_owned(),
                        recorded: there(&ours),
                        replayed: there(&made),
                    });
                }
                return;
            };
            for (field, recorded) in ours {
                let replayed = made.get(field).cloned().unwrap_or_default();
                if *recorded != replayed {
                    found.push(Difference {
                        show,
                        booking,
                        entry: None,
                        what: format!("{what}, {field}"),
                        recorded: recorded.clone(),
                        replayed,
                    });
                }
            }
        };
    let bookings: BTreeSet<BookingId> = books
        .bookings
        .keys()
        .chain(hall.bookings.keys())
        .copied()
        .filter(|id| wanted(*id))
        .collect();
    for id in &bookings {
        differ(
            Some(*id),
            &format!("booking {id}"),
            books.bookings.get(id).map(difference::booking),
            hall.bookings.get(id).map(difference::booking),
        );
    }
    let made = || {
        bookings
            .iter()
            .filter_map(|id| hall.payments.get(id))
            .flatten()
    };
    let stored = books
        .payments
        .values()
        .filter(|row| bookings.contains(&row.booking));
    let mut seen = BTreeSet::new();
    for row in stored.chain(made().map(|(_, row)| row)) {
        if seen.insert(row.id) {
            let replayed = hall
                .payments
                .get(&row.booking)
                .and_then(|of| of.get(&row.id));
            differ(
                Some(row.booking),
                &format!("payment {}", row.id),
                books.payments.get(&row.id).map(difference::payment),
                replayed.map(difference::payment),
            );
        }
    }
    let stored: BTreeMap<RefundId, &Refund> = books
        .refunds
        .iter()
        .filter(|row| bookings.contains(&row.booking))
        .map(|row| (row.id, row))
        .collect();
    let made: BTreeMap<RefundId, &Refund> = bookings
        .iter()
        .filter_map(|id| hall.refunds.get(id))
        .flatten()
        .map(|(id, row)| (*id, row))
        .collect();
    let ids: BTreeSet<RefundId> = stored.keys().chain(made.keys()).copied().collect();
    for id in ids {
        let (recorded, replayed) = (stored.get(&id), made.get(&id));
        differ(
            recorded.or(replayed).map(|row| row.booking),
            &format!("refund {id}"),
            recorded.map(|row| difference::refund(row)),
            replayed.map(|row| difference::refund(row)),
        );
    }
    for row in &books.seats {
        let replayed = hall.seats.get(&row.key.seat);
        differ(
            row.booking,
            &format!("seat {}", row.key.seat),
            Some(difference::seat(row)),
            replayed.map(difference::seat),
        );
    }
    found
}

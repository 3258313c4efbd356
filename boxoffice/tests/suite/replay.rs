//! A journal that an earlier build has written is read by every later one, and means the same.
//!
//! `tests/journals/` holds journals of several stories, for each release that changed what a journal says. Their tests
//! write them, with the variable WRITE_JOURNALS_TO set to a directory. Before the first release they are written anew
//! where a journal's meaning had to change.

use std::collections::BTreeMap;

use boxoffice::replay::difference::{Fields, booking, payment, refund};
use boxoffice::replay::hall::Hall;
use boxoffice::replay::recording::{Beginning, Line};
use boxoffice_saga::identity::ShowId;
use boxoffice_turn::postgres::PgStore;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

/// By the name of the story: all that can happen to a booking and its money; money that is reserved, taken
/// or given up; disputes and refunds on
/// the gateway's dashboard; refunds that a person sends on their way again, or another way.
const JOURNALS: [(&str, &str); 6] = [
    ("audited", include_str!("../journals/2026-11/audited.json")),
    (
        "reserved",
        include_str!("../journals/2026-11/reserved.json"),
    ),
    (
        "given-up",
        include_str!("../journals/2026-11/given-up.json"),
    ),
    (
        "disputed",
        include_str!("../journals/2026-11/disputed.json"),
    ),
    ("retried", include_str!("../journals/2026-11/retried.json")),
    (
        "other-way",
        include_str!("../journals/2026-11/other-way.json"),
    ),
];

/// A show's journal, and the rows that it leads to.
#[derive(Serialize, Deserialize)]
struct Journal {
    beginning: Beginning,
    lines: Vec<Line>,
    /// By id: bookings, payments and refunds.
    ends: BTreeMap<String, BTreeMap<String, String>>,
}

fn ends(hall: &Hall) -> BTreeMap<String, BTreeMap<String, String>> {
    let named = |fields: Fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let mut ends = BTreeMap::new();
    for row in hall.bookings.values() {
        ends.insert(row.id.to_string(), named(booking(row)));
    }
    for row in hall.payments.values().flat_map(BTreeMap::values) {
        ends.insert(row.id.to_string(), named(payment(row)));
    }
    for row in hall.refunds.values().flat_map(BTreeMap::values) {
        ends.insert(row.id.to_string(), named(refund(row)));
    }
    ends
}

/// Writes the journal of `show` to the directory that the variable names, if it is set.
pub async fn record(database: &PgPool, show: ShowId, story: &str) {
    let Some(directory) = std::env::var_os("WRITE_JOURNALS_TO") else {
        return;
    };
    let store = PgStore::reading(PgConnectOptions::clone(&database.connect_options()), 1);
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let beginning = Beginning::read(&mut snapshot, show)
        .await
        .expect("an answer")
        .expect("a show with seats");
    type Row = (i64, uuid::Uuid, time::OffsetDateTime, String, String);
    let rows: Vec<Row> = sqlx::query_as(
        "select entry, booking_id, at, input, outcome from journal where show_id = $1 order by entry",
    )
    .bind(show.as_i64())
    .fetch_all(&mut *snapshot)
    .await
    .expect("a journal");
    let lines: Vec<Line> = rows
        .into_iter()
        .map(|(entry, booking, at, input, outcome)| Line {
            entry,
            booking: booking.try_into().expect("a booking"),
            at,
            input: serde_json::from_str(&input).expect("JSON"),
            outcome: serde_json::from_str(&outcome).expect("JSON"),
        })
        .collect();
    let mut hall = beginning.hall();
    for line in &lines {
        line.replay(&mut hall, show);
    }
    let journal = Journal {
        beginning,
        lines,
        ends: ends(&hall),
    };
    let text = serde_json::to_string_pretty(&journal).expect("JSON");
    let file = std::path::Path::new(&directory)
        .join(story)
        .with_extension("json");
    std::fs::write(file, text + "\n").expect("a file");
}

#[test]
fn journals_of_earlier_builds_mean_the_same() {
    for (name, text) in JOURNALS {
        let journal: Journal = serde_json::from_str(text).expect("a journal");
        let show = journal.beginning.show;
        let mut hall = journal.beginning.hall();
        for line in &journal.lines {
            let difference = line.replay(&mut hall, show);
            assert_eq!(difference, None, "{name}");
        }
        hall.finish();
        // Fields may be added.
        let now = ends(&hall);
        assert_eq!(
            journal.ends.keys().collect::<Vec<_>>(),
            now.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (id, fields) in &journal.ends {
            for (field, value) in fields {
                assert_eq!(now[id].get(field), Some(value), "{name}: {field} of {id}");
            }
        }
    }
}

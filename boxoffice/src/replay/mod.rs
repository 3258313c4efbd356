//! `boxoffice replay`: the journal of live bookings through this build, before it is deployed. Read only.
//!
//! A booking's outcome depends on who had its seats, so a show's whole journal is replayed, entry by entry, from
//! empty seats on; what operators did to seats beside the saga is done at its time. Then the rows that this build
//! has made are held against the tables. Each show is one snapshot; the journal is not kept in memory.

pub mod compare;
pub mod difference;
pub mod hall;
pub mod recording;

use std::collections::BTreeSet;

use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::{PgStore, Whose, books_in};
use futures::TryStreamExt;
use serde::Serialize;
use sqlx::PgConnection;

use difference::Difference;
use recording::{Beginning, Line};

/// At most so many differences are named per show; the rest is counted. One changed rule has many consequences.
const NAMED: usize = 100;

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replayed {
    /// Shows whose journals were replayed.
    pub shows: usize,
    /// Bookings that were compared.
    pub bookings: usize,
    /// Entries that were applied again.
    pub entries: usize,
    /// Shows with live bookings whose seats were removed, so that nothing can be said of them.
    pub without_seats: Vec<ShowId>,
    /// What this build would do otherwise.
    pub differences: Vec<Difference>,
    /// How many more there are than are named.
    pub more: usize,
}

/// Replays every show that has a live booking and compares those; with `all`, every show and booking. `step` hears
/// how many of how many shows are done.
///
/// A booking is live while it is held, or confirmed for a show that has not begun, or money of it is undecided or a
/// refund open.
///
/// # Errors
/// When the database cannot be read.
pub async fn replay(
    store: &PgStore,
    all: bool,
    step: impl Fn(usize, usize),
) -> Result<Replayed, TurnError> {
    let mut replayed = Replayed::default();
    let shows = sqlx::query_scalar!(
        r#"select distinct b.show_id as "show!"
           from bookings b join shows s using (show_id)
           where $1 or b.state = 'HELD' or (b.state = 'CONFIRMED' and s.starts_at > clock_timestamp())
              or exists (select from payments p where p.booking_id = b.booking_id
                           and p.standing in ('OPEN', 'AUTHORISED', 'GIVING_UP'))
              or exists (select from refunds r where r.booking_id = b.booking_id
                           and r.standing not in ('DONE', 'WITHDRAWN'))
           order by 1"#,
        all
    )
    .fetch_all(store.pool())
    .await?;
    for (nth, number) in shows.iter().enumerate() {
        let show = ShowId::try_from(*number)
            .map_err(|error| TurnError::Corrupt(format!("show {number}: {error}")))?;
        let mut snapshot = store.snapshot().await?;
        one(&mut snapshot, show, all, &mut replayed).await?;
        snapshot.commit().await?;
        step(nth + 1, shows.len());
    }
    Ok(replayed)
}

async fn one(
    db: &mut PgConnection,
    show: ShowId,
    all: bool,
    replayed: &mut Replayed,
) -> Result<(), TurnError> {
    let live = live(db, show).await?;
    let wanted = |booking: BookingId| all || live.contains(&booking);
    let Some(beginning) = Beginning::read(db, show).await? else {
        replayed.without_seats.push(show);
        return Ok(());
    };
    let mut found = Vec::new();
    let mut hall = beginning.hall();
    {
        let mut lines = sqlx::query!(
            "select j.entry, j.booking_id, j.at, j.input, j.outcome
             from bookings b join journal j using (booking_id)
             where b.show_id = $1 order by j.entry",
            show.as_i64()
        )
        .fetch(&mut *db);
        while let Some(row) = lines.try_next().await? {
            let json = |text: &str| {
                serde_json::from_str(text).map_err(|error| {
                    TurnError::Corrupt(format!("journal entry {}: {error}", row.entry))
                })
            };
            let line = Line {
                entry: row.entry,
                booking: BookingId::try_from(row.booking_id).map_err(|error| {
                    TurnError::Corrupt(format!("booking {}: {error}", row.booking_id))
                })?,
                at: row.at,
                input: json(&row.input)?,
                outcome: json(&row.outcome)?,
            };
            replayed.entries += 1;
            let difference = line.replay(&mut hall, show);
            found.extend(difference.filter(|_| wanted(line.booking)));
        }
    }
    hall.finish();
    let books = books_in(db, Whose::Show(show)).await?;
    found.extend(compare::compare(show, &hall, &books, wanted));
    replayed.shows += 1;
    replayed.bookings += books.bookings.keys().filter(|id| wanted(**id)).count();
    replayed.more += found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    replayed.differences.extend(found);
    Ok(())
}

async fn live(db: &mut PgConnection, show: ShowId) -> Result<BTreeSet<BookingId>, TurnError> {
    let ids = sqlx::query_scalar!(
        "select b.booking_id
         from bookings b join shows s using (show_id)
         where b.show_id = $1
           and (b.state = 'HELD' or (b.state = 'CONFIRMED' and s.starts_at > clock_timestamp())
                or exists (select from payments p where p.booking_id = b.booking_id
                             and p.standing in ('OPEN', 'AUTHORISED', 'GIVING_UP'))
                or exists (select from refunds r where r.booking_id = b.booking_id
                             and r.standing not in ('DONE', 'WITHDRAWN')))",
        show.as_i64()
    )
    .fetch_all(db)
    .await?;
    ids.into_iter()
        .map(|id| {
            BookingId::try_from(id)
                .map_err(|error| TurnError::Corrupt(format!("booking {id}: {error}")))
        })
        .collect()
}

impl Replayed {
    /// Whether this build would do the same.
    pub const fn same(&self) -> bool {
        self.differences.is_empty()
    }

    /// For a person at a terminal.
    pub fn in_words(&self) -> String {
        let mut text = format!(
            "{} shows, {} bookings, {} entries of the journal\n",
            self.shows, self.bookings, self.entries
        );
        for show in &self.without_seats {
            text.push_str(&format!(
                "show {show} has live bookings and no seats any more: nothing can be said of it\n"
            ));
        }
        if self.same() {
            text.push_str("this build would do the same\n");
        }
        for difference in &self.differences {
            let place = match (difference.booking, difference.entry) {
                (Some(booking), Some(entry)) => format!("booking {booking}, entry {entry}: "),
                _ => String::new(),
            };
            text.push_str(&format!(
                "DIFFERS show {}: {place}{}\n  recorded: {}\n  this build: {}\n",
                difference.show, difference.what, difference.recorded, difference.replayed
            ));
        }
        if self.more > 0 {
            text.push_str(&format!("and {} more\n", self.more));
        }
        text
    }
}

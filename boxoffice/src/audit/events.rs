//! EVENT-1: the outbox holds every event of every booking in its order, and the relay gets on with it.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::promises::{LONGEST_UNDECIDED, Promise};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use time::OffsetDateTime;

use super::finding::{Finding, Rule};

const EVENT_1: Rule = Rule::Promise(Promise::Event1);
/// At most so many suspects are looked at.
const NAMED: i64 = 200;

/// What waits for the relay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    /// How many records.
    pub records: i64,
    /// Since when the oldest.
    pub oldest: Option<OffsetDateTime>,
}

/// Looks at the retained outbox and the relay's cursor.
///
/// # Errors
/// When the database cannot be read.
pub async fn look(store: &PgStore) -> Result<(Waiting, Vec<Finding>), TurnError> {
    let mut found = in_order(store).await?;
    found.extend(from_the_first(store).await?);
    let (waiting, late) = relay(store).await?;
    found.extend(late);
    Ok((waiting, found))
}

/// One statement finds whom to look at, the predicate judges: their events and rows in one snapshot.
///
/// # Errors
/// When the database cannot be read.
pub async fn in_order(store: &PgStore) -> Result<Vec<Finding>, TurnError> {
    let suspects = sqlx::query_scalar!(
        r#"select distinct e.booking_id as "booking!"
           from (select booking_id, sequence,
                        lag(sequence) over in_order as before, lead(sequence) over in_order as after
                 from outbox where booking_id is not null and sequence is not null
                 window in_order as (partition by booking_id order by position)) e
           left join bookings b using (booking_id)
           where b.booking_id is null or e.sequence <> e.before + 1
              or (e.after is null and e.sequence <> b.sequence)
           limit $1"#,
        NAMED
    )
    .fetch_all(store.pool())
    .await?;
    let suspects: Vec<BookingId> = suspects
        .into_iter()
        .filter_map(|id| BookingId::try_from(id).ok())
        .collect();
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    let books = store.events(&suspects).await?;
    let violations = books.violations().into_iter();
    Ok(violations
        .filter(|violation| violation.promise == Promise::Event1)
        .map(Finding::from)
        .collect())
}

/// A booking that is younger than what is retained has all its events there. The outbox is emptied a table of 2^20
/// positions at a time, so before that many were drawn it has everything; and a turn is over in less than a minute.
async fn from_the_first(store: &PgStore) -> Result<Vec<Finding>, TurnError> {
    let rows = sqlx::query!(
        r#"select b.booking_id, b.sequence
           from bookings b
           where b.held_at > (select case when p.last_value >> 20 = 0 then '-infinity'::timestamptz
                                          else (select min(at) + interval '1 minute' from outbox) end
                              from outbox_position p)
             and not exists (select from outbox o where o.booking_id = b.booking_id and o.sequence = 1)
           limit $1"#,
        NAMED
    )
    .fetch_all(store.pool())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            Finding::new(
                EVENT_1,
                BookingId::try_from(row.booking_id).ok(),
                format!(
                    "booking {} has had {} events, and the first of them is not in the outbox",
                    row.booking_id, row.sequence
                ),
            )
        })
        .collect())
}

/// Nothing waits for long, and the cursor is not ahead of what it publishes.
async fn relay(store: &PgStore) -> Result<(Waiting, Vec<Finding>), TurnError> {
    // Without a cursor nothing is published.
    let row = sqlx::query!(
        r#"select clock_timestamp() as "now!", count(o.position) as "records!", min(o.at) as oldest,
                  coalesce((select pg_snapshot_xmax(s1) > pg_snapshot_xmax(pg_current_snapshot())
                            from relay_cursor), false) as "ahead!"
           from outbox o left join relay_cursor c on true
           where c.s1 is null
              or (not pg_visible_in_snapshot(o.xact, c.s1)
                  and not (c.s2 is not null and pg_visible_in_snapshot(o.xact, c.s2)
                           and o.position <= c.last_position))"#
    )
    .fetch_one(store.pool())
    .await?;
    let mut found = Vec::new();
    if row.ahead {
        found.push(Finding::new(
            EVENT_1,
            None,
            "the relay's cursor is ahead of the database, so what is committed now would be passed by; \
             was it restored from a dump? see boxoffice relay --readopt",
        ));
    }
    if let Some(oldest) = row.oldest.filter(|at| row.now - *at > LONGEST_UNDECIDED) {
        found.push(Finding::new(
            EVENT_1,
            None,
            format!(
                "{} records wait to be published, the oldest since {oldest}",
                row.records
            ),
        ));
    }
    let waiting = Waiting {
        records: row.records,
        oldest: row.oldest,
    };
    Ok((waiting, found))
}

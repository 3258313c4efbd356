//! A look at committed rows, without locks: who is sure to lose?
//!
//! It may only refuse. A loser's seat belongs, in one snapshot, to somebody else, and will do so for a while
//! yet. Whoever holds the seat themselves (a newer hold replaces theirs), and whoever may have an answer under
//! their idempotency key, goes through the turn.

use std::collections::{BTreeSet, HashMap, HashSet};

use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_turn::TurnError;
use sqlx::PgPool;

use super::HoldRequest;

/// Who holds a seat that is not for sale, if somebody does.
pub(super) type Holder = Option<String>;
/// Seats of a show that are not for sale.
pub(super) type Held = HashMap<SeatName, Holder>;

impl HoldRequest {
    /// Those of its seats that somebody else has, by what is known of seats that are not for sale.
    pub(super) fn lost<'a>(
        &self,
        known: impl Fn(&SeatName) -> Option<&'a Holder>,
    ) -> Vec<SeatName> {
        let is_lost = |seat: &&SeatName| {
            known(seat).is_some_and(|holder| holder.as_deref() != Some(self.user.0.as_str()))
        };
        self.seats.iter().filter(is_lost).cloned().collect()
    }
}

/// For each request, the seats that it is sure to lose, empty for those who may win; and by show, what was seen.
pub(super) async fn losers(
    db: &PgPool,
    requests: &[&HoldRequest],
) -> Result<(Vec<Vec<SeatName>>, HashMap<ShowId, Held>), TurnError> {
    let held = held(db, requests).await?;
    let mut lost: Vec<Vec<SeatName>> = requests
        .iter()
        .map(|request| {
            held.get(&request.show)
                .map_or_else(Vec::new, |held| request.lost(|seat| held.get(seat)))
        })
        .collect();
    // The keys are read after the seats: a twin that took them has its answer there by now.
    let answered = answered(db, requests, &lost).await?;
    for (lost, request) in lost.iter_mut().zip(requests) {
        let known = request.key.as_ref().is_some_and(|key| {
            answered.contains(&(key.user.0.clone(), key.route.clone(), key.key.clone()))
        });
        if known {
            lost.clear();
        }
    }
    Ok((lost, held))
}

async fn held(db: &PgPool, requests: &[&HoldRequest]) -> Result<HashMap<ShowId, Held>, TurnError> {
    let wanted: BTreeSet<(i64, &SeatName)> = requests
        .iter()
        .flat_map(|request| {
            request
                .seats
                .iter()
                .map(|seat| (request.show.as_i64(), seat))
        })
        .collect();
    let shows: Vec<i64> = wanted.iter().map(|(show, _)| *show).collect();
    let seats: Vec<String> = wanted.iter().map(|(_, seat)| (*seat).clone()).collect();
    // The margin: a hold that ends within it may be over when its seat would be locked.
    let rows = sqlx::query!(
        r#"select s.show_id, s.seat, b.user_id as "holder?"
           from show_seats s
           left join bookings b on s.state = 'HELD' and b.booking_id = s.booking_id
           where (s.show_id, s.seat) in (select * from unnest($1::bigint[], $2::text[]))
             and (s.state in ('BOOKED', 'BLOCKED', 'CANCELLED')
                  or s.state = 'HELD' and s.reclaim_at > clock_timestamp() + interval '250 milliseconds')"#,
        &shows,
        &seats,
    )
    .fetch_all(db)
    .await?;
    let mut held: HashMap<ShowId, Held> = HashMap::new();
    for row in rows {
        let show =
            ShowId::try_from(row.show_id).map_err(|error| TurnError::Corrupt(error.to_string()))?;
        held.entry(show).or_default().insert(row.seat, row.holder);
    }
    Ok(held)
}

/// The losers' keys that are known.
async fn answered(
    db: &PgPool,
    requests: &[&HoldRequest],
    lost: &[Vec<SeatName>],
) -> Result<HashSet<(String, String, String)>, TurnError> {
    let keys: Vec<_> = requests
        .iter()
        .zip(lost)
        .filter(|(_, lost)| !lost.is_empty())
        .filter_map(|(request, _)| request.key.as_ref())
        .collect();
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query!(
        "select user_id, route, key from idempotency_keys
         where (user_id, route, key) in (select * from unnest($1::text[], $2::text[], $3::text[]))",
        &keys
            .iter()
            .map(|key| key.user.0.clone())
            .collect::<Vec<_>>(),
        &keys.iter().map(|key| key.route.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.key.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.user_id, row.route, row.key))
        .collect())
}

//! Taking seats off sale and giving them back: all that are named, or none.

use std::collections::BTreeSet;

use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_saga::seat::SeatState;
use boxoffice_saga::world::World;
use boxoffice_turn::{Appends, TurnError};
use serde::Serialize;
use sqlx::PgConnection;

use super::catalogue::ShowStatus;
use super::error::ShowError;
use super::new_show::seat_name;
use super::row;
use crate::operators::Act;

/// Takes seats off sale. A seat that somebody holds or has bought is not taken from them.
#[derive(Clone, Debug)]
pub struct BlockSeats {
    /// The show.
    pub show: ShowId,
    /// Which seats.
    pub seats: Vec<SeatName>,
}

/// Gives blocked seats back for sale.
#[derive(Clone, Debug)]
pub struct UnblockSeats {
    /// The show.
    pub show: ShowId,
    /// Which seats.
    pub seats: Vec<SeatName>,
}

/// Seats were blocked or unblocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = SeatsChanged)]
pub struct Blocked {
    /// The show.
    pub show_id: ShowId,
    /// Those that have changed; the others were like that before.
    #[schema(value_type = Vec<String>)]
    pub changed: Vec<SeatName>,
}

impl Act for BlockSeats {
    type Done = Blocked;
    type Error = ShowError;

    fn what(&self) -> &'static str {
        "show.block"
    }

    fn subject(&self, _: &Blocked) -> String {
        self.show.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<Blocked, ShowError> {
        set_all(db, self.show, &self.seats, SeatState::Blocked).await
    }
}

impl Act for UnblockSeats {
    type Done = Blocked;
    type Error = ShowError;

    fn what(&self) -> &'static str {
        "show.unblock"
    }

    fn subject(&self, _: &Blocked) -> String {
        self.show.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<Blocked, ShowError> {
        set_all(db, self.show, &self.seats, SeatState::Available).await
    }
}

/// Sets every seat to `into`, which is available or blocked.
async fn set_all(
    db: &mut PgConnection,
    id: ShowId,
    seats: &[SeatName],
    into: SeatState,
) -> Result<Blocked, ShowError> {
    let names = each_once(seats)?;
    let show = row::lock(db, id).await?;
    show.open()?;
    if show.status == ShowStatus::Draft {
        return Err(ShowError::NotOnSale(id));
    }
    let states = locked(db, id, &names).await?;
    let found = |name: &&SeatName| states.iter().any(|(seat, _)| seat == *name);
    let unknown: Vec<_> = names.iter().filter(|name| !found(name)).cloned().collect();
    if !unknown.is_empty() {
        return Err(ShowError::UnknownSeats(unknown));
    }
    let of = |wanted: Option<SeatState>| -> Vec<SeatName> {
        let these = states.iter().filter(|(_, state)| *state == wanted);
        these.map(|(seat, _)| seat.clone()).collect()
    };
    let taken = of(None);
    if !taken.is_empty() {
        return Err(ShowError::SeatsTaken(taken));
    }
    let changed = of(Some(match into {
        SeatState::Blocked => SeatState::Available,
        _ => SeatState::Blocked,
    }));
    sqlx::query!(
        "update show_seats set state = $3, booking_id = null, reclaim_at = null, changes = changes + 1
         where show_id = $1 and seat = any($2)",
        id.as_i64(),
        &changed,
        into.name(),
    )
    .execute(db)
    .await?;
    Ok(Blocked {
        show_id: id,
        changed,
    })
}

fn each_once(seats: &[SeatName]) -> Result<Vec<SeatName>, ShowError> {
    if seats.is_empty() {
        return Err(ShowError::NoSeats);
    }
    let impossible: Vec<_> = seats
        .iter()
        .filter(|seat| !seat_name(seat))
        .cloned()
        .collect();
    if !impossible.is_empty() {
        return Err(ShowError::UnknownSeats(impossible));
    }
    let mut once = BTreeSet::new();
    for seat in seats {
        if !once.insert(seat) {
            return Err(ShowError::SeatTwice(seat.clone()));
        }
    }
    Ok(once.into_iter().cloned().collect())
}

/// Locks seats one by one, in order, as turns do, and says of each what it is to an operator: available (a held
/// one too whose time is over, by the clock after the last lock), blocked, or, `None`, somebody's.
async fn locked(
    db: &mut PgConnection,
    show: ShowId,
    names: &[SeatName],
) -> Result<Vec<(SeatName, Option<SeatState>)>, ShowError> {
    let rows = sqlx::query!(
        r#"select s.seat as "seat!", s.state as "state!", s.reclaim_at
           from unnest($2::text[]) as wanted (seat)
           cross join lateral (
               select seat, state, reclaim_at from show_seats
               where show_id = $1 and seat = wanted.seat for update
           ) s"#,
        show.as_i64(),
        names,
    )
    .fetch_all(&mut *db)
    .await?;
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(db)
        .await?;
    let mut states = Vec::with_capacity(rows.len());
    for row in rows {
        let state = SeatState::from_name(&row.state)
            .ok_or_else(|| TurnError::Corrupt(format!("seat state {:?}", row.state)))?;
        let state = match state {
            SeatState::Available | SeatState::Blocked => Some(state),
            SeatState::Held if row.reclaim_at.is_some_and(|at| at <= now) => {
                Some(SeatState::Available)
            }
            SeatState::Held | SeatState::Booked | SeatState::Cancelled => None,
        };
        states.push((row.seat, state));
    }
    Ok(states)
}

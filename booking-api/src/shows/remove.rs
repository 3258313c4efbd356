//! Removing what nobody needs of shows that are over: their seats, plans and slots. Bookings, payments and the
//! ledger stay.

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::world::World;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, TurnError};
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::ShowError;
use super::row;
use crate::operators::{Act, Acted, Order, act};

/// How many shows one call removes at most.
const AT_ONCE: usize = 200;
/// How many shows are looked for at a time.
const PAGE: i64 = 200;

/// What was removed, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Removal {
    /// Shows whose seats were removed.
    pub removed: Vec<ShowId>,
    /// Shows that are over, and where something is still under way.
    pub kept: Vec<Kept>,
    /// Whether there may be more to remove: call again.
    pub more: bool,
}

/// A show that is over and keeps its seats for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = KeptShow)]
pub struct Kept {
    /// Its number.
    pub show_id: ShowId,
    /// What is under way.
    pub why: &'static str,
}

/// Removes the seats of shows that began more than `days` ago and have nothing under way, the oldest first.
///
/// # Errors
/// [`ShowError::Database`]; doing it again is safe and goes on.
pub async fn remove_old(store: &PgStore, order: &Order, days: u16) -> Result<Removal, ShowError> {
    let mut removal = Removal::default();
    // Those that keep their seats are passed by: a refund that waits for a person may wait for long.
    let mut after: Option<(OffsetDateTime, i64)> = None;
    while removal.removed.len() < AT_ONCE {
        let page = sqlx::query!(
            "select show_id, starts_at from shows
             where removed_at is null and starts_at < clock_timestamp() - make_interval(days => $1)
               and ($2::timestamptz is null or (starts_at, show_id) > ($2, $3))
             order by starts_at, show_id limit $4",
            i32::from(days),
            after.map(|(starts_at, _)| starts_at),
            after.map_or(0, |(_, show)| show),
            PAGE,
        )
        .fetch_all(store.pool())
        .await?;
        let Some(last) = page.last() else {
            return Ok(removal);
        };
        after = Some((last.starts_at, last.show_id));
        for row in page {
            let id = ShowId::try_from(row.show_id)
                .map_err(|error| ShowError::Database(TurnError::Corrupt(error.to_string())))?;
            let what = RemoveSeats { show: id, days };
            match act(store, order, None, &what).await {
                Ok(Acted::Now(done, _)) if done.removed => removal.removed.push(id),
                Ok(_) => {}
                Err(ShowError::UnderWay(show_id, why)) => removal.kept.push(Kept { show_id, why }),
                Err(error) => return Err(error),
            }
        }
    }
    removal.more = true;
    Ok(removal)
}

struct RemoveSeats {
    show: ShowId,
    days: u16,
}

#[derive(Serialize)]
struct Removed {
    show_id: ShowId,
    removed: bool,
    seats: u64,
}

impl Act for RemoveSeats {
    type Done = Removed;
    type Error = ShowError;

    fn what(&self) -> &'static str {
        "show.remove_seats"
    }

    fn subject(&self, _: &Removed) -> String {
        self.show.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        world: &mut World,
        _: &mut Appends,
    ) -> Result<Removed, ShowError> {
        let show = row::lock(db, self.show).await?;
        let over = self.over(show.starts_at, world.now);
        if show.removed_at.is_some() || !over {
            // Somebody was faster, or gave it another time.
            return Ok(Removed {
                show_id: self.show,
                removed: false,
                seats: 0,
            });
        }
        let id = self.show.as_i64();
        // With all its seats locked, no hold can come to life any more.
        sqlx::query!(
            "select user_id from hold_slots where show_id = $1 order by user_id for update",
            id
        )
        .fetch_all(&mut *db)
        .await?;
        sqlx::query!(
            "select seat from show_seats where show_id = $1 order by seat for update",
            id
        )
        .fetch_all(&mut *db)
        .await?;
        if let Some(why) = under_way(db, id).await? {
            return Err(ShowError::UnderWay(self.show, why));
        }
        sqlx::query!("delete from hold_slots where show_id = $1", id)
            .execute(&mut *db)
            .await?;
        let seats = sqlx::query!("delete from show_seats where show_id = $1", id)
            .execute(&mut *db)
            .await?
            .rows_affected();
        sqlx::query!("delete from seat_plans where show_id = $1", id)
            .execute(&mut *db)
            .await?;
        sqlx::query!(
            "update shows set removed_at = clock_timestamp() where show_id = $1",
            id
        )
        .execute(db)
        .await?;
        Ok(Removed {
            show_id: self.show,
            removed: true,
            seats,
        })
    }
}

impl RemoveSeats {
    fn over(&self, starts_at: OffsetDateTime, now: OffsetDateTime) -> bool {
        now - starts_at > time::Duration::days(self.days.into())
    }
}

/// What of a show is still under way, if anything is.
async fn under_way(db: &mut PgConnection, show: i64) -> Result<Option<&'static str>, ShowError> {
    let row = sqlx::query!(
        r#"select
             exists (select from bookings where show_id = $1 and state = 'HELD') as "held!",
             exists (select from bookings b join shows s using (show_id)
                     where b.show_id = $1 and b.state = 'CONFIRMED' and s.status = 'CANCELLED') as "cancelling!",
             exists (select from bookings b join payments p using (booking_id)
                     where b.show_id = $1 and p.standing = 'OPEN') as "undecided!",
             exists (select from bookings b join refunds r using (booking_id)
                     where b.show_id = $1 and r.standing <> 'DONE') as "returning!""#,
        show
    )
    .fetch_one(db)
    .await?;
    Ok([
        (row.held, "seats are held"),
        (row.cancelling, "its bookings are being cancelled"),
        (row.undecided, "a payment is undecided"),
        (row.returning, "a refund is not finished"),
    ]
    .into_iter()
    .find_map(|(there, why)| there.then_some(why)))
}

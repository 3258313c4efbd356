//! Cancelling a show: at once for its seats, page by page for its bookings.

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::show_cancellation::Page;
use boxoffice_saga::world::World;
use boxoffice_turn::Appends;
use serde::Serialize;
use sqlx::PgConnection;

use super::catalogue::ShowStatus;
use super::error::ShowError;
use super::row;
use crate::operators::Act;

/// Cancels a show. None of its seats is ever sold again from here on; its bookings are cancelled, and their money
/// goes back, by tasks of the coordinator. Doing it twice is doing it once.
#[derive(Clone, Copy, Debug)]
pub struct CancelShow(pub ShowId);

/// A show was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = CancelledShow)]
pub struct Cancelled {
    /// Its number.
    pub show_id: ShowId,
    /// Its status.
    pub status: ShowStatus,
    /// Whether it was cancelled before, so that this changed nothing.
    pub before: bool,
    /// How many bookings are held or paid and still to be cancelled.
    pub bookings: i64,
}

impl Act for CancelShow {
    type Done = Cancelled;
    type Error = ShowError;
    const STATUS: u16 = 202;

    fn what(&self) -> &'static str {
        "show.cancel"
    }

    fn subject(&self, _: &Cancelled) -> String {
        self.0.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        world: &mut World,
        _: &mut Appends,
    ) -> Result<Cancelled, ShowError> {
        let id = self.0.as_i64();
        let show = row::lock(db, self.0).await?;
        if show.removed_at.is_some() {
            return Err(ShowError::Removed(self.0));
        }
        let before = show.status == ShowStatus::Cancelled;
        if !before {
            sqlx::query!(
                "update shows set status = 'CANCELLED', cancelled_at = clock_timestamp() where show_id = $1",
                id
            )
            .execute(&mut *db)
            .await?;
            cancel_seats(db, id).await?;
            // Who waits for one of these seats now finds it cancelled, so no booking comes to life behind the
            // pages.
            world.add_task(Page::first(self.0, world.now));
        }
        let bookings = sqlx::query_scalar!(
            r#"select count(*) as "count!" from bookings
               where show_id = $1 and state in ('HELD', 'CONFIRMED')"#,
            id
        )
        .fetch_one(db)
        .await?;
        Ok(Cancelled {
            show_id: self.0,
            status: ShowStatus::Cancelled,
            before,
            bookings,
        })
    }
}

/// A seat keeps the booking that it belonged to, so that its refund can be told from others.
async fn cancel_seats(db: &mut PgConnection, show: i64) -> Result<(), ShowError> {
    sqlx::query!(
        "select seat from show_seats where show_id = $1 order by seat for update",
        show
    )
    .fetch_all(&mut *db)
    .await?;
    sqlx::query!(
        "update show_seats set state = 'CANCELLED', reclaim_at = null, changes = changes + 1
         where show_id = $1",
        show
    )
    .execute(db)
    .await?;
    Ok(())
}

//! `cancel_show`: reads which bookings of a cancelled show still live, a page at a time.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::show_cancellation::{PAGE, PAUSE, Page};
use boxoffice_saga::task::retry_at;
use boxoffice_saga::world::World;
use boxoffice_tasks::Leased;
use boxoffice_turn::TurnError;
use uuid::Uuid;

use super::CoordinatorWork;

/// What came of reading a page.
#[derive(Debug)]
pub enum Listed {
    /// The page, and its bookings that hold or own seats.
    Live(Page, Vec<BookingId>),
    /// The page before is not done yet.
    Later,
    /// The database did not answer, or the task cannot be read.
    NotYet,
}

impl CoordinatorWork {
    pub(super) async fn list(&self, task: &Leased) -> Listed {
        let Some(page) = Page::of(task.detail.as_deref()) else {
            tracing::error!(subject = %task.key.subject, detail = task.detail, "a page of a cancelled show cannot be read");
            return Listed::NotYet;
        };
        match self.live(&page).await {
            Ok(Some(live)) => Listed::Live(page, live),
            Ok(None) => Listed::Later,
            Err(error) => {
                tracing::warn!(%error, show = %page.show, "the bookings of a cancelled show cannot be read now");
                Listed::NotYet
            }
        }
    }

    /// The bookings of a page, or none yet while a whole page of others still waits for its turns: what is due
    /// is sorted at every look, so that must not become many.
    async fn live(&self, page: &Page) -> Result<Option<Vec<BookingId>>, TurnError> {
        let waiting = sqlx::query_scalar!(
            r#"select count(*) as "count!"
               from (select from tasks where kind = 'cancel_booking' limit $1) as waiting"#,
            i64::from(PAGE),
        )
        .fetch_one(self.store.pool())
        .await?;
        if waiting >= i64::from(PAGE) {
            return Ok(None);
        }
        let ids = sqlx::query_scalar!(
            "select booking_id from bookings
             where show_id = $1 and booking_id > $2 and state in ('HELD', 'CONFIRMED')
             order by booking_id limit $3",
            page.show.as_i64(),
            page.after.map_or(Uuid::nil(), BookingId::uuid),
            i64::from(PAGE),
        )
        .fetch_all(self.store.pool())
        .await?;
        ids.into_iter()
            .map(|id| {
                BookingId::try_from(id).map_err(|error| TurnError::Corrupt(error.to_string()))
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

pub(super) fn apply(task: &Leased, listed: &Listed, world: &mut World) {
    match listed {
        Listed::Live(page, live) => page.read(&task.key, live, world),
        Listed::Later => world.postpone_task(task.key.clone(), world.now + PAUSE),
        Listed::NotYet => {
            let until = retry_at(world.now, task.key.subject, task.attempt);
            world.postpone_task(task.key.clone(), until);
        }
    }
}

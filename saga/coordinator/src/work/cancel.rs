//! `cancel_show`: reads which bookings of a cancelled show still live, a page at a time.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::show_cancellation::{PAGE, Page};
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
            Ok(live) => Listed::Live(page, live),
            Err(error) => {
                tracing::warn!(%error, show = %page.show, "the bookings of a cancelled show cannot be read now");
                Listed::NotYet
            }
        }
    }

    async fn live(&self, page: &Page) -> Result<Vec<BookingId>, TurnError> {
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
            .collect()
    }
}

pub(super) fn apply(task: &Leased, listed: &Listed, world: &mut World) {
    match listed {
        Listed::Live(page, live) => page.read(&task.key, live, world),
        Listed::NotYet => {
            let until = retry_at(world.now, task.key.subject, task.attempt);
            world.postpone_task(task.key.clone(), until);
        }
    }
}

//! `cancel_show`: reads which bookings of a cancelled show still live, a page at a time.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::show_cancellation::{PAGE, PAUSE, Page};
use boxoffice_saga::task::retry_at;
use boxoffice_saga::world::World;
use boxoffice_tasks::Leased;
use boxoffice_turn::{Reads, TurnError};

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

impl<S: Reads> CoordinatorWork<S> {
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
        if self.store.cancellations_waiting(PAGE).await? >= PAGE {
            return Ok(None);
        }
        let live = self
            .store
            .live_bookings(page.show, page.after, PAGE)
            .await?;
        Ok(Some(live))
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

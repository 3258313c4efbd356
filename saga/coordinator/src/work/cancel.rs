//! `cancel_show`: reads which bookings of a cancelled show still live, a page at a time.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::show_cancellation::{PAGE, PAUSE, Page};
use boxoffice_saga::task::{TaskKind, retry_at};
use boxoffice_saga::world::World;
use boxoffice_tasks::Leased;
use boxoffice_turn::{Reads, TurnError};

use super::CoordinatorWork;

/// What came of reading a page.
#[derive(Debug)]
pub enum Listed {
    /// A page was read.
    Live {
        /// The page.
        page: Page,
        /// Its bookings that hold or own seats.
        bookings: Vec<BookingId>,
        /// How many shows are being cancelled at present, this one too.
        shows: u16,
    },
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
        let show = page.show;
        self.live(page).await.unwrap_or_else(|error| {
            tracing::warn!(%error, %show, "the bookings of a cancelled show cannot be read now");
            Listed::NotYet
        })
    }

    /// The bookings of a page, unless a whole page of others still waits for its turns: what is due is sorted at every
    /// look, so that must not become many.
    async fn live(&self, page: Page) -> Result<Listed, TurnError> {
        let waiting = |kind| self.store.tasks_waiting(kind, PAGE);
        if waiting(TaskKind::CancelBooking).await? >= PAGE {
            return Ok(Listed::Later);
        }
        let bookings = self.store.live_bookings(page.show, page.after, PAGE);
        Ok(Listed::Live {
            bookings: bookings.await?,
            shows: waiting(TaskKind::CancelShow).await?,
            page,
        })
    }
}

pub(super) fn apply(task: &Leased, listed: &Listed, world: &mut World) {
    match listed {
        Listed::Live {
            page,
            bookings,
            shows,
        } => page.read(&task.key, bookings, *shows, world),
        Listed::Later => world.postpone_task(task.key.clone(), world.now + PAUSE),
        Listed::NotYet => {
            let until = retry_at(world.now, task.key.subject, task.attempt);
            world.postpone_task(task.key.clone(), until);
        }
    }
}

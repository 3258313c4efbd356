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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use boxoffice_saga::identity::ShowId;
    use boxoffice_saga::task::Task;
    use boxoffice_turn::memory::{MemoryStore, TaskRow};
    use time::{Duration, OffsetDateTime};
    use uuid::Uuid;

    use super::*;

    /// Three shows at a time cancel no more bookings a second than one.
    #[tokio::test]
    async fn a_page_knows_how_many_shows_take_turns() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let store = MemoryStore::default();
        let pages = (1..=3_u64).map(|id| Page::first(ShowId::try_from(id).unwrap(), now));
        let pages: Vec<Task> = pages.collect();
        for page in &pages {
            let row = TaskRow {
                task: page.clone(),
                attempts: 0,
                lease: None,
            };
            store.tables().await.tasks.insert(page.key.clone(), row);
        }
        let work = CoordinatorWork::new(store, Arc::default());
        let first = pages[0].clone();
        let leased = Leased {
            key: first.key,
            booking: None,
            attempt: 1,
            lease: Uuid::nil(),
            deadline: now + Duration::MINUTE,
            now,
            detail: first.detail,
            earlier: Vec::new(),
        };
        let Listed::Live { shows, .. } = work.list(&leased).await else {
            panic!("there is a page");
        };
        assert_eq!(shows, 3);
    }
}

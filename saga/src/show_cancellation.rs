//! A cancelled show cancels its bookings, each in a turn of its own: named a page at a time, so that a show with
//! 100,000 bookings makes no giant transaction, and anybody can go on where somebody died.
//!
//! The show's seats are `CANCELLED` before the first page is read, so no booking comes to life behind it.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::booking::CancelledBy;
use crate::identity::{BookingId, ShowId};
use crate::input::{Input, Outcome};
use crate::task::{Task, TaskKey, TaskKind};
use crate::world::World;

/// How many bookings one page names at most.
pub const PAGE: u16 = 75;
/// Between two pages, whosever, so that those who buy and those who wait for their money hardly notice: at most 500
/// bookings a second, however many shows are cancelled.
pub const PAUSE: Duration = Duration::milliseconds(150);

/// Pages are tasks of one subject per show, numbered by generation.
const SHOWS: Uuid = Uuid::from_u128(0x5c0e_ca11_ed00_4d2b_9d4f_2b6e_8a31_77aa);

/// One page: the next live bookings of `show` behind `after`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The cancelled show.
    pub show: ShowId,
    /// The last booking of the page before.
    pub after: Option<BookingId>,
}

impl Page {
    /// A show's first page, as a task that is due at `now`.
    pub fn first(show: ShowId, now: OffsetDateTime) -> Task {
        Self { show, after: None }.task(1, now)
    }

    /// The page that a task is about, by its detail.
    pub fn of(detail: Option<&str>) -> Option<Self> {
        serde_json::from_str(detail?).ok()
    }

    fn task(&self, generation: u32, due_at: OffsetDateTime) -> Task {
        Task {
            key: TaskKey {
                kind: TaskKind::CancelShow,
                subject: Uuid::new_v5(&SHOWS, self.show.kafka_key().as_bytes()),
                generation,
            },
            booking: None,
            due_at,
            // Plain data: this cannot fail.
            detail: serde_json::to_string(self).ok(),
        }
    }

    /// The page was read: `live` are its bookings, in order. Each gets a task; a full page is followed by
    /// another, an empty or shorter one was the last. `shows` are being cancelled at present, this one too: they take turns.
    pub fn read(&self, key: &TaskKey, live: &[BookingId], shows: u16, world: &mut World) {
        world.remove_task(key.kind, key.subject, key.generation);
        for booking in live {
            world.add_task(Task {
                key: TaskKey {
                    kind: TaskKind::CancelBooking,
                    subject: booking.uuid(),
                    generation: 1,
                },
                booking: Some(*booking),
                due_at: world.now,
                detail: None,
            });
        }
        if live.len() >= usize::from(PAGE) {
            let next = Self {
                show: self.show,
                after: live.last().copied(),
            };
            let pause = PAUSE * shows.max(1);
            world.add_task(next.task(key.generation + 1, world.now + pause));
        }
    }
}

/// A booking's turn has come.
pub fn cancel_booking(booking: BookingId, world: &mut World) -> Outcome {
    world.remove_task(TaskKind::CancelBooking, booking.uuid(), 1);
    let by = CancelledBy::Show;
    world.apply(booking, Input::Cancel { by })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_until_one_is_not_full() {
        let show = ShowId::try_from(7_u64).unwrap();
        let now = OffsetDateTime::UNIX_EPOCH;
        let bookings: Vec<_> = (1..=2 * u64::from(PAGE) + 1)
            .map(|nth| BookingId::pack(nth, show, nth))
            .collect();
        let mut page = Page::first(show, now);
        let mut named = Vec::new();
        assert_eq!(page.due_at, now);
        for expected in [1, 2, 3] {
            assert_eq!(page.key.generation, expected);
            let read = Page::of(page.detail.as_deref()).unwrap();
            let live: Vec<_> = bookings
                .iter()
                .filter(|id| read.after.is_none_or(|after| **id > after))
                .take(PAGE.into())
                .copied()
                .collect();
            let mut world = World::new(now);
            read.read(&page.key, &live, 3, &mut world);
            assert!(world.changes.tasks_removed.contains(&page.key));
            let (next, named_now): (Vec<_>, Vec<_>) = world
                .changes
                .tasks_added
                .into_iter()
                .partition(|task| task.key.kind == TaskKind::CancelShow);
            named.extend(named_now.into_iter().filter_map(|task| task.booking));
            match next.into_iter().next() {
                Some(task) => {
                    assert_eq!(task.due_at, now + PAUSE * 3, "three shows take turns");
                    page = task;
                }
                None => assert_eq!(expected, 3),
            }
        }
        assert_eq!(named, bookings);
    }
}

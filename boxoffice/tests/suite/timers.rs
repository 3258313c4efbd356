//! When executors look for what is due.

use std::sync::Arc;
use std::time::Duration;

use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_tasks::{ExecutorOptions, HeldBack, Leased, Work};
use boxoffice_turn::Appends;
use boxoffice_turn::postgres::PgStore;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::servers;

/// Tells of what it was given, and does nothing.
struct Told(mpsc::UnboundedSender<Uuid>);

impl Work for Told {
    type Answer = ();

    const KINDS: &'static [TaskKind] = &[TaskKind::HoldTimer];

    async fn call(&self, task: &Leased) -> Result<(), HeldBack> {
        self.0.send(task.key.subject).expect("somebody listens");
        Ok(())
    }

    fn apply(&self, _: &Leased, (): &(), _: bool, _: &mut World, _: &mut Appends) -> String {
        String::new()
    }
}

/// A timer ends when it is due, though nothing tells of it then and the next look would be an hour away.
#[tokio::test]
async fn an_executor_wakes_for_the_next_that_is_due() {
    let url = servers::shared().database().await;
    let store = PgStore::new(url.parse().expect("a URL"), 2, Arc::new(Notify::new()));
    let [now, soon, late] = [1, 2, 3].map(Uuid::from_u128);
    let tasks = "insert into tasks (kind, subject, generation, due_at)
                 values ('hold_timer', $1, 1, clock_timestamp()),
                        ('hold_timer', $2, 1, clock_timestamp() + interval '2 seconds'),
                        ('hold_timer', $3, 1, clock_timestamp() + interval '1 hour')";
    sqlx::query(tasks)
        .bind(now)
        .bind(soon)
        .bind(late)
        .execute(store.pool())
        .await
        .expect("three timers");
    let options = ExecutorOptions {
        look_every: Duration::from_secs(3_600),
        lease: Duration::from_secs(3_600),
        ..ExecutorOptions::usual("timers")
    };
    let (told, mut taken) = mpsc::unbounded_channel();
    let over = CancellationToken::new();
    let works = tokio::spawn(boxoffice_tasks::run(
        store,
        Arc::new(Told(told)),
        options,
        over.clone(),
    ));
    for expected in [now, soon] {
        let next = tokio::time::timeout(Duration::from_secs(60), taken.recv());
        assert_eq!(next.await.expect("it is due"), Some(expected));
    }
    over.cancel();
    works.await.expect("the executor ends");
    assert_eq!(taken.recv().await, None, "the third is not due yet");
}

//! The executor: leases, calls, and brings answers back as turns.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice_failpoints::{self as failpoints, Failpoint, Role};
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claimed, Held, Plan, Store, TurnError, Wanted, breath};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cut_off;
use crate::lease::{self, Leased, Look};
use crate::metric;

/// One role's kinds of tasks, and how they are worked on.
pub trait Work: Send + Sync + 'static {
    /// What a call answers.
    type Answer: Send + Sync + 'static;

    /// The kinds that this role leases, and no other.
    const KINDS: &'static [TaskKind];

    /// Makes the call, outside any transaction. It is cut off after [`ExecutorOptions::call`]. A timer answers
    /// at once. A call that was [held back](HeldBack) is given back, and was no try.
    fn call(&self, task: &Leased) -> impl Future<Output = Result<Self::Answer, HeldBack>> + Send;

    /// The gateway accounts (`gateway/account`) that are not called at present: their tasks stay where they are.
    fn held(&self) -> Vec<String> {
        Vec::new()
    }

    /// What a call comes to that was cut off: whether it did anything is not known. `None`: nothing is brought
    /// back, and the task comes again when its lease has run out.
    fn cut_off(&self, _task: &Leased) -> Option<Self::Answer> {
        None
    }

    /// Applies an answer in its turn. `held`: the lease is still ours; an answer that settles something is
    /// applied all the same, one that would only set the task again is not. Returns what is recorded for the
    /// attempt; one that begins with `unknown` leaves the attempt in doubt.
    fn apply(
        &self,
        task: &Leased,
        answer: &Self::Answer,
        held: bool,
        world: &mut World,
        appends: &mut Appends,
    ) -> String;
}

/// A call that was never made, because its time has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// When to come again.
    pub after: Duration,
}

/// How an executor runs.
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    /// The executor's name in logs and metrics.
    pub name: &'static str,
    /// How many calls may be under way at once.
    pub in_flight: usize,
    /// How long a lease lasts.
    pub lease: Duration,
    /// How long a call may take; under half of `lease`.
    pub call: Duration,
    /// At most so many tasks are taken a second, in the long run; 0: as many as can be worked on.
    pub per_second: u32,
    /// How long the first answer waits for others before their turn begins, where nobody waits for it.
    pub gather: Duration,
    /// The longest pause between two looks at the table. In the same process, news come at once.
    pub look_every: Duration,
}

impl ExecutorOptions {
    /// 32 calls at once, leases of 30 s, calls of at most 12 s, a look every half second.
    pub const fn usual(name: &'static str) -> Self {
        Self {
            name,
            in_flight: 32,
            lease: Duration::from_secs(30),
            call: Duration::from_secs(12),
            per_second: 0,
            gather: Duration::ZERO,
            look_every: Duration::from_millis(500),
        }
    }

    /// How many tasks are taken at once, if `free` calls may be made: of a limited number the fifth of a second's, so that
    /// they are spread over it.
    fn at_once(&self, free: usize) -> usize {
        match usize::try_from(self.per_second) {
            Ok(limit @ 1..) => free.min(limit.div_ceil(5)),
            _ => free,
        }
    }

    /// The pause before the next look, if the next task is due in so many seconds: until then, and so much longer that those
    /// which are due soon after it are taken with it. What is due at once when it is added comes as news, and waits for nobody.
    fn until(&self, next: Option<f64>) -> Duration {
        next.and_then(|due| Duration::try_from_secs_f64(due.max(0.0)).ok())
            .map_or(self.look_every, |due| due.saturating_add(TOGETHER))
            .min(self.look_every)
    }

    /// How long the next tasks wait after `taken` others.
    fn pace(&self, taken: usize) -> Duration {
        if self.per_second == 0 {
            return Duration::ZERO;
        }
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        Duration::from_secs(1) * taken / self.per_second
    }
}

/// Returns when `pace` is over and a place is free.
async fn after(places: &Semaphore, pace: Duration) {
    tokio::time::sleep(pace).await;
    // It is never closed.
    let _ = places.acquire().await;
}

/// After a place is free again, so long for others to follow it: they are filled together.
const GATHER: Duration = Duration::from_millis(2);
/// Tasks that are due within so long of each other are taken together.
const TOGETHER: Duration = Duration::from_millis(25);
/// How many answers one turn brings back at most.
const ANSWERS_A_TURN: usize = 200;

type Brought<W> = (Leased, Result<<W as Work>::Answer, HeldBack>);

/// Works on tasks until `shutdown`, then waits for the calls under way and brings their answers back.
pub async fn run<W: Work>(
    store: PgStore,
    work: Arc<W>,
    options: ExecutorOptions,
    shutdown: CancellationToken,
) {
    let (answers, inbox) = mpsc::channel::<Brought<W>>(options.in_flight.max(ANSWERS_A_TURN));
    let bringer = bring_back(store.clone(), work.clone(), options.clone(), inbox);
    let bringer = tokio::spawn(bringer);
    let calls = TaskTracker::new();
    let places = Arc::new(Semaphore::new(options.in_flight));
    let mut news = store.tasks_added();
    while !shutdown.is_cancelled() {
        let heard = news.borrow_and_update().only(W::KINDS);
        let free = options.at_once(places.available_permits());
        let held = work.held();
        // From before the attempts are written down, so that it is over here no later than there.
        let deadline = Instant::now() + options.call;
        let Look { leased, next } = look(&store, W::KINDS, &held, free, &options).await;
        let full = leased.len() == free;
        let worked = !leased.is_empty();
        let pace = options.pace(leased.len());
        for task in leased {
            failpoints::hit(Failpoint::TaskAfterLease);
            let (work, answers) = (work.clone(), answers.clone());
            let place = places.clone().try_acquire_owned();
            calls.spawn(async move {
                let started = Instant::now();
                let answer = cut_off::at(deadline, work.call(&task)).await;
                let kind = task.key.kind.name();
                if !matches!(answer, Some(Err(_))) {
                    metrics::counter!(metric::CALLS, "kind" => kind).increment(1);
                    metrics::histogram!(metric::CALL_SECONDS, "kind" => kind)
                        .record(started.elapsed());
                }
                failpoints::hit(Failpoint::TaskAfterCall);
                let answer = answer.or_else(|| {
                    metrics::counter!(metric::CUT_OFF, "kind" => kind).increment(1);
                    tracing::warn!(kind, subject = %task.key.subject, "a call took too long, and was cut off");
                    work.cut_off(&task).map(Ok)
                });
                let Some(answer) = answer else { return };
                // The bringer outlives all callers.
                let _ = answers.send((task, answer)).await;
                drop(place);
            });
        }
        if full || (worked && !pace.is_zero()) {
            tokio::select! {
                () = after(&places, pace) => tokio::time::sleep(GATHER).await,
                () = shutdown.cancelled() => {}
            }
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(options.until(next)) => {}
            _ = news.wait_for(|now| now.only(W::KINDS) != heard) => {}
            () = shutdown.cancelled() => {}
        }
    }
    calls.close();
    calls.wait().await;
    drop(answers);
    if let Err(error) = bringer.await {
        tracing::error!(%error, executor = options.name, "bringing answers back failed");
    }
}

/// Leases what is due, up to `free` tasks. A table that cannot be looked at has nothing for now.
async fn look(
    store: &PgStore,
    kinds: &[TaskKind],
    held: &[String],
    free: usize,
    options: &ExecutorOptions,
) -> Look {
    if free == 0 {
        return Look::default();
    }
    let limit = i64::try_from(free).unwrap_or(i64::MAX);
    let (lease, call) = (options.lease, options.call);
    match lease::take(store.pool(), kinds, held, limit, lease, call).await {
        Ok(look) => {
            for task in look
                .leased
                .iter()
                .filter(|task| task.earlier.iter().any(|attempt| attempt.answer.is_none()))
            {
                metrics::counter!(metric::TAKEN_OVER, "kind" => task.key.kind.name()).increment(1);
            }
            look
        }
        Err(error) => {
            tracing::warn!(%error, executor = options.name, "tasks cannot be leased now");
            Look::default()
        }
    }
}

/// What has arrived, and what else arrives within `gather` of the first. Empty: nothing will any more.
async fn arrived<T>(inbox: &mut mpsc::Receiver<T>, gather: Duration) -> Vec<T> {
    let mut arrived = Vec::new();
    let first = inbox.recv_many(&mut arrived, ANSWERS_A_TURN).await;
    if (1..ANSWERS_A_TURN).contains(&first) && !gather.is_zero() {
        tokio::time::sleep(gather).await;
        let more = inbox.len().min(ANSWERS_A_TURN - first);
        inbox.recv_many(&mut arrived, more).await;
    }
    arrived
}

/// Brings answers back: all that have arrived in one turn. Nothing but the data itself makes it give up: an
/// answer is worth waiting for the database.
async fn bring_back<W: Work>(
    store: PgStore,
    work: Arc<W>,
    options: ExecutorOptions,
    mut inbox: mpsc::Receiver<Brought<W>>,
) {
    let name = options.name;
    loop {
        let brought = arrived(&mut inbox, options.gather).await;
        if brought.is_empty() {
            return;
        }
        let (mut answers, mut back) = (Vec::new(), Vec::new());
        for (task, answer) in brought {
            match answer {
                Ok(answer) => answers.push((task, answer)),
                Err(held_back) => back.push((task, held_back)),
            }
        }
        give_back(&store, name, &back).await;
        let begun = Instant::now();
        let brought = bring_patiently(&store, &*work, name, &answers).await;
        if brought.is_ok() {
            tokio::time::sleep(breath(begun.elapsed())).await;
            continue;
        }
        // One of them cannot be written. Alone, each shows whether it is the one.
        for answer in answers.chunks(1) {
            if let Err(error) = bring_patiently(&store, &*work, name, answer).await {
                let task = &answer[0].0;
                tracing::error!(
                    %error, executor = name, kind = task.key.kind.name(), subject = %task.key.subject,
                    "an answer cannot be written; the task comes again when its lease has run out"
                );
            }
        }
    }
}

/// Brings answers back, in one turn.
///
/// # Errors
/// See [`TurnError`]. Trying again is safe: an answer that was applied changes nothing more.
pub async fn bring<S: Store, W: Work>(
    store: &S,
    work: &W,
    answers: &[(Leased, W::Answer)],
) -> Result<(), TurnError> {
    boxoffice_turn::run(store, &Bring { work, answers }).await
}

/// Gives back what was never called. If that fails, the leases run out, and the next try finds an attempt without
/// an answer: it looks up what it need not, and no harm is done.
async fn give_back(store: &PgStore, name: &'static str, back: &[(Leased, HeldBack)]) {
    if back.is_empty() {
        return;
    }
    let tasks: Vec<_> = back.iter().map(|(task, held)| (task, held.after)).collect();
    match lease::give_back(store.pool(), &tasks).await {
        Ok(()) => {
            for (task, _) in back {
                metrics::counter!(metric::HELD_BACK, "kind" => task.key.kind.name()).increment(1);
            }
        }
        Err(error) => {
            tracing::warn!(%error, executor = name, "tasks cannot be given back; their leases run out");
        }
    }
}

/// One turn. Waits out everything but errors of the data.
async fn bring_patiently<W: Work>(
    store: &PgStore,
    work: &W,
    name: &'static str,
    answers: &[(Leased, W::Answer)],
) -> Result<(), TurnError> {
    if answers.is_empty() {
        return Ok(());
    }
    let mut wait = Duration::from_millis(50);
    loop {
        match bring(store, work, answers).await {
            Ok(()) => return Ok(()),
            Err(error @ (TurnError::Data(_) | TurnError::Corrupt(_))) => return Err(error),
            Err(error) => {
                metrics::counter!(metric::ANSWER_RETRIES, "executor" => name).increment(1);
                tracing::warn!(%error, executor = name, "answers wait for the database");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(2));
            }
        }
    }
}

struct Bring<'a, W: Work> {
    work: &'a W,
    answers: &'a [(Leased, W::Answer)],
}

impl<W: Work> Plan for Bring<'_, W> {
    type Answer = ();

    fn role(&self) -> Role {
        Role::TaskAnswer
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        Wanted {
            bookings: self
                .answers
                .iter()
                .filter_map(|(task, _)| task.booking)
                .collect(),
            seats_of_bookings: W::KINDS.iter().any(|kind| {
                matches!(
                    kind,
                    TaskKind::HoldTimer | TaskKind::Void | TaskKind::CancelBooking
                )
            }),
            tasks: self
                .answers
                .iter()
                .map(|(task, _)| (task.key.clone(), task.lease))
                .collect::<BTreeMap<_, _>>(),
            ..Wanted::default()
        }
    }

    fn decide(&self, _: &Claimed, held: &Held, world: &mut World, appends: &mut Appends) {
        for (task, answer) in self.answers {
            let still_ours = held.contains(&task.key);
            let recorded = self.work.apply(task, answer, still_ours, world, appends);
            if task.key.kind.calls() {
                appends
                    .attempts_answered
                    .push((task.key.clone(), task.attempt, recorded));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By a clock that stands still until everybody waits.
    #[tokio::test(start_paused = true)]
    async fn what_arrives_soon_after_the_first_comes_with_it_and_nothing_is_lost_at_the_end() {
        let ms = Duration::from_millis;
        let send = |gaps: Vec<u64>| {
            let (answers, inbox) = mpsc::channel(8);
            tokio::spawn(async move {
                for gap in gaps {
                    tokio::time::sleep(ms(gap)).await;
                    answers.send(gap).await.unwrap();
                }
            });
            inbox
        };
        let mut inbox = send(vec![10, 30, 40]);
        assert_eq!(arrived(&mut inbox, ms(50)).await, [10, 30]);
        assert_eq!(arrived(&mut inbox, ms(50)).await, [40]);
        assert!(arrived(&mut inbox, ms(50)).await.is_empty());
        let mut inbox = send(vec![10, 30]);
        assert_eq!(arrived(&mut inbox, Duration::ZERO).await, [10]);
        assert_eq!(arrived(&mut inbox, Duration::ZERO).await, [30]);
        let (answers, mut inbox) = mpsc::channel(2 * ANSWERS_A_TURN);
        for nth in 0..=ANSWERS_A_TURN {
            answers.try_send(nth).unwrap();
        }
        let begun = tokio::time::Instant::now();
        assert_eq!(arrived(&mut inbox, ms(50)).await.len(), ANSWERS_A_TURN);
        assert_eq!(
            begun.elapsed(),
            Duration::ZERO,
            "a full turn waits for nobody"
        );
        assert_eq!(arrived(&mut inbox, ms(50)).await, [ANSWERS_A_TURN]);
    }

    #[test]
    fn what_is_due_soon_after_another_is_waited_for_and_a_look_is_never_put_off_further() {
        let options = ExecutorOptions::usual("timers");
        let ms = Duration::from_millis;
        for (next, wait) in [
            (None, 500),
            (Some(-1.0), 25),
            (Some(0.0), 25),
            (Some(0.1), 125),
            (Some(0.49), 500),
            (Some(3600.0), 500),
            (Some(f64::INFINITY), 500),
            (Some(f64::NAN), 25),
        ] {
            assert_eq!(options.until(next), ms(wait), "{next:?}");
        }
    }

    #[test]
    fn so_many_a_second_and_no_more() {
        let unlimited = ExecutorOptions::usual("letters");
        assert_eq!(unlimited.pace(32), Duration::ZERO);
        assert_eq!(unlimited.at_once(32), 32);
        let paced = ExecutorOptions {
            per_second: 100,
            ..unlimited
        };
        assert_eq!(paced.pace(0), Duration::ZERO);
        assert_eq!(paced.pace(1), Duration::from_millis(10));
        assert_eq!(paced.pace(32), Duration::from_millis(320));
        assert_eq!((paced.at_once(32), paced.at_once(7)), (20, 7));
        let slow = ExecutorOptions {
            per_second: 1,
            ..paced
        };
        assert_eq!(slow.at_once(32), 1);
    }
}

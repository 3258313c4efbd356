//! The hold desk: one writer for all holds of this process, and another for those of hot shows.
//!
//! Requests that arrive while a batch commits form the next one; nobody waits for a batch to fill. Each
//! batch takes from every show's queue in turn, so that no show starves another, and is one turn of the saga. Where a crowd
//! wants the same few seats, turns wait for those of other processes: such shows have a window of their own, with a queue
//! and a writer. Whoever is sure to lose is told so from committed rows, without a lock. Several processes are correct
//! because rows are locked, and so are the two windows; one is fast because it asks once.

mod glance;
mod queue;
mod route;
#[cfg(test)]
mod scene;
mod taken;
mod turn;
mod worker;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use boxoffice_saga::booking::{Contact, Terms};
use boxoffice_saga::identity::{SeatName, ShowId, UserId};
use boxoffice_saga::input::Refusal;
use boxoffice_saga::world::World;
use boxoffice_turn::KeyClaim;
use boxoffice_turn::postgres::PgStore;
use tokio::sync::{Notify, oneshot};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::addresses::Addresses;
use crate::api::Api;
use crate::desk::queue::FairQueue;
use crate::desk::taken::Taken;
use crate::idempotency::Reply;
use crate::metric;
use crate::options::Options;

/// A request for seats.
#[derive(Clone, Debug)]
pub(crate) struct HoldRequest {
    pub(crate) show: ShowId,
    pub(crate) user: UserId,
    pub(crate) seats: Vec<SeatName>,
    pub(crate) contact: Contact,
    pub(crate) terms: Arc<Terms>,
    pub(crate) key: Option<KeyClaim>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HoldAnswer {
    /// Placed, now or under the same key before.
    Reply(Reply),
    /// No, and nothing has changed.
    Refused(Refusal),
    /// The idempotency key belongs to another request.
    OtherRequest,
    /// Too many at once.
    HighDemand,
    /// The database is not there. After a lost commit the hold may stand nevertheless.
    Unavailable,
    /// A bug or a broken row of ours.
    Internal,
}

/// A request in the queue.
struct Waiting {
    request: HoldRequest,
    answer: oneshot::Sender<HoldAnswer>,
}

/// The desk. Its workers end when it is dropped.
pub(crate) struct HoldDesk {
    usual: Arc<Window>,
    /// For shows that are [hot](Taken::is_hot).
    hot: Arc<Window>,
    taken: Arc<Taken>,
    patience: Duration,
}

/// A queue and its worker.
struct Window {
    /// Whether it is the one for hot shows: there everybody is sure to want what somebody else wants.
    hot: bool,
    store: PgStore,
    addresses: Arc<Addresses>,
    queue: Mutex<Queue>,
    arrived: Notify,
    batch: usize,
    glance_from: usize,
    /// Whether somebody has lost a seat; until a glance finds that nobody does.
    lost: AtomicBool,
    taken: Arc<Taken>,
}

struct Queue {
    requests: FairQueue<Waiting>,
    /// Whether a worker is at work. It starts with the first request and ends with the last.
    open: bool,
}

impl Window {
    fn new(
        hot: bool,
        store: PgStore,
        addresses: Arc<Addresses>,
        options: &Options,
        taken: Arc<Taken>,
    ) -> Self {
        let requests = FairQueue::new(options.desk_queue_per_show, options.desk_queue);
        Self {
            hot,
            store,
            addresses,
            queue: Mutex::new(Queue {
                requests,
                open: false,
            }),
            arrived: Notify::new(),
            batch: options.desk_batch.max(1),
            glance_from: options.desk_glance_from,
            lost: AtomicBool::new(false),
            taken,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HoldDesk {
    /// A desk that writes to `store`.
    pub(crate) fn new(store: PgStore, addresses: Arc<Addresses>, options: &Options) -> Self {
        let taken = Arc::new(Taken::default());
        let window = |hot| {
            let (store, addresses, taken) = (store.clone(), addresses.clone(), taken.clone());
            Arc::new(Window::new(hot, store, addresses, options, taken))
        };
        Self {
            usual: window(false),
            hot: window(true),
            taken,
            patience: options.desk_patience(),
        }
    }

    /// Asks for seats. Dropping the future withdraws the request as long as it is in the queue.
    pub(crate) async fn ask(&self, request: HoldRequest) -> HoldAnswer {
        let now = Instant::now();
        let seats = self.taken.lost(&request, now);
        if !seats.is_empty() {
            metrics::counter!(metric::HOLD_CONFLICTS_AT_A_GLANCE).increment(1);
            metrics::counter!(metric::HOLD_CONFLICTS).increment(1);
            return HoldAnswer::Refused(Refusal::SeatsTaken { seats });
        }
        let window = self.window(request.show, now);
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = window.queue();
            if queue
                .requests
                .push(request.show, Waiting { request, answer })
                .is_err()
            {
                metrics::counter!(metric::HOLDS_TURNED_AWAY).increment(1);
                return HoldAnswer::HighDemand;
            }
            if !queue.open {
                queue.open = true;
                tokio::spawn(worker::run(window.clone()));
            }
        }
        window.arrived.notify_one();
        match tokio::time::timeout(self.patience, answered).await {
            Ok(answer) => answer.unwrap_or(HoldAnswer::Internal),
            Err(_) => {
                metrics::counter!(metric::HOLDS_TURNED_AWAY).increment(1);
                HoldAnswer::HighDemand
            }
        }
    }

    fn window(&self, show: ShowId, now: Instant) -> &Arc<Window> {
        if self.taken.is_hot(show, now) {
            &self.hot
        } else {
            &self.usual
        }
    }

    /// What a turn of this process has committed: seats that are free again may be asked for at once.
    pub(crate) fn show(&self, world: &World) {
        self.taken.left(world);
    }
}

/// Its doors.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(route::hold))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use boxoffice_saga::seat::SeatState;
    use boxoffice_tickets::StatusTokens;
    use sqlx::postgres::PgConnectOptions;
    use time::OffsetDateTime;

    use super::glance::Held;
    use super::scene::{request, seat, show};
    use super::*;

    /// Its database is not there: whoever has to ask it is turned away.
    fn desk() -> HoldDesk {
        let nowhere = PgConnectOptions::new().host("127.0.0.1").port(1);
        let store = PgStore::new(nowhere, 1, Arc::default());
        let tokens = StatusTokens::new(&[7; 32]).unwrap();
        let addresses = Addresses::new("http://tickets", tokens, time::Duration::days(1));
        let options = Options {
            desk_patience_ms: 1,
            ..Options::default()
        };
        HoldDesk::new(store, Arc::new(addresses), &options)
    }

    #[tokio::test]
    async fn who_is_sure_to_lose_is_refused_without_the_database_until_a_turn_gives_the_seat_back()
    {
        let desk = desk();
        let held = Held::from([("A-1".to_owned(), Some("ann".to_owned()))]);
        // So that it is still believed, however long this test takes.
        let seen = Instant::now() + Duration::from_secs(3_600);
        desk.taken.seen(HashMap::from([(show(), held)]), seen);
        let bob = request("bob", &["A-1"]);
        let taken = HoldAnswer::Refused(Refusal::SeatsTaken {
            seats: vec!["A-1".into()],
        });
        assert_eq!(desk.ask(bob.clone()).await, taken);
        assert!(Arc::ptr_eq(desk.window(show(), seen), &desk.hot));
        let another = ShowId::try_from(8_u64).unwrap();
        assert!(Arc::ptr_eq(desk.window(another, seen), &desk.usual));

        let seat = seat("A-1", SeatState::Available);
        let key = seat.key.clone();
        let mut world = World::new(OffsetDateTime::UNIX_EPOCH);
        world.seats.insert(key.clone(), seat);
        world.changes.seats_changed.insert(key);
        desk.show(&world);
        assert_eq!(desk.ask(bob).await, HoldAnswer::HighDemand);
    }
}

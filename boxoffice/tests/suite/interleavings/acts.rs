//! What the two turns can be. Each goes through the door that it has in production.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use boxoffice_booking_api::shows::{CancelShow, Order, act};
use boxoffice_coordinator::batch::Webhooks;
use boxoffice_coordinator::work::{Answer, CoordinatorWork};
use boxoffice_coordinator::{CONSUMER, WEBHOOKS};
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_stream::{Assignment, Batch, Handler, Partition, Run, TurnFailed};
use boxoffice_tasks::{ExecutorOptions, HeldBack, Leased, Work};
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Door};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::orders::Side;
use super::ring::{JWT_SECRET, Ring, Scene, partition};

/// One of the two turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Bob asks for one of Ann's seats and another.
    Hold,
    /// Cy asks for the same seats as Bob.
    HoldToo,
    /// Ann asks for one of her seats and the one that Bob wants: her booking gives way.
    Replace,
    /// The money for Ann's booking arrives.
    Confirm,
    /// The timer of Ann's booking fires.
    Expire,
    /// Ann cancels.
    Cancel,
    /// An operator cancels the show.
    CancelShow,
    /// Another owner takes the webhooks' partition over, under the next epoch, and decides what was not decided.
    TakeOver,
}

impl Act {
    pub const ALL: [Self; 8] = [
        Self::Hold,
        Self::HoldToo,
        Self::Replace,
        Self::Confirm,
        Self::Expire,
        Self::Cancel,
        Self::CancelShow,
        Self::TakeOver,
    ];

    /// Gets as far as the turn's own beginning, and gives back what is left to do. Its output is the answer, without
    /// what is drawn at random.
    pub async fn ready(self, ring: &Ring, scene: &Scene, side: Side) -> Turn {
        let (store, scene) = (ring.stores.of(side).clone(), scene.clone());
        let api = ring.apis.of(side).clone();
        let handler = Webhooks::new(store.clone(), ring.gateways.clone());
        let holds = format!("/v1/shows/{}/holds", scene.show);
        match self {
            // The same request under the same key, if both turns are this one.
            Self::Hold => Box::pin(post(api, holds, "bob", "once", hold(["A-2", "A-3"]))),
            Self::HoldToo => Box::pin(post(api, holds, "cy", "once", hold(["A-2", "A-3"]))),
            Self::Replace => {
                let key = format!("{side:?}");
                Box::pin(async move { post(api, holds, "ann", &key, hold(["A-1", "A-3"])).await })
            }
            Self::Cancel => {
                let (path, key) = (
                    format!("/v1/bookings/{}/cancel", scene.booking),
                    format!("{side:?}"),
                );
                Box::pin(async move { post(api, path, "ann", &key, Value::Null).await })
            }
            Self::CancelShow => Box::pin(async move {
                let order = Order {
                    who: "olga".to_owned(),
                    door: Door::CommandLine,
                    why: None,
                };
                // The number of bookings is a count for the operator, without locks: it is not compared.
                let done = act(&store, &order, None, &CancelShow(scene.show)).await;
                done.map(drop)
                    .map_or_else(|error| error.to_string(), |()| String::new())
            }),
            Self::Confirm => Box::pin(async move { decide(&handler, &scene, scene.epoch).await }),
            Self::TakeOver => Box::pin(async move {
                let owned = store
                    .claim_position(CONSUMER.name, WEBHOOKS, partition(scene.show), || true)
                    .await;
                match owned {
                    Ok(Some(owned)) if owned.next_offset.is_none() => {
                        let decided = decide(&handler, &scene, owned.epoch).await;
                        // Of two that take over, either may be the one that decides.
                        decided.replace(DECIDED, "").replace(LOST, "")
                    }
                    Ok(_) => String::new(),
                    Err(error) => error.to_string(),
                }
            }),
            Self::Expire => expire(ring, store).await,
        }
    }
}

/// What is left to do of an act.
pub type Turn = Pin<Box<dyn Future<Output = String> + Send>>;

fn hold(seats: [&str; 2]) -> Value {
    json!({ "seats": seats, "contact": { "email": "name@example.org" } })
}

async fn post(api: Router, path: String, user: &str, key: &str, body: Value) -> String {
    let claims = json!({ "sub": user, "exp": 4_102_444_800_i64 });
    let secret = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &secret);
    let body = if body.is_null() {
        Body::empty()
    } else {
        Body::from(body.to_string())
    };
    let request = Request::post(path)
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", token.expect("a token")),
        )
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(body)
        .expect("a request");
    let Ok(answer) = api.oneshot(request).await;
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let said = |name: &str| body.get(name).map(Value::to_string).unwrap_or_default();
    format!(
        "{status} {}{}{}",
        said("code"),
        said("status"),
        said("seats")
    )
}

const DECIDED: &str = "decided";
/// What a turn says whose partition is another owner's.
pub const LOST: &str = "position lost";

async fn decide(handler: &Webhooks<PgStore>, scene: &Scene, epoch: i64) -> String {
    let run = Run::new(
        Partition::new(WEBHOOKS, partition(scene.show)),
        Assignment::new(1),
        epoch,
        None,
        vec![scene.money.clone()],
    );
    let batch = Batch {
        runs: run.into_iter().collect(),
    };
    match handler.turn(&batch).await {
        Ok(()) => DECIDED.to_owned(),
        Err(TurnFailed::PositionLost(_)) => LOST.to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// Leases the timer, which is before the turn; the turn brings the answer.
async fn expire(ring: &Ring, store: PgStore) -> Turn {
    // Another worker that stands still may have it; its lease is over then.
    let over = "update tasks set lease_until = clock_timestamp() where lease_token is not null";
    sqlx::query(over)
        .execute(ring.store.pool())
        .await
        .expect("leases");
    let timer = Timer {
        work: CoordinatorWork::new(store.clone(), ring.gateways.clone()),
        leased: Arc::default(),
        go: Arc::default(),
        once: CancellationToken::new(),
    };
    let (leased, go, once) = (timer.leased.clone(), timer.go.clone(), timer.once.clone());
    let options = ExecutorOptions {
        in_flight: 1,
        ..ExecutorOptions::usual("race")
    };
    let works = tokio::spawn(boxoffice_tasks::run(store, Arc::new(timer), options, once));
    leased.notified().await;
    Box::pin(async move {
        go.notify_one();
        works.await.expect("the executor ends");
        String::new()
    })
}

/// The coordinator's work on timers, once.
struct Timer {
    work: CoordinatorWork<PgStore>,
    leased: Arc<Notify>,
    go: Arc<Notify>,
    once: CancellationToken,
}

impl Work for Timer {
    type Answer = Answer;

    const KINDS: &'static [TaskKind] = &[TaskKind::HoldTimer];

    async fn call(&self, task: &Leased) -> Result<Answer, HeldBack> {
        self.once.cancel();
        self.leased.notify_one();
        self.go.notified().await;
        self.work.call(task).await
    }

    fn apply(
        &self,
        task: &Leased,
        answer: &Answer,
        held: bool,
        world: &mut World,
        appends: &mut Appends,
    ) -> String {
        self.work.apply(task, answer, held, world, appends)
    }
}

//! Reconciliation: the gateways' books against ours, both ways, all the time.
//!
//! Each account is walked in windows of time. What the gateway has of a window ([`heard`]) and what we have of it are
//! put side by side ([`walk`], in [`parts`] where much has changed; [`unseen`] is about payments that we have no row of). What
//! agrees is done with; whatever does not is asked for, payment by payment, as `audit --gateway` does, and by the same rule. So
//! an old event is never taken for news, and what is told is how things stand now.
//!
//! Three things can come of it. Both say the same. Or the saga has not heard something: then the fact goes, signed by us,
//! through the door of all money, `payments.webhooks.v1`, and is decided like any webhook ([`tell`]). Or telling cannot
//! mend it, or has not: then a person is called.
//!
//! The cursor ([`place`]) moves when a window is done. Whoever dies repeats a window at most, and what he tells again has
//! the same event id, which the inbox knows.

pub mod command;
mod heard;
pub mod metric;
mod parts;
mod place;
mod tell;
mod unseen;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use boxoffice_gateways::{Gateways, Window};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use place::Place;
use walk::{Walk, WalkError};

/// By so much the lease outlives the pause between two windows; during a window it is renewed a few times within it.
const LEASE: Duration = Duration::from_secs(20);
const RENEWED_EVERY: Duration = Duration::from_secs(5);
/// So often is a window walked over payments about which the gateway says nothing usable; then a person is called for
/// these, and the walk goes on.
const TRIES: i32 = 5;

/// How it runs. Documented in `config.default.toml`, section `reconciliation`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Between two windows of an account, once it has caught up.
    pub interval: Duration,
    /// The longest window.
    pub window: Duration,
    /// What was walked is walked once more when it is so much older.
    pub again: Duration,
    /// How far behind now a window ends.
    pub settle: Duration,
    /// How far back the first window of a new account begins.
    pub first: Duration,
}

/// What came of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Whether the gateway could be asked what had changed; else only our own rows were compared.
    pub listed: bool,
    /// Payments of which both books say the same.
    pub matched: usize,
    /// Facts that were told through the door, each counted once.
    pub repaired: usize,
    /// Payments that need a person, each counted once.
    pub needs_person: usize,
    /// Payments without our reference: another product's money.
    pub not_ours: usize,
    /// Payments about which the gateway gave no usable answer.
    pub unanswered: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.listed |= other.listed;
        self.matched += other.matched;
        self.repaired += other.repaired;
        self.needs_person += other.needs_person;
        self.not_ours += other.not_ours;
        self.unanswered += other.unanswered;
    }
}

/// Runs until `stop`: every account that has an API, each by itself. `reading` has sessions that plan each time
/// ([`PgStore::reading`]).
pub async fn run(
    store: PgStore,
    reading: PgStore,
    gateways: Arc<Gateways>,
    options: Options,
    stop: CancellationToken,
) {
    let workers = gateways
        .names()
        .filter(|account| gateways.client(account).is_some())
        .map(|account| {
            let worker = Worker {
                store: store.clone(),
                reading: reading.clone(),
                gateways: Arc::clone(&gateways),
                account: account.clone(),
                options,
                lease: Uuid::new_v4(),
            };
            worker.run(stop.clone())
        });
    futures::future::join_all(workers).await;
}

struct Worker {
    store: PgStore,
    reading: PgStore,
    gateways: Arc<Gateways>,
    account: GatewayAccount,
    options: Options,
    lease: Uuid,
}

impl Worker {
    async fn run(self, stop: CancellationToken) {
        loop {
            // A window that is given up in the middle is walked again.
            let Some(stepped) = stop.run_until_cancelled(self.step()).await else {
                break;
            };
            let behind = stepped.unwrap_or_else(|error| {
                metrics::counter!(metric::WINDOWS, "gateway" => self.account.to_string(), "ended" => "failed")
                    .increment(1);
                tracing::warn!(gateway = %self.account, %error, "a window is not reconciled now");
                false
            });
            if behind {
                continue;
            }
            let pause = tokio::time::sleep(self.options.interval);
            if stop.run_until_cancelled(pause).await.is_none() {
                break;
            }
        }
        if let Err(error) = place::leave(&self.store, &self.account, self.lease).await {
            tracing::debug!(%error, "the reconciliation's lease is left to end by itself");
        }
    }

    /// One window. Whether there is another at once.
    async fn step(&self) -> Result<bool, WalkError> {
        let gauge = metrics::gauge!(metric::LAG, "gateway" => self.account.to_string());
        let Some(place) = self.hold().await? else {
            gauge.set(0.0);
            return Ok(false);
        };
        gauge.set((place.now - place.until).as_seconds_f64());
        let end = place.now - self.options.settle;
        let window = Window {
            since: place.until,
            until: end.min(place.until + self.options.window),
        };
        if window.until <= place.until {
            return Ok(false);
        }
        let done = tokio::select! {
            done = self.window(&place, &window) => done?,
            lost = self.keep() => return lost.map(|()| false).map_err(WalkError::from),
        };
        Ok(done && window.until < end)
    }

    /// What was new when it was walked, and no longer is.
    fn again(&self, window: &Window) -> Window {
        Window {
            since: window.since - self.options.again,
            until: window.since.min(window.until - self.options.again),
        }
    }

    async fn hold(&self) -> Result<Option<Place>, TurnError> {
        place::hold(
            &self.store,
            &self.account,
            self.lease,
            self.options.interval + LEASE,
            self.options.first,
        )
        .await
    }

    /// Renews the lease until it is lost.
    async fn keep(&self) -> Result<(), TurnError> {
        loop {
            tokio::time::sleep(RENEWED_EVERY).await;
            if self.hold().await?.is_none() {
                tracing::info!(gateway = %self.account, "another process reconciles this account now");
                return Ok(());
            }
        }
    }

    /// Walks a window and moves the cursor behind it, unless too much was not answered.
    async fn window(&self, place: &Place, window: &Window) -> Result<bool, WalkError> {
        let walk = Walk {
            store: &self.store,
            reading: &self.reading,
            gateways: &self.gateways,
            account: &self.account,
            now: place.now,
        };
        let mut outcome = walk.window(window).await?;
        outcome.add(walk.window(&self.again(window)).await?);
        let waits = outcome.unanswered.iter().any(|missing| missing.later);
        let ended = if waits || (!outcome.unanswered.is_empty() && place.tries + 1 < TRIES) {
            "unanswered"
        } else {
            "done"
        };
        if ended == "done" {
            walk.give_up_asking(&mut outcome).await?;
            place::reconciled(
                &self.store,
                &self.account,
                self.lease,
                window,
                &outcome.tally,
            )
            .await?;
        } else {
            tracing::info!(
                gateway = %self.account, payments = outcome.unanswered.len(),
                "the gateway has not answered everything; the window is walked again"
            );
            if !waits {
                place::tried(&self.store, &self.account, self.lease).await?;
            }
        }
        let gateway = self.account.to_string();
        metrics::counter!(metric::WINDOWS, "gateway" => gateway.clone(), "ended" => ended)
            .increment(1);
        let tally = &outcome.tally;
        for (result, count) in [
            ("matched", tally.matched),
            ("repaired", tally.repaired),
            ("needs_person", tally.needs_person),
            ("not_ours", tally.not_ours),
            ("unanswered", tally.unanswered),
        ] {
            metrics::counter!(metric::PAYMENTS, "gateway" => gateway.clone(), "result" => result)
                .increment(u64::try_from(count).unwrap_or(0));
        }
        Ok(ended == "done")
    }
}

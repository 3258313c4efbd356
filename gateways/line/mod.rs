//! The line to a gateway account: every call of its client goes through here, whatever the adapter.
//!
//! A line keeps two promises. It calls no more often than is configured, and of that the mass refunds get their
//! share and no more, so that everything else is never starved. And while the gateway does not answer it does
//! not ask, but for one probe at a time ([`circuit`]). A call that it holds back is answered at once, or after a
//! short wait for its turn, with [`CallError::RetryLater`] [said by our line](SaidBy::OurLine): such a call was
//! never made, and is no try.
//!
//! Both are kept per process. A call that takes several exchanges (a long list; a decline that is looked up)
//! counts as one.

mod circuit;
mod metric;
mod rate;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use boxoffice_saga::fact::{PaymentFact, RefundFact};
use boxoffice_saga::identity::{GatewayAccount, RefundId};
use futures::FutureExt;
use serde::Deserialize;
use tokio::time::Instant;

use crate::client::{
    Answer, Attempt, CallError, CaptureAnswer, ChangesPage, CreatePayment, Created, GatewayClient,
    RefundNews, RefundOrder, SaidBy, VoidAnswer, Window,
};
use circuit::{Circuit, Fuse, Health, Pass, Position};
use rate::Buckets;

pub use metric::describe as describe_metrics;

/// How often a gateway account is called, and when it is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineConfig {
    /// Calls a second in the long run, of each kind (open, cancel, refund, look up …), as gateways count by
    /// endpoint; 0: no limit. Default 25.
    pub calls_per_second: u32,
    /// Calls of a kind at once after a rest; at least 1. Default 25.
    pub burst: u32,
    /// What part of that the refunds of cancelled shows may take, in percent: 1 to 100. Default 80.
    pub mass_share_percent: u8,
    /// After so many calls in a row without a usable answer nobody asks for a while: 1 to 20. Half of the last
    /// twenty do the same. Default 5.
    pub open_after: u32,
    /// How long nobody asks then, in seconds; after it, one call at a time tries whether the gateway is back.
    /// At least 1, at most 600. Default 10.
    pub open_seconds: u32,
}

impl Default for LineConfig {
    fn default() -> Self {
        Self {
            calls_per_second: 25,
            burst: 25,
            mass_share_percent: 80,
            open_after: 5,
            open_seconds: 10,
        }
    }
}

impl LineConfig {
    /// What is wrong with it, for people.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let ranges = [
            (
                self.calls_per_second <= 1_000_000,
                "`line.calls_per_second` must be at most 1000000",
            ),
            (self.burst >= 1, "`line.burst` must be at least 1"),
            (
                (1..=100).contains(&self.mass_share_percent),
                "`line.mass_share_percent` must be 1 to 100",
            ),
            (
                (1..=20).contains(&self.open_after),
                "`line.open_after` must be 1 to 20",
            ),
            (
                (1..=600).contains(&self.open_seconds),
                "`line.open_seconds` must be 1 to 600",
            ),
        ];
        match ranges.into_iter().find(|(fits, _)| !fits) {
            Some((_, what)) => Err(what.to_owned()),
            None => Ok(()),
        }
    }

    /// How many mass refunds a second that makes in the long run; none: without limit.
    pub fn mass_per_second(&self) -> Option<f64> {
        let share = f64::from(self.mass_share_percent) / 100.0;
        (self.calls_per_second > 0).then(|| f64::from(self.calls_per_second) * share)
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Everything but the next.
    Ordinary,
    /// The refunds of cancelled shows.
    Mass,
}

/// The kinds of calls, each with its own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Call {
    Create,
    Fetch,
    Void,
    Capture,
    Refund,
    FetchRefund,
    ListRefunds,
    ListChanges,
}

/// A client behind its line. Cloned, it is the same line.
#[derive(Clone)]
pub(crate) struct Line {
    shared: Arc<Shared>,
    lane: Lane,
}

struct Shared {
    client: Arc<dyn GatewayClient>,
    circuit: Circuit,
    whole: Option<Buckets>,
    mass: Option<Buckets>,
    /// The account's name in metrics.
    name: String,
}

impl Line {
    /// The line of ordinary calls.
    pub(crate) fn new(client: Arc<dyn GatewayClient>, config: &LineConfig) -> Self {
        let name = client.account().to_string();
        metric::position(&name, Position::Closed);
        let share = u32::from(config.mass_share_percent);
        let shared = Shared {
            circuit: Circuit::new(Fuse {
                failures: config.open_after,
                pause: Duration::from_secs(config.open_seconds.into()),
            }),
            whole: Buckets::new(config.calls_per_second.into(), config.burst),
            mass: config
                .mass_per_second()
                .and_then(|rate| Buckets::new(rate, config.burst.saturating_mul(share) / 100)),
            client,
            name,
        };
        Self {
            shared: Arc::new(shared),
            lane: Lane::Ordinary,
        }
    }

    /// The same line for mass refunds.
    pub(crate) fn mass(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            lane: Lane::Mass,
        }
    }

    /// Whether no call would be let through now.
    pub(crate) fn is_shut(&self) -> bool {
        self.shared.circuit.shut(Instant::now()).is_some()
    }

    /// How long a call waits for its turn at most.
    fn patience(&self) -> Duration {
        self.shared.client.timeout() / 5
    }

    /// Makes a call when it is its turn, unless the line is shut.
    async fn through<T>(
        &self,
        call: Call,
        made: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, CallError> {
        // Nobody takes a turn for a call that cannot be made.
        if let Some(after) = self.shared.circuit.shut(Instant::now()) {
            return Err(self.shut(after));
        }
        self.turn(call).await?;
        let (pass, position) = match self.shared.circuit.enter(Instant::now()) {
            Ok(entered) => entered,
            Err(after) => return Err(self.shut(after)),
        };
        let mut under_way = UnderWay {
            shared: &self.shared,
            pass: Some(pass),
        };
        if position == Position::Probing {
            metric::position(&self.shared.name, position);
            tracing::info!(gateway = %self.shared.name, "one call tries whether the gateway is back");
        }
        let answer = made.await;
        under_way.settle(answer.as_ref().err());
        answer
    }

    async fn turn(&self, call: Call) -> Result<(), CallError> {
        let asked = Instant::now();
        let until = asked + self.patience();
        let share = self
            .shared
            .mass
            .as_ref()
            .filter(|_| self.lane == Lane::Mass);
        for buckets in share.into_iter().chain(&self.shared.whole) {
            if let Err(after) = buckets.turn(call, until).await {
                metric::held_back(&self.shared.name, "rate");
                return Err(CallError::RetryLater {
                    after: Some(after),
                    why: "we call this gateway as often as we may already".to_owned(),
                    said_by: SaidBy::OurLine,
                });
            }
        }
        metric::waited(&self.shared.name, self.lane, asked.elapsed());
        Ok(())
    }

    fn shut(&self, after: Duration) -> CallError {
        metric::held_back(&self.shared.name, "circuit");
        CallError::RetryLater {
            after: Some(after),
            why: "the gateway does not answer at present, so it is not asked".to_owned(),
            said_by: SaidBy::OurLine,
        }
    }
}

/// A call under way. Given up by its caller, it had no answer.
struct UnderWay<'a> {
    shared: &'a Shared,
    pass: Option<Pass>,
}

impl UnderWay<'_> {
    fn settle(&mut self, error: Option<&CallError>) {
        let Some(pass) = self.pass.take() else {
            return;
        };
        let health = error.map_or(Health::Well, health);
        let Some(position) = self.shared.circuit.settle(&pass, health, Instant::now()) else {
            return;
        };
        let gateway = &self.shared.name;
        metric::position(gateway, position);
        if position == Position::Open {
            metric::opened(gateway);
            let why = error.map(ToString::to_string).unwrap_or_default();
            tracing::warn!(%gateway, why, "the gateway does not answer: it is left alone for a while");
        } else {
            tracing::info!(%gateway, "the gateway answers again");
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.settle(Some(&CallError::unknown("given up by its caller")));
    }
}

/// What an answer says about the gateway's health: a "no" is as good a sign of life as a "yes".
fn health(error: &CallError) -> Health {
    match error {
        CallError::Unknown { .. }
        | CallError::RetryLater {
            said_by: SaidBy::Nobody,
            ..
        } => Health::Ill,
        CallError::Declined { .. } | CallError::NotFound | CallError::RetryLater { .. } => {
            Health::Well
        }
    }
}

impl GatewayClient for Line {
    fn account(&self) -> &GatewayAccount {
        self.shared.client.account()
    }

    /// With the wait for its turn.
    fn timeout(&self) -> Duration {
        self.shared.client.timeout() + self.patience()
    }

    fn refund_news(&self) -> RefundNews {
        self.shared.client.refund_news()
    }

    fn create_payment<'a>(&'a self, order: &'a CreatePayment) -> Answer<'a, Created> {
        self.through(Call::Create, self.shared.client.create_payment(order))
            .boxed()
    }

    fn fetch_payment<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, PaymentFact> {
        let call = self.shared.client.fetch_payment(gateway_payment_id);
        self.through(Call::Fetch, call).boxed()
    }

    fn void_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, VoidAnswer> {
        let call = self.shared.client.void_payment(attempt);
        self.through(Call::Void, call).boxed()
    }

    fn capture_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, CaptureAnswer> {
        let call = self.shared.client.capture_payment(attempt);
        self.through(Call::Capture, call).boxed()
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, RefundFact> {
        self.through(Call::Refund, self.shared.client.refund(order))
            .boxed()
    }

    fn fetch_refund<'a>(&'a self, gateway_refund_id: &'a str) -> Answer<'a, RefundFact> {
        let call = self.shared.client.fetch_refund(gateway_refund_id);
        self.through(Call::FetchRefund, call).boxed()
    }

    fn refunds_of<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, Vec<RefundFact>> {
        let call = self.shared.client.refunds_of(gateway_payment_id);
        self.through(Call::ListRefunds, call).boxed()
    }

    fn goes_at<'a>(
        &'a self,
        gateway_payment_id: &'a str,
        refund: RefundId,
        latest: u32,
    ) -> Answer<'a, Vec<RefundFact>> {
        let client = &self.shared.client;
        let call = client.goes_at(gateway_payment_id, refund, latest);
        self.through(Call::ListRefunds, call).boxed()
    }

    fn changes<'a>(&'a self, window: &'a Window, page: Option<&'a str>) -> Answer<'a, ChangesPage> {
        let call = self.shared.client.changes(window, page);
        self.through(Call::ListChanges, call).boxed()
    }
}

#[cfg(test)]
mod tests;

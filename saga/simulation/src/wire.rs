//! The network between us and the gateway: requests under way, and the client that waits for their answers.
//!
//! A request leaves when its caller is polled. Whether it arrives, and whether its answer does, is chosen by
//! the history; a caller that dies leaves it on the wire.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use boxoffice_gateways::client::Answer;
use boxoffice_gateways::{
    Attempt, CallError, CaptureAnswer, CreatePayment, Created, GatewayClient, RefundOrder,
    VoidAnswer,
};
use boxoffice_saga::fact::{PaymentFact, RefundFact};
use boxoffice_saga::identity::GatewayAccount;
use time::{Duration, OffsetDateTime};

use crate::gateway::{Reply, Request};
use crate::mistake::Mistake;

/// The longest that a request takes to arrive, and the longest that a client waits for its answer.
pub(crate) const EXCHANGE: Duration = Duration::seconds(10);

/// A request under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub account: GatewayAccount,
    pub request: Request,
    pub sent_at: OffsetDateTime,
    /// Whether it may still arrive.
    pub on_the_way: bool,
    /// What its caller will find. `None`: nothing yet.
    pub answer: Option<Result<Reply, CallError>>,
    /// Whether its caller still waits.
    pub awaited: bool,
}

/// Everything under way.
#[derive(Debug)]
pub(crate) struct Wire {
    pub exchanges: BTreeMap<u64, Exchange>,
    next: u64,
    pub now: OffsetDateTime,
    mistake: Option<Mistake>,
}

/// The wire, shared by the clients.
#[derive(Clone, Debug)]
pub(crate) struct Network(Arc<Mutex<Wire>>);

impl Network {
    pub fn new(now: OffsetDateTime, mistake: Option<Mistake>) -> Self {
        Self(Arc::new(Mutex::new(Wire {
            exchanges: BTreeMap::new(),
            next: 0,
            now,
            mistake,
        })))
    }

    pub fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request when it is first polled, and waits for what comes back.
    async fn ask(&self, account: &GatewayAccount, request: Request) -> Result<Reply, CallError> {
        let waiting = Waiting {
            network: self,
            id: self.wire().send(account, request),
        };
        poll_fn(|_| {
            let mut wire = self.wire();
            let answered = wire
                .exchanges
                .get_mut(&waiting.id)
                .and_then(|exchange| exchange.answer.take());
            match answered {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl Wire {
    fn send(&mut self, account: &GatewayAccount, mut request: Request) -> u64 {
        let id = self.next;
        self.next += 1;
        if let (Some(Mistake::RepeatsBlindly), Request::Refund(order)) =
            (self.mistake, &mut request)
        {
            order.key = format!("{}-{id}", order.key);
        }
        let exchange = Exchange {
            account: account.clone(),
            request,
            sent_at: self.now,
            on_the_way: true,
            answer: None,
            awaited: true,
        };
        self.exchanges.insert(id, exchange);
        id
    }

    /// What is too old does not arrive any more, and its caller has given up.
    pub fn time_passes(&mut self, now: OffsetDateTime) {
        self.now = now;
        for exchange in self.exchanges.values_mut() {
            if now - exchange.sent_at > EXCHANGE {
                exchange.on_the_way = false;
                if exchange.awaited && exchange.answer.is_none() {
                    exchange.answer = Some(Err(CallError::unknown("no answer in time")));
                }
            }
        }
        self.sweep();
    }

    /// Forgets what matters to nobody.
    pub fn sweep(&mut self) {
        self.exchanges
            .retain(|_, exchange| exchange.on_the_way || exchange.awaited);
    }
}

/// Somebody who waits; when they are gone, nobody does.
struct Waiting<'a> {
    network: &'a Network,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut wire = self.network.wire();
        if let Some(exchange) = wire.exchanges.get_mut(&self.id) {
            exchange.awaited = false;
            if !exchange.on_the_way {
                wire.exchanges.remove(&self.id);
            }
        }
    }
}

/// The client of an account: everything goes over the wire.
pub(crate) struct Client {
    pub account: GatewayAccount,
    pub network: Network,
}

/// An answer of another shape than the question's would be a mistake of the simulated gateway.
fn odd<T>() -> Result<T, CallError> {
    Err(CallError::unknown("an answer that makes no sense"))
}

impl GatewayClient for Client {
    fn account(&self) -> &GatewayAccount {
        &self.account
    }

    fn timeout(&self) -> std::time::Duration {
        EXCHANGE.unsigned_abs()
    }

    fn create_payment<'a>(&'a self, order: &'a CreatePayment) -> Answer<'a, Created> {
        Box::pin(async move {
            let request = Request::Create(order.clone());
            match self.network.ask(&self.account, request).await? {
                Reply::Created(created) => Ok(created),
                _ => odd(),
            }
        })
    }

    fn fetch_payment<'a>(&'a self, id: &'a str) -> Answer<'a, PaymentFact> {
        Box::pin(async move {
            let request = Request::Fetch(id.to_owned());
            match self.network.ask(&self.account, request).await? {
                Reply::Payment(fact) => Ok(fact),
                _ => odd(),
            }
        })
    }

    fn void_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, VoidAnswer> {
        Box::pin(async move {
            let request = Request::Void(attempt.gateway_payment_id.clone());
            match self.network.ask(&self.account, request).await? {
                Reply::Void(answer) => Ok(answer),
                _ => odd(),
            }
        })
    }

    fn capture_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, CaptureAnswer> {
        Box::pin(async move {
            let request = Request::Capture(attempt.gateway_payment_id.clone());
            match self.network.ask(&self.account, request).await? {
                Reply::Payment(fact) => Ok(CaptureAnswer::Taken(fact)),
                _ => odd(),
            }
        })
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, RefundFact> {
        Box::pin(async move {
            let request = Request::Refund(order.clone());
            match self.network.ask(&self.account, request).await? {
                Reply::Refund(fact) => Ok(fact),
                _ => odd(),
            }
        })
    }

    fn fetch_refund<'a>(&'a self, id: &'a str) -> Answer<'a, RefundFact> {
        Box::pin(async move {
            let request = Request::FetchRefund(id.to_owned());
            match self.network.ask(&self.account, request).await? {
                Reply::Refund(fact) => Ok(fact),
                _ => odd(),
            }
        })
    }

    fn refunds_of<'a>(&'a self, payment: &'a str) -> Answer<'a, Vec<RefundFact>> {
        Box::pin(async move {
            let request = Request::RefundsOf(payment.to_owned());
            match self.network.ask(&self.account, request).await? {
                Reply::Refunds(facts) => Ok(facts),
                _ => odd(),
            }
        })
    }
}

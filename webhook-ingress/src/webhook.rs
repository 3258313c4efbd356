//! One webhook, from its head to its answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use boxoffice_failpoints::{Failpoint, hit};
use boxoffice_gateways::{Door, Gateways, Item, Readings, Refusal, Unreadable, WebhookRecord};
use boxoffice_peers::PeerAddress;
use boxoffice_producers::topics::PAYMENTS_WEBHOOKS;
use boxoffice_producers::{OutgoingRecord, SendError};
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use crate::accounts::{Account, Accounts, Taken};
use crate::admission::Admission;
use crate::broker::BrokerWatch;
use crate::health::{Part, livez, readyz};
use crate::options::{IngressOptions, OptionsError};
use crate::problem::Refused;
use crate::publisher::Publisher;
use crate::{body, clock, trace_context};

const PREFIX: &str = "/webhooks/";

/// The door's state. Clones share it.
pub struct Ingress<P> {
    inner: Arc<Inner<P>>,
}

struct Inner<P> {
    accounts: Accounts,
    publisher: P,
    options: IngressOptions,
    admission: Admission,
    broker: BrokerWatch,
}

/// The routes of the door: `/webhooks/…`, `/livez` and `/readyz`. Others may be merged to it.
pub fn router<P: Publisher>(ingress: Ingress<P>) -> Router {
    Router::new()
        .route("/webhooks/", any(receive::<P>))
        .route("/webhooks/{*account}", any(receive::<P>))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz::<P>))
        .with_state(ingress)
}

/// A webhook that was not taken, and what the log is told beside the code.
struct Turned {
    refused: Refused,
    why: Cow<'static, str>,
    event_id: Option<String>,
}

impl From<Refused> for Turned {
    fn from(refused: Refused) -> Self {
        Self {
            refused,
            why: Cow::Borrowed(""),
            event_id: None,
        }
    }
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self {
            refused: refusal.into(),
            why: Cow::Borrowed(refusal.name()),
            event_id: None,
        }
    }
}

async fn receive<P: Publisher>(State(ingress): State<Ingress<P>>, request: Request) -> Response {
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let found = head
        .uri
        .path()
        .strip_prefix(PREFIX)
        .and_then(|path| ingress.inner.accounts.find(path));
    let outcomes = found.map_or(ingress.inner.accounts.unknown(), |(account, _)| {
        &account.outcomes
    });
    let turned = match ingress.inner.take(&head, body, found, began).await {
        Ok(taken) => {
            outcomes.count_taken(taken);
            return Response::new(Body::empty());
        }
        Err(turned) => turned,
    };
    outcomes.count_refused(turned.refused);
    let account = found.map(|(account, _)| tracing::field::display(&account.name));
    let event_id = turned.event_id.as_deref();
    let (code, why) = (turned.refused.code(), &*turned.why);
    if turned.refused.is_ours() {
        tracing::warn!(account, event_id, code, why, "webhook not taken");
    } else {
        tracing::info!(account, event_id, code, why, "webhook refused");
    }
    turned.refused.answer(ingress.inner.options.retry_after)
}

impl<P: Publisher> Inner<P> {
    async fn take(
        &self,
        head: &Parts,
        body: Body,
        found: Option<(&Account, &dyn Door)>,
        began: Instant,
    ) -> Result<Taken, Turned> {
        if head.method != Method::POST {
            return Err(Refused::MethodNotAllowed.into());
        }
        let (account, door) = found.ok_or(Refused::UnknownGateway)?;
        if !account.lets_in(self.sender(head)) {
            return Err(Refused::SourceNotAllowed.into());
        }
        let mut admitted = self.admission.enter()?;
        let reading = body::whole(body, self.options.largest_body, &mut admitted);
        let body = timeout_at(began + self.options.body_within, reading)
            .await
            .map_err(|_| Refused::BodyTooSlow)??;
        account.bytes.increment(body.len() as u64);

        let at = clock::now();
        door.verify(&head.headers, &body, at)?;
        let readings = read(door, head, &body);
        if readings.has_hint() && !account.takes_hint() {
            return Err(Refused::TooBusy.into());
        }
        hit(Failpoint::IngressBeforePublish);
        let handed_over = std::time::Instant::now();
        let mut taken = Taken::NoInterest;
        let mut named = None;
        let mut under_way = Vec::with_capacity(1);
        for (item, reading) in (0..).zip(readings) {
            let (record, key) = record(account, door, head, &body, (item, &reading), at);
            taken = taken.max(Taken::of(&reading));
            under_way.push(
                self.publisher.publish(OutgoingRecord {
                    topic: PAYMENTS_WEBHOOKS,
                    key: key.as_bytes(),
                    headers: &record
                        .to_headers()
                        .into_iter()
                        .map(|(name, value)| (name.into(), value))
                        .collect::<Vec<_>>(),
                    payload: &record.body,
                }),
            );
            named.get_or_insert(record.event_id);
        }
        // The producer has its own copies now: a slow broker shall not make us hold one more.
        drop(body);
        admitted.release();

        // One after the other, for all are under way already.
        let all = async {
            for published in under_way {
                published.await?;
            }
            Ok(())
        };
        let answer = timeout_at(began + self.options.broker_within(), all).await;
        if let Err(error) = answer.unwrap_or(Err(SendError::TimedOut)) {
            self.broker.note_failed(error);
            let why = Cow::Owned(error.to_string());
            return Err(Turned {
                refused: error.into(),
                why,
                event_id: named,
            });
        }
        account.ack_seconds.record(handed_over.elapsed());
        self.broker.note_acknowledged();
        hit(Failpoint::IngressAfterPublish);
        Ok(taken)
    }
}

impl<P> Inner<P> {
    /// Who sent it: the other end of the connection, or whom a proxy that we trust names.
    fn sender(&self, head: &Parts) -> Option<IpAddr> {
        let PeerAddress(peer) = head.extensions.get()?;
        Some(
            self.options
                .trusted_proxies
                .client(peer.ip(), &head.headers),
        )
    }
}

/// What is written to Kafka for an item of a verified webhook, under which key. There is always something:
/// genuine bytes that we fail to understand may be money, and a corrected parser can read them again.
fn record(
    account: &Account,
    door: &dyn Door,
    head: &Parts,
    body: &Bytes,
    (item, read): (u32, &Item),
    at: OffsetDateTime,
) -> (WebhookRecord, String) {
    let name = account.name.clone();
    let (record, key) =
        WebhookRecord::received(name, door, &head.headers, body.clone(), (item, read), at);
    if let Err(why) = read {
        let (account, event_id) = (&account.name, record.event_id.as_str());
        tracing::warn!(%account, event_id, %why, "a genuine webhook cannot be read; it is kept for a person");
    }
    let traceparent = trace_context::traceparent(&head.headers);
    (record.with_traceparent(traceparent), key)
}

/// Reads verified bytes. A parser that panics is one that cannot read: without this every redelivery of
/// those bytes would be lost in the same way.
fn read(door: &dyn Door, head: &Parts, body: &[u8]) -> Readings {
    catch_unwind(AssertUnwindSafe(|| door.read(&head.headers, body))).unwrap_or_else(|_| {
        Readings::from(Err(Unreadable::Shape {
            why: "the parser panicked".to_owned(),
        }))
    })
}

impl<P> Clone for Ingress<P> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<P: Publisher> Ingress<P> {
    /// The door of `gateways`, writing to `publisher`. The metrics recorder must be installed before.
    ///
    /// # Errors
    /// [`OptionsError`] where the settings cannot work together.
    pub fn new(
        gateways: Arc<Gateways>,
        publisher: P,
        options: IngressOptions,
    ) -> Result<Self, OptionsError> {
        options.check()?;
        let inner = Inner {
            accounts: Accounts::new(gateways, &options),
            admission: Admission::new(&options),
            broker: BrokerWatch::new(),
            publisher,
            options,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// From now on every webhook is answered 503 with `Retry-After` and `readyz` says so too; those that are
    /// being handled finish.
    pub fn drain(&self) {
        self.inner.admission.drain();
    }

    /// Whether [`Ingress::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.inner.admission.is_draining()
    }

    pub(crate) fn options(&self) -> &IngressOptions {
        &self.inner.options
    }

    pub(crate) fn publisher(&self) -> &P {
        &self.inner.publisher
    }

    pub(crate) async fn broker(&self) -> Part {
        self.inner.broker.part(&self.inner.publisher).await
    }
}

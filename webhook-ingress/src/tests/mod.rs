//! The door, driven from outside, with a Kafka that does as it is told.

mod answers;
mod closing;
mod connections;
mod counted;
mod limits;
mod records;
mod sources;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use boxoffice_gateways::config::AccountConfig;
use boxoffice_gateways::{
    Door, GatewayAccount, Gateways, LineConfig, Readings, Refusal, SigningSecret, Unreadable,
    WebhookRecord,
};
use boxoffice_producers::{OutgoingRecord, SendError};
use boxoffice_saga::fact::{Fact, Reading};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request};
use sha2::Sha256;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::{Ingress, IngressOptions, Publisher, router};

pub const SECRET: &str = "It's a Secret to Everybody";
pub const SIGNATURE: &str = "x-hub-signature-256";
pub const PAID: &str = r#"{"id":"evt_1","type":"payment.succeeded","payment_id":"pay_1","amount":{"minor":45000,"currency":"INR"}}"#;
pub const OF_NO_INTEREST: &str = r#"{"id":"evt_2","type":"customer.created"}"#;

/// What the test's Kafka does with a record.
#[derive(Clone, Copy, Debug)]
pub enum Kafka {
    Acknowledges,
    Refuses(SendError),
    Hangs,
    /// Acknowledges once the test says so.
    Waits,
}

/// One record as it was published.
pub struct Published {
    pub topic: String,
    pub key: String,
    pub record: WebhookRecord,
}

#[derive(Clone)]
pub struct TestKafka(Arc<Inner>);

struct Inner {
    does: Mutex<Kafka>,
    published: Mutex<Vec<Published>>,
    /// A permit for each record that has come.
    came: Notify,
    go_on: Notify,
}

impl TestKafka {
    pub fn new(does: Kafka) -> Self {
        let (came, go_on) = (Notify::new(), Notify::new());
        Self(Arc::new(Inner {
            does: does.into(),
            published: Mutex::default(),
            came,
            go_on,
        }))
    }

    pub fn does(&self, does: Kafka) {
        *self.0.does.lock().unwrap() = does;
    }

    pub async fn a_record_came(&self) {
        self.0.came.notified().await;
    }

    pub fn acknowledge(&self) {
        self.0.go_on.notify_one();
    }

    pub fn published(&self) -> Vec<Published> {
        std::mem::take(&mut *self.0.published.lock().unwrap())
    }

    pub fn only(&self) -> Published {
        let mut published = self.published();
        assert_eq!(published.len(), 1);
        published.remove(0)
    }
}

impl Publisher for TestKafka {
    fn publish(
        &self,
        record: OutgoingRecord<'_>,
    ) -> impl Future<Output = Result<(), SendError>> + Send + use<> {
        let headers = record
            .headers
            .iter()
            .map(|(name, value)| (&**name, value.as_slice()));
        self.0.published.lock().unwrap().push(Published {
            topic: record.topic.to_owned(),
            key: String::from_utf8(record.key.to_vec()).unwrap(),
            record: WebhookRecord::from_parts(headers, Bytes::copy_from_slice(record.payload))
                .unwrap(),
        });
        self.0.came.notify_one();
        let (inner, does) = (Arc::clone(&self.0), *self.0.does.lock().unwrap());
        async move {
            match does {
                Kafka::Acknowledges => Ok(()),
                Kafka::Refuses(error) => Err(error),
                Kafka::Hangs => std::future::pending().await,
                Kafka::Waits => {
                    inner.go_on.notified().await;
                    Ok(())
                }
            }
        }
    }

    async fn probe(&self) -> Result<Vec<String>, String> {
        let does = *self.0.does.lock().unwrap();
        match does {
            Kafka::Acknowledges | Kafka::Waits => Ok(vec!["has 1 replicas".to_owned()]),
            Kafka::Refuses(error) => Err(error.to_string()),
            Kafka::Hangs => std::future::pending().await,
        }
    }

    async fn flush(&self, _at_most: Duration) -> bool {
        true
    }
}

/// A gateway whose header `x-odd` says how its door behaves.
struct OddDoor;

impl Door for OddDoor {
    fn verify(
        &self,
        headers: &HeaderMap,
        _body: &[u8],
        _at: OffsetDateTime,
    ) -> Result<(), Refusal> {
        let wish = headers
            .get("x-odd")
            .map_or("", |value| value.to_str().unwrap());
        Refusal::ALL
            .into_iter()
            .find(|refusal| refusal.name() == wish)
            .map_or(Ok(()), Err)
    }

    /// With the wish `several`, each line of the body is an item: its event's id, or one that is unreadable.
    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Readings {
        assert_ne!(headers["x-odd"], "panics", "as the test wants");
        let unreadable = || Err(Unreadable::Value { what: "the amount" });
        if headers["x-odd"] != "several" {
            return unreadable().into();
        }
        let mut items = std::str::from_utf8(body).unwrap().lines().map(|line| {
            if line == "?" {
                return unreadable();
            }
            Ok(Reading {
                event_id: line.to_owned(),
                kind: "line".to_owned(),
                occurred_at: None,
                fact: Fact::Nothing,
            })
        });
        Readings::several(items.next().unwrap(), items.collect())
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &["x-odd"]
    }
}

/// `generic`, also as its account `berlin`, and `odd`.
pub fn gateways() -> Arc<Gateways> {
    let generic = AccountConfig::new("generic", SigningSecret::new(SECRET));
    let berlin = AccountConfig {
        account: "berlin".into(),
        ..generic.clone()
    };
    let mut gateways = Gateways::new(vec![generic, berlin], vec![]).unwrap();
    gateways.insert(
        GatewayAccount::new("odd", GatewayAccount::DEFAULT),
        Box::new(OddDoor),
        None,
        &LineConfig::default(),
    );
    Arc::new(gateways)
}

pub fn ingress(kafka: &TestKafka, options: IngressOptions) -> Ingress<TestKafka> {
    Ingress::new(gateways(), kafka.clone(), options).unwrap()
}

pub fn door(kafka: &TestKafka) -> Router {
    router(ingress(kafka, IngressOptions::default()))
}

pub fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A signed webhook to the generic gateway.
pub fn signed(body: &'static str) -> Request<Body> {
    signed_stream(body.as_bytes(), Body::from(body))
}

/// The same, with a body that comes as the test wants.
pub fn signed_stream(signed: &[u8], body: Body) -> Request<Body> {
    Request::post("/webhooks/generic")
        .header(SIGNATURE, sign(signed))
        .body(body)
        .unwrap()
}

pub async fn ask(door: &Router, request: Request<Body>) -> Response {
    door.clone().oneshot(request).await.unwrap()
}

/// Status and `code` of a refusal, whose form is checked on the way.
pub async fn refusal(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(
        response.headers().contains_key("retry-after"),
        status == 503
    );
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["status"], status);
    (status, document["code"].as_str().unwrap().to_owned())
}

pub fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

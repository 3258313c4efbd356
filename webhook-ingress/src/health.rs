//! Whether webhooks should be sent here, and if not, why not.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::Serialize;

use crate::publisher::Publisher;
use crate::webhook::Ingress;

/// What `GET /readyz` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether webhooks should be sent here: every part is ready.
    pub ready: bool,
    /// The parts.
    pub parts: Vec<Part>,
}

/// One part of what the door needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `broker` or `door`.
    #[serde(rename = "part")]
    pub name: &'static str,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What works, but not as it should in production.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How long ago the broker last acknowledged a webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_acknowledged_ms_ago: Option<u64>,
}

impl<P: Publisher> Ingress<P> {
    /// How things stand. Kafka is asked at most once in 3 s, however often this is called, and for at most
    /// 0.8 s.
    pub async fn readiness(&self) -> Readiness {
        let draining = self.is_draining();
        let door = Part {
            name: "door",
            ready: !draining,
            why: draining.then(|| "shutting down".to_owned()),
            warnings: Vec::new(),
            last_acknowledged_ms_ago: None,
        };
        let broker = self.broker().await;
        Readiness {
            ready: door.ready && broker.ready,
            parts: vec![broker, door],
        }
    }
}

#[derive(Serialize)]
struct Alive {
    alive: bool,
}

/// The process answers; that is all it says.
pub(crate) async fn livez() -> Response {
    fresh(Json(Alive { alive: true }).into_response())
}

pub(crate) async fn readyz<P: Publisher>(State(ingress): State<Ingress<P>>) -> Response {
    let readiness = ingress.readiness().await;
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    fresh((status, Json(readiness)).into_response())
}

fn fresh(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

//! The HTTP provider against a real server that answers as it is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use boxoffice_notifications::DeliveryError;
use boxoffice_notifications::provider::{HttpProvider, Provider, ShortMessage};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the server does with the next request.
enum Turn {
    Answer(u16, Option<&'static str>, &'static str),
    Silence,
}

#[derive(Default)]
struct Desk {
    turns: Mutex<VecDeque<Turn>>,
    seen: Mutex<Vec<(HeaderMap, Value)>>,
}

async fn take(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap();
    desk.seen.lock().unwrap().push((headers, body));
    let turn = desk.turns.lock().unwrap().pop_front();
    match turn.unwrap_or(Turn::Answer(202, None, "")) {
        Turn::Silence => std::future::pending().await,
        Turn::Answer(status, retry_after, body) => {
            let mut answer = (StatusCode::from_u16(status).unwrap(), body).into_response();
            if let Some(after) = retry_after {
                let headers = answer.headers_mut();
                headers.insert("retry-after", after.parse().unwrap());
            }
            answer
        }
    }
}

async fn server(turns: impl IntoIterator<Item = Turn>) -> (SocketAddr, Arc<Desk>) {
    let desk = Arc::new(Desk {
        turns: Mutex::new(turns.into_iter().collect()),
        ..Desk::default()
    });
    let routes = Router::new()
        .route("/messages", post(take))
        .with_state(desk.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, desk)
}

fn provider(address: SocketAddr) -> HttpProvider {
    let url = format!("http://{address}/messages");
    HttpProvider::new(
        &url,
        &SecretString::from("t0k3n"),
        Duration::from_millis(700),
    )
    .unwrap()
}

fn message() -> ShortMessage {
    ShortMessage {
        to: "+915550100".into(),
        text: "बुकिंग पक्की: Rāg".into(),
        message_id: "0d2c4b6e-0000-5000-8000-000000000001".into(),
        kind: "booking_confirmed",
    }
}

async fn outcome(turn: Turn) -> Result<(), DeliveryError> {
    let (address, desk) = server([turn]).await;
    let outcome = provider(address).send(&message()).await;
    assert_eq!(
        desk.seen.lock().unwrap().len(),
        1,
        "it never repeats by itself"
    );
    outcome
}

#[tokio::test]
async fn a_message_goes_out_as_it_is_documented() {
    let (address, desk) = server([]).await;
    provider(address).send(&message()).await.unwrap();
    let seen = desk.seen.lock().unwrap();
    let (headers, body) = &seen[0];
    assert_eq!(headers["authorization"], "Bearer t0k3n");
    assert_eq!(headers["idempotency-key"], message().message_id.as_str());
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(
        *body,
        json!({
            "to": "+915550100", "text": "बुकिंग पक्की: Rāg",
            "message_id": "0d2c4b6e-0000-5000-8000-000000000001", "kind": "booking_confirmed",
        })
    );
}

#[tokio::test]
async fn a_broken_provider_is_asked_again_under_the_same_key() {
    let (address, desk) =
        server([Turn::Answer(500, None, "oh"), Turn::Answer(200, None, "{}")]).await;
    let provider = provider(address);
    let error = provider.send(&message()).await.unwrap_err();
    let reason = "the provider answered 500".to_owned();
    let after = None;
    assert_eq!(error, DeliveryError::Transient { reason, after });
    provider.send(&message()).await.unwrap();
    let seen = desk.seen.lock().unwrap();
    assert_eq!(seen[0].0["idempotency-key"], seen[1].0["idempotency-key"]);
}

#[tokio::test]
async fn a_busy_provider_says_when_to_come_again() {
    for (status, header, pause) in [
        (429, Some("7"), Some(Duration::from_secs(7))),
        (503, Some(" 120 "), Some(Duration::from_secs(120))),
        (429, Some("soon"), None),
        (429, None, None),
        (408, None, None),
        (401, None, None),
        (302, None, None),
    ] {
        let error = outcome(Turn::Answer(status, header, "")).await.unwrap_err();
        let DeliveryError::Transient { after, reason } = error else {
            panic!("{status}: {error:?}")
        };
        assert_eq!(after, pause, "{status} {header:?}");
        assert_eq!(reason, format!("the provider answered {status}"));
    }
}

#[tokio::test]
async fn what_the_provider_refuses_is_permanent_and_only_its_code_is_kept() {
    let long = "{\"code\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}";
    for (status, body, kept) in [
        (
            400,
            "{\"code\":\"unreachable_number\"}",
            " (unreachable_number)",
        ),
        (400, "{\"code\":\"no-such-+915550100\"}", ""),
        (422, "{\"code\":\"\",\"to\":\"+915550100\"}", ""),
        (403, long, ""),
        (404, "+915550100 is not known", ""),
    ] {
        let error = outcome(Turn::Answer(status, None, body)).await.unwrap_err();
        let reason = format!("the provider answered {status}{kept}");
        assert_eq!(error, DeliveryError::Permanent { reason });
    }
}

#[tokio::test]
async fn where_the_answer_is_lost_nobody_knows() {
    for turn in [
        Turn::Silence,
        Turn::Answer(502, None, ""),
        Turn::Answer(504, None, ""),
    ] {
        let error = outcome(turn).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Unknown { .. }), "{error:?}");
    }
    // Hung up in the middle.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
    });
    let error = provider(address).send(&message()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unknown { .. }), "{error:?}");
}

#[tokio::test]
async fn where_nobody_answers_nothing_was_said() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let error = provider(address).send(&message()).await.unwrap_err();
    let reason = "the provider cannot be reached".to_owned();
    let after = None;
    assert_eq!(error, DeliveryError::Transient { reason, after });
}

#[test]
fn settings_are_refused_with_a_reason() {
    let new = |url: &str, token: &str| {
        let token = SecretString::from(token);
        HttpProvider::new(url, &token, Duration::from_secs(1)).map(|_| ())
    };
    for url in ["", "sms.example.com", "ftp://sms.example.com", "https://"] {
        let error = new(url, "t").unwrap_err().to_string();
        assert!(error.contains("no URL"), "{url}: {error}");
    }
    let error = new("http://localhost/", "two\nlines").unwrap_err();
    assert!(!format!("{error:?}{error}").contains("lines"), "{error}");
}

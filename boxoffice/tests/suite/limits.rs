//! How much is let in: each limit turns away at once, says when to come back, and lets in again.

use std::time::{Duration, Instant};

use boxoffice::demo::Stage;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::system;

/// Status, code, and whether it says when to come back.
async fn told(answer: reqwest::Response) -> (u16, String, bool) {
    let (status, retry) = (
        answer.status().as_u16(),
        answer.headers().contains_key("retry-after"),
    );
    let body: Value = answer.json().await.unwrap_or_default();
    (
        status,
        body["code"].as_str().unwrap_or_default().to_owned(),
        retry,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_and_an_address_have_their_own_rates() {
    let system = system::shared().await;
    let api = system
        .another_api(&[
            ("BOXOFFICE_API__USER_PER_SECOND", "1"),
            ("BOXOFFICE_API__USER_BURST", "3"),
            ("BOXOFFICE_API__ADDRESS_PER_SECOND", "1"),
            ("BOXOFFICE_API__ADDRESS_BURST", "30"),
            ("BOXOFFICE_API__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
        ])
        .await;
    let mut target = system.target.clone();
    target.api.clone_from(&api.url);
    let stage = Stage::enter(target)
        .await
        .expect("the system can be reached");
    let show = stage.show("Rates", 600_000).await.expect("a show");
    let (ann, bob) = (
        stage.customer("ann").await.expect("a customer"),
        stage.customer("bob").await.expect("a customer"),
    );
    let mut answers = Vec::new();
    for _ in 0..8 {
        let answer = ann.try_hold(show, &["A-1"]).await.expect("an answer");
        answers.push(told(answer).await);
    }
    let held = answers.iter().filter(|(status, _, _)| *status == 201);
    assert!(held.count() >= 3, "{answers:?}");
    assert!(
        answers.contains(&(429, "slow_down".to_owned(), true)),
        "{answers:?}"
    );
    let answer = bob.try_hold(show, &["A-2"]).await.expect("an answer");
    assert_eq!(answer.status(), 201, "somebody else is not meant");

    // Behind a proxy that we trust, the client is whom it names; what the client wrote before is not believed.
    let ask = async |chain: &str| {
        let url = format!("{}/v1/shows/{show}/seats", api.url);
        let answer = stage
            .http
            .get(url)
            .header("x-forwarded-for", chain)
            .send()
            .await;
        told(answer.expect("an answer")).await
    };
    let mut turned_away = 0;
    for nth in 0..60 {
        let (status, code, retry) = ask(&format!("10.9.8.{nth}, 203.0.113.9")).await;
        turned_away += usize::from(status == 429);
        assert!(
            status == 200 || (code == "slow_down" && retry),
            "{status} {code}"
        );
    }
    assert!(turned_away > 0, "one address has one bucket");
    assert_eq!(
        ask("203.0.113.10").await.0,
        200,
        "another address is not meant"
    );
    let health = stage
        .http
        .get(format!("{}/readyz", api.url))
        .header("x-forwarded-for", "203.0.113.9");
    assert_eq!(health.send().await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_house_says_so_at_once_and_opens_again() {
    let system = system::shared().await;
    let api = system
        .another_api(&[
            ("BOXOFFICE_API__REQUESTS_UNDER_WAY", "2"),
            ("BOXOFFICE_API__WAITING_CLIENTS", "1"),
            // All questions come from one address here.
            ("BOXOFFICE_API__ADDRESS_PER_SECOND", "0"),
        ])
        .await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("A full house", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let status = format!("{}/v1/bookings/{booking}", api.url);
    let get = |url: String| stage.http.get(url).bearer_auth(ann.token()).send();

    // Requests whose bodies do not come: no room for a third, until one of them ends. One of them may itself come when a
    // question has the last place for a moment.
    let host = api.url.trim_start_matches("http://");
    let begin = async || {
        let bob = stage.customer("bob").await.expect("a customer");
        let head = format!(
            "POST /v1/bookings/{booking}/release HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{",
            bob.token(),
        );
        let mut connection = TcpStream::connect(host).await.expect("a connection");
        connection.write_all(head.as_bytes()).await.expect("sent");
        connection
    };
    let mut slow = vec![begin().await, begin().await];
    let until = Instant::now() + Duration::from_secs(9);
    let mut answer = get(status.clone()).await.expect("an answer");
    while answer.status() == 200 && Instant::now() < until {
        slow.push(begin().await);
        answer = get(status.clone()).await.expect("an answer");
    }
    assert_eq!(told(answer).await, (503, "overloaded".to_owned(), true));
    let livez = stage.http.get(format!("{}/livez", api.url)).send().await;
    assert_eq!(livez.expect("an answer").status(), 200);
    let mut let_in = 0;
    for mut connection in slow {
        // Who was turned away is not listened to any more.
        let _ = connection.write_all(b"}").await;
        let mut answer = String::new();
        let _ = connection.read_to_string(&mut answer).await;
        let_in += usize::from(answer.starts_with("HTTP/1.1 404"));
    }
    assert_eq!(let_in, 2, "somebody else's booking");
    assert_eq!(get(status.clone()).await.expect("an answer").status(), 200);

    // One client may wait. Who comes then does not wait in line: 304 at once for a poll, and no stream.
    let tag = get(status.clone()).await.expect("an answer").headers()["etag"].clone();
    let waits = stage
        .http
        .get(format!("{}/events", status))
        .bearer_auth(ann.token())
        .send()
        .await
        .expect("a stream");
    assert_eq!(waits.status(), 200);
    let refused = get(format!("{status}/events")).await.expect("an answer");
    assert_eq!(told(refused).await, (503, "overloaded".to_owned(), true));
    for _ in 0..3 {
        let poll = stage
            .http
            .get(format!("{status}?wait=25"))
            .bearer_auth(ann.token());
        let answer = poll
            .header("if-none-match", &tag)
            .timeout(Duration::from_secs(20))
            .send()
            .await;
        assert_eq!(answer.expect("no wait of 25 seconds").status(), 304);
    }
    // They are never among those under way, or the house would have been full.
    drop(waits);
    let until = Instant::now() + Duration::from_secs(30);
    while get(format!("{status}/events"))
        .await
        .expect("an answer")
        .status()
        != 200
    {
        assert!(
            Instant::now() < until,
            "the room to wait in never opened again"
        );
    }
}

//! What the waiting customer sees: versions that never fall, waits that end, event streams, history, hints.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use boxoffice::demo::Stage;
use serde_json::{Value, json};

use crate::audience::comes_true;
use crate::system;

/// What the client knows of a document: the tag, and the version that it carries.
#[derive(Default)]
struct Known {
    tag: Option<String>,
    version: u64,
    statuses: Vec<String>,
}

impl Known {
    /// Polls once, and checks that what is told is never older than what was known.
    async fn poll(&mut self, http: &reqwest::Client, url: &str, wait: u32) {
        let mut request = http.get(format!("{url}&wait={wait}"));
        if let Some(tag) = &self.tag {
            request = request.header("if-none-match", tag);
        }
        let answer = request
            .timeout(Duration::from_secs(20))
            .send()
            .await
            .expect("every wait ends");
        let tag = answer.headers()["etag"].to_str().expect("text").to_owned();
        let after = answer.headers()["poll-after-ms"].to_str().expect("text");
        let after: u32 = after.parse().expect("milliseconds");
        match answer.status().as_u16() {
            304 => assert_eq!(Some(&tag), self.tag.as_ref()),
            200 => {
                let document: Value = answer.json().await.expect("a document");
                let version = document["version"].as_u64().expect("a version");
                assert!(version >= self.version, "{version} after {}", self.version);
                assert_eq!(document["poll"]["after_ms"], after);
                self.version = version;
                self.tag = Some(tag);
                let status = document["status"].as_str().expect("a status").to_owned();
                if self.statuses.last() != Some(&status) {
                    self.statuses.push(status);
                }
            }
            other => panic!("the status answered {other}"),
        }
    }
}

/// Some clients alternate between two instances, some stay with the one whose follower hears nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_version_falls_between_instances_and_every_wait_ends() {
    let system = system::shared().await;
    // Its broker is a closed port: its follower never hears anything, however long one waits.
    let deaf = system
        .another_api(&[("BOXOFFICE_KAFKA__BROKERS", "127.0.0.1:1")])
        .await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Two instances", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1", "A-2"]).await.expect("a hold");
    let address = ann.status(&booking).await.expect("a status");
    assert_eq!(address["status"], "HELD");
    let history = me(&stage, ann.token(), "").await;
    let path = history["bookings"][0]["status_url"]
        .as_str()
        .expect("an address")
        .to_owned();
    let over = AtomicBool::new(false);
    let clients = (0..6_usize).map(|nth| {
        let hosts = match nth {
            0 | 1 => [&system.target.api, &deaf.url],
            2 | 3 => [&deaf.url, &system.target.api],
            _ => [&deaf.url, &deaf.url],
        };
        let urls = hosts.map(|host| format!("{host}{path}"));
        let (http, over) = (&stage.http, &over);
        async move {
            let mut known = Known::default();
            let mut polls = 0;
            // Once more after the end, so that each has seen it.
            loop {
                let last = over.load(Ordering::SeqCst);
                let wait = if nth % 2 == 0 { 1 } else { 0 };
                known.poll(http, &urls[polls % 2], wait).await;
                polls += 1;
                if last {
                    return known;
                }
            }
        }
    });
    let story = async {
        let first = ann.open_payment(&booking).await.expect("an attempt");
        let second = ann.open_payment(&booking).await.expect("an attempt");
        ann.pay(&first).await.expect("paid");
        ann.wait_for(&booking, "CONFIRMED")
            .await
            .expect("confirmed");
        // Told genuinely, of a payment that is not the one that paid: it goes back.
        drop(second);
        let amount = address["amount"]["minor"].as_i64().expect("an amount");
        stage
            .post_webhook(&booking, "pi_another", amount)
            .await
            .expect("an answer");
        let until = Instant::now() + Duration::from_secs(30);
        while ann.status(&booking).await.expect("a status")["refund"].is_null() {
            assert!(
                Instant::now() < until,
                "the second payment was never decided"
            );
        }
        over.store(true, Ordering::SeqCst);
    };
    let (known, ()) = tokio::join!(futures::future::join_all(clients), story);
    let versions: BTreeSet<u64> = known.iter().map(|known| known.version).collect();
    for known in &known {
        assert_eq!(
            known.statuses.last().map(String::as_str),
            Some("CONFIRMED"),
            "{:?}",
            known.statuses
        );
    }
    assert!(!versions.is_empty());
}

async fn me(stage: &Stage, token: &str, query: &str) -> Value {
    let url = format!("{}/v1/me/bookings{query}", stage.target.api);
    let answer = stage
        .http
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .expect("an answer");
    answer.json().await.expect("a page")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_is_the_callers_newest_first_page_by_page() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let ann = stage.customer("ann").await.expect("a customer");
    let bob = stage.customer("bob").await.expect("a customer");
    let mut held = Vec::new();
    for nth in 0..5 {
        let title = format!("Evening {nth}");
        let show = stage.show(&title, 600_000).await.expect("a show");
        held.push(ann.hold(show, &["A-1"]).await.expect("a hold"));
        bob.hold(show, &["A-2"]).await.expect("a hold");
    }
    held.reverse();
    let (mut seen, mut query, mut pages) = (Vec::new(), "?limit=2".to_owned(), 0);
    loop {
        let page = me(&stage, ann.token(), &query).await;
        pages += 1;
        for booking in page["bookings"].as_array().expect("a list") {
            assert_eq!(booking["status"], "HELD");
            assert!(
                booking["show"]["title"]
                    .as_str()
                    .expect("a title")
                    .starts_with("Evening")
            );
            seen.push(booking["booking_id"].as_str().expect("an id").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((seen, pages), (held, 3));
    for query in ["?cursor=nonsense", "?limit=0", "?limit=101", "?limit=x"] {
        assert_eq!(
            me(&stage, ann.token(), query).await["code"],
            "invalid_request",
            "{query}"
        );
    }
}

/// The events of a stream until `last` status is seen: their ids and statuses.
async fn events(
    stage: &Stage,
    url: &str,
    token: &str,
    after: Option<&str>,
    last: &str,
) -> Vec<(String, String)> {
    let mut request = stage.http.get(url).bearer_auth(token);
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let mut answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut text, mut events) = (String::new(), Vec::new());
    while let Some(part) = answer.chunk().await.expect("a stream") {
        text.push_str(std::str::from_utf8(&part).expect("UTF-8"));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                let line = event.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim_start().to_owned())
            };
            if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                let document: Value = serde_json::from_str(&data).expect("a document");
                let status = document["status"].as_str().expect("a status").to_owned();
                assert!(id.starts_with(&format!("{}-", document["version"])));
                events.push((id, status.clone()));
                if status == last {
                    return events;
                }
            }
            text = rest.to_owned();
        }
    }
    panic!("the stream ended after {events:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stream_tells_each_change_and_goes_on_where_it_was_cut() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("A stream", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let url = format!("{}/v1/bookings/{booking}/events", system.target.api);
    let follow = events(&stage, &url, ann.token(), None, "CONFIRMED");
    let story = async {
        // The stream has begun when its first event is there; a change before that is in it.
        let attempt = ann.open_payment(&booking).await.expect("an attempt");
        ann.pay(&attempt).await.expect("paid");
    };
    let (seen, ()) = tokio::join!(follow, story);
    let versions: Vec<u64> = seen.iter().map(|(id, _)| version(id)).collect();
    assert!(versions.is_sorted(), "{seen:?}");
    let (last, _) = seen.last().expect("an event").clone();
    // Cut and taken up again with what was seen first: the newest, at once.
    let again = events(&stage, &url, ann.token(), Some("1-sy"), "CONFIRMED").await;
    assert_eq!(again, [(last.clone(), "CONFIRMED".to_owned())]);
    // With what is newest: nothing, until something happens.
    let follow = events(&stage, &url, ann.token(), Some(&last), "CONFIRMED");
    let amount = ann.status(&booking).await.expect("a status")["amount"]["minor"]
        .as_i64()
        .expect("an amount");
    let story = stage.post_webhook(&booking, "pi_more", amount);
    let (seen, told) = tokio::join!(follow, story);
    assert_eq!(told.expect("an answer").status(), 200);
    assert!(
        version(&seen[0].0) > version(&last),
        "{seen:?} after {last}"
    );
    let stranger = stage.customer("bob").await.expect("a customer");
    let refused = stage.http.get(&url).bearer_auth(stranger.token()).send();
    assert_eq!(refused.await.expect("an answer").status(), 404);
}

fn version(id: &str) -> u64 {
    id.split('-')
        .next()
        .expect("a version")
        .parse()
        .expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_has_the_gateway_asked_and_nothing_else() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("A hint", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");
    let hint = |payment: &str, token: &str| {
        let url = format!(
            "{}/v1/bookings/{booking}/payments/{payment}/hint",
            system.target.api
        );
        stage.http.post(url).bearer_auth(token).send()
    };
    let code = async |answer: reqwest::Response| {
        let (status, retry) = (
            answer.status().as_u16(),
            answer.headers().get("retry-after").cloned(),
        );
        let body: Value = answer.json().await.unwrap_or_default();
        (
            status,
            body["code"].as_str().unwrap_or_default().to_owned(),
            retry.is_some(),
        )
    };
    // A browser that lies changes nothing.
    let answer = hint(&attempt.payment_id, ann.token())
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 202);
    let bob = stage.customer("bob").await.expect("a customer");
    let answer = hint(&attempt.payment_id, bob.token())
        .await
        .expect("an answer");
    assert_eq!(code(answer).await, (404, "not_found".into(), false));
    let other = uuid::Uuid::new_v4().to_string();
    let answer = hint(&other, ann.token()).await.expect("an answer");
    assert_eq!(code(answer).await, (404, "not_found".into(), false));
    let answer = hint(&attempt.payment_id, ann.token())
        .await
        .expect("an answer");
    assert_eq!(code(answer).await, (429, "slow_down".into(), true));
    // Every webhook of this payment is lost, and the scheduled question is far away: the hint finds it.
    let lose = json!({ "webhook": { "lose": true } });
    stage.tell_gateway(&booking, lose).await.expect("told");
    ann.pay(&attempt).await.expect("paid");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = hint(&attempt.payment_id, ann.token())
            .await
            .expect("an answer");
        if answer.status() == 202 {
            break;
        }
        let after = answer.headers()["retry-after"].to_str().expect("text");
        let after: u64 = after.parse().expect("seconds");
        assert!(Instant::now() < until, "no hint is listened to");
        tokio::time::sleep(Duration::from_secs(after)).await;
    }
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    // It was this question that found it, not one of the schedule's.
    let (generation, answer): (i32, String) = sqlx::query_as(
        "select generation, answer from attempts
         where kind = 'verify' and subject = $1::uuid and answer <> 'open' order by answered_at limit 1",
    )
    .bind(&attempt.payment_id)
    .fetch_one(&stage.database)
    .await
    .expect("the gateway was asked");
    assert_eq!((generation > 1_000, answer.as_str()), (true, "captured"));
}

/// The only way by which this process can hear of the change before the wait ends is its own commit: no event reaches it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_where_it_is_decided_is_woken_by_the_commit() {
    let system = system::shared().await;
    let deaf = system
        .another_api(&[("BOXOFFICE_KAFKA__BROKERS", "127.0.0.1:1")])
        .await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Woken", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let url = format!("{}/v1/bookings/{booking}", deaf.url);
    let ask = |request: reqwest::RequestBuilder| request.bearer_auth(ann.token()).send();
    let held = ask(stage.http.get(&url)).await.expect("a status");
    let tag = held.headers()["etag"].clone();
    let waiting = stage.http.get(format!("{url}?wait=25"));
    let waiting = tokio::spawn(ask(waiting.header("if-none-match", tag)));
    // The second read of that instance is the one before the wait; whoever reads later sees the change without any help.
    comes_true("somebody has read and waits", async || {
        let page = stage.http.get(format!("{}/metrics", deaf.url)).send().await;
        let page = page.map_err(|error| error.to_string())?.text().await;
        let page = page.map_err(|error| error.to_string())?;
        let waits = ["status_waiting_clients 1", "status_batch_bookings_count 2"]
            .iter()
            .all(|line| page.contains(&format!("boxoffice_{line}\n")));
        waits.then_some(()).ok_or(page)
    })
    .await;
    let release = stage.http.post(format!("{url}/release")).json(&json!({}));
    let released = ask(release).await.expect("an answer");
    assert!(released.status().is_success(), "{}", released.status());
    // Long before the wait ends by itself.
    let answer = tokio::time::timeout(Duration::from_secs(12), waiting).await;
    let answer = answer.expect("nobody was woken").expect("a task");
    let document: Value = answer.expect("an answer").json().await.expect("a document");
    assert_eq!(document["status"], "RELEASED");
}

/// An instance to which no event comes placed the hold and remembers it; another one has ended it since. Whoever asks is told
/// how it is, and whoever waits is not left with the memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_instance_remembers_keeps_nobody_from_the_row() {
    let system = system::shared().await;
    let deaf = system
        .another_api(&[("BOXOFFICE_KAFKA__BROKERS", "127.0.0.1:1")])
        .await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Remembered", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let ask = |request: reqwest::RequestBuilder| request.bearer_auth(ann.token()).send();
    for wait in [0, 25] {
        let seats = json!({ "seats": ["A-1"], "contact": { "email": "ann@example.com" } });
        let hold = stage
            .http
            .post(format!("{}/v1/shows/{show}/holds", deaf.url));
        let held = ask(hold.json(&seats)).await.expect("an answer");
        let held: Value = held.json().await.expect("a hold");
        let booking = held["booking_id"].as_str().expect("an id");
        let url = format!("{}/v1/bookings/{booking}", deaf.url);
        let first = ask(stage.http.get(&url)).await.expect("a status");
        let tag = first.headers()["etag"].clone();
        // Whoever polls is remembered too: the second time, only the version is read.
        for _ in 0..2 {
            let poll = stage.http.get(&url).header("if-none-match", &tag);
            let answer = ask(poll).await.expect("an answer");
            assert_eq!(answer.status(), 304);
        }
        ann.release(booking).await.expect("released elsewhere");
        // Long before the wait ends by itself.
        let url = format!("{url}?wait={wait}");
        let again = stage.http.get(url).header("if-none-match", tag);
        let answer = ask(again.timeout(Duration::from_secs(12))).await;
        let answer = answer.expect("the row was looked at");
        assert_eq!(answer.status(), 200, "wait={wait}");
        let document: Value = answer.json().await.expect("a document");
        assert_eq!(document["status"], "RELEASED");
    }
}

//! Bad input at both doors: each gets its clear error, and nothing is lost.

use boxoffice::demo::Stage;
use serde_json::{Value, json};

use crate::system;

async fn problem(answer: reqwest::Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let kind = answer
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body: Value = answer.json().await.unwrap_or_default();
    assert_eq!(kind, "application/problem+json", "{status} {body}");
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_booking_api_refuses_with_reasons() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Doors", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let bob = stage.customer("bob").await.expect("a customer");
    let anns = ann.hold(show, &["A-1"]).await.expect("a hold");

    let many: Vec<String> = (1..=11).map(|n| format!("A-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases: [(&[&str], u16, &str); 5] = [
        (&["A-1"], 409, "seats_unavailable"),
        (&["Z-99"], 422, "unknown_seats"),
        (&[], 422, "no_seats"),
        (&["A-2", "A-2"], 422, "seat_twice"),
        (&many, 422, "too_many_seats"),
    ];
    for (seats, status, code) in cases {
        let answer = bob.try_hold(show, seats).await.expect("an answer");
        assert_eq!(
            problem(answer).await,
            (status, code.to_owned()),
            "{seats:?}"
        );
    }
    let nowhere = "1099511627775".parse().expect("a show number");
    let answer = bob.try_hold(nowhere, &["A-1"]).await.expect("an answer");
    assert_eq!(problem(answer).await.0, 404);

    // Somebody else's booking is nobody's business.
    let url = format!("{}/v1/bookings/{anns}", system.target.api);
    let get = |token: Option<&str>| {
        let request = stage.http.get(&url);
        token
            .map_or(request.try_clone().expect("no body"), |token| {
                request.bearer_auth(token)
            })
            .send()
    };
    assert_eq!(
        problem(get(Some(bob.token())).await.expect("an answer"))
            .await
            .0,
        404
    );
    assert_eq!(problem(get(None).await.expect("an answer")).await.0, 401);
    assert_eq!(
        problem(get(Some("not.a.token")).await.expect("an answer"))
            .await
            .0,
        401
    );

    // One key, two requests.
    let holds = format!("{}/v1/shows/{show}/holds", system.target.api);
    let post = |body: String| {
        let request = stage
            .http
            .post(&holds)
            .bearer_auth(bob.token())
            .header("idempotency-key", "twice");
        request
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    let body = |seat: &str| {
        json!({ "seats": [seat], "contact": { "email": "bob@example.com" } }).to_string()
    };
    let first = post(body("B-1")).await.expect("an answer");
    assert_eq!(first.status(), 201);
    let first = first.text().await.expect("a body");
    let again = post(body("B-1")).await.expect("an answer");
    assert_eq!(again.status(), 201);
    assert_eq!(
        again.text().await.expect("a body"),
        first,
        "the same answer, byte for byte"
    );
    let other = post(body("B-2")).await.expect("an answer");
    assert_eq!(
        problem(other).await,
        (422, "idempotency_key_reused".to_owned())
    );
    let broken = stage
        .http
        .post(&holds)
        .bearer_auth(bob.token())
        .header("content-type", "application/json");
    let broken = broken
        .body("{\"seats\": [")
        .send()
        .await
        .expect("an answer");
    assert_eq!(problem(broken).await, (400, "invalid_request".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ingress_refuses_with_reasons_and_takes_everything_genuine() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let now = stage.now().await.expect("a clock").unix_timestamp();
    let body = br#"{"id":"evt_1","object":"event","type":"customer.created","livemode":false,"data":{"object":{}}}"#;
    let url = format!("{}/webhooks/stripe", system.target.ingress);
    let post = async |url: &str, signature: Option<String>, body: Vec<u8>| {
        let mut request = stage.http.post(url).body(body);
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        request.send().await.expect("an answer").status().as_u16()
    };
    let genuine = |at: i64| Some(stage.sign(at, body));
    assert_eq!(
        post(&url, genuine(now), body.to_vec()).await,
        200,
        "of no interest, and still accepted"
    );
    assert_eq!(
        post(&url, genuine(now), body.to_vec()).await,
        200,
        "a duplicate"
    );
    assert_eq!(post(&url, None, body.to_vec()).await, 400, "unsigned");
    assert_eq!(
        post(&url, genuine(now - 400), body.to_vec()).await,
        400,
        "stale"
    );
    assert_eq!(
        post(&url, genuine(now + 400), body.to_vec()).await,
        400,
        "from the future"
    );
    assert_eq!(
        post(
            &url,
            Some(format!("t={now},v1={}", "0".repeat(64))),
            body.to_vec()
        )
        .await,
        400,
        "forged"
    );
    let mut tampered = body.to_vec();
    tampered[10] ^= 1;
    assert_eq!(post(&url, genuine(now), tampered).await, 400, "one bit");
    let unknown = format!("{}/webhooks/nobody", system.target.ingress);
    assert_eq!(post(&unknown, genuine(now), body.to_vec()).await, 404);
    assert_eq!(post(&url, genuine(now), vec![b'x'; 600 * 1024]).await, 413);
    let answer = stage.http.get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), 405);
    let garbage = b"not json at all".to_vec();
    let signed = Some(stage.sign(now, &garbage));
    assert_eq!(
        post(&url, signed, garbage).await,
        200,
        "genuine and unreadable: kept, for it may be money"
    );
    let buried = async || {
        let count = "select count(*) from dead_letters where convert_from(payload, 'utf8') = 'not json at all'";
        Ok(sqlx::query_scalar::<_, i64>(count)
            .fetch_one(&stage.database)
            .await?)
    };
    let kept = stage.until(&1, buried).await;
    assert_eq!(
        kept.expect("a database"),
        1,
        "its bytes are in the dead letters"
    );
}

/// A webhook that names a booking of ours under a gateway payment id that nobody has seen is decided; one
/// whose booking does not exist waits and then is a person's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_a_booking_is_decided_whoever_opened_the_payment() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage
        .show("Unseen payments", 600_000)
        .await
        .expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let answer = stage
        .post_webhook(&booking, &format!("pi_unseen_{booking}"), 45_000)
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let status = ann
        .wait_for(&booking, "CONFIRMED")
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", system.log()));
    assert_eq!(status["settled"], true);
}

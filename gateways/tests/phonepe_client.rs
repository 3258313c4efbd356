//! PhonePe's client against answers as PhonePe's documentation and SDKs print them, over real connections. What it asks is
//! looked at too: the simulator does not speak PhonePe.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::sync::{Arc, Mutex};

use boxoffice_gateways::phonepe::PhonePeClient;
use boxoffice_gateways::{
    AccountConfig, CallError, CreatePayment, GatewayAccount, GatewayClient, Gateways, RefundNews,
    RefundOrder, SaidBy, VoidAnswer,
};
use boxoffice_saga::fact::{PaymentState, Reference, RefundState};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::CaptureMode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use uuid::Uuid;

type Asked = Arc<Mutex<Vec<String>>>;
type Scripted = (u16, Value);

const TOKEN_PATH: &str = "POST /apis/pg-sandbox/v1/oauth/token HTTP/1.1";

/// Answers with these, one after the other, and notes what was asked.
async fn phonepe(answers: Vec<Scripted>) -> (Arc<dyn GatewayClient>, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateways = Gateways::new(vec![configured(&listener)], vec![]).unwrap();
    let client = gateways.client(&GatewayAccount::new("phonepe", "default"));
    (Arc::clone(client.unwrap()), serve(listener, answers))
}

fn configured(listener: &TcpListener) -> AccountConfig {
    serde_json::from_value(json!({
        "gateway": "phonepe",
        "secrets": ["user:password"],
        "return_url": "https://tickets.example.org/back",
        "api": {
            "base_url": format!("http://{}/apis/pg-sandbox/", listener.local_addr().unwrap()),
            "user": "CLIENT_1", "api_key": "hush & hush", "client_version": 3,
        },
    }))
    .unwrap()
}

fn serve(listener: TcpListener, answers: Vec<Scripted>) -> Asked {
    let asked = Asked::default();
    let notes = Arc::clone(&asked);
    tokio::spawn(async move {
        for (status, answer) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !whole(&request) {
                let read = stream.read(&mut buffer).await.unwrap();
                assert_ne!(read, 0, "the request ends early");
                request.extend_from_slice(&buffer[..read]);
            }
            notes
                .lock()
                .unwrap()
                .push(String::from_utf8(request).unwrap());
            let body = answer.to_string();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    asked
}

/// The same, with a token first that is good for an hour.
async fn with_token(mut answers: Vec<Scripted>) -> (Arc<dyn GatewayClient>, Asked) {
    answers.insert(0, token("first", 3_600));
    phonepe(answers).await
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}

fn token(text: &str, lives: i64) -> Scripted {
    let issued_at = 1_706_073_005;
    let answer = json!({
        "access_token": text, "encrypted_access_token": "e", "expires_in": 3453, "issued_at": issued_at,
        "expires_at": issued_at + lives, "session_expires_at": issued_at + lives, "token_type": "O-Bearer",
    });
    (200, answer)
}

fn booking() -> BookingId {
    BookingId::pack(1, ShowId::try_from(9_u64).unwrap(), 2)
}

fn attempt() -> PaymentId {
    PaymentId::from(Uuid::from_u128(3))
}

fn rupees(paise: i64) -> Money {
    Money::new(paise, "INR".parse().unwrap())
}

fn order(state: &str, tries: &[&str]) -> Scripted {
    let tries: Vec<Value> = tries
        .iter()
        .map(|state| {
            json!({ "paymentMode": "UPI_INTENT", "transactionId": "OM12334", "amount": 45_000, "state": state })
        })
        .collect();
    let answer = json!({
        "orderId": "OMO2403071437388196434033", "state": state, "amount": 45_000, "expireAt": 1_709_802_878_811_i64,
        "errorCode": "AUTHORIZATION_ERROR", "metaInfo": { "udf1": booking(), "udf2": attempt() }, "paymentDetails": tries,
    });
    (200, answer)
}

fn our_refund() -> RefundId {
    RefundId::from(Uuid::from_u128(7))
}

fn refund_order() -> RefundOrder {
    RefundOrder {
        refund: our_refund(),
        generation: 2,
        key: our_refund().gateway_key(2),
        gateway_payment_id: attempt().to_string(),
        amount: rupees(45_000),
        booking: booking(),
        payment: Some(attempt()),
        reason: "seats_lost".into(),
    }
}

fn taken(state: &str) -> Scripted {
    let answer = json!({ "refundId": "OMR7896789", "amount": 45_000, "state": state });
    (200, answer)
}

fn refund(state: &str) -> Scripted {
    refund_of(&attempt().to_string(), 45_000, state)
}

fn refund_of(order: &str, amount: i64, state: &str) -> Scripted {
    let answer = json!({
        "originalMerchantOrderId": order, "amount": amount, "state": state,
        "timestamp": 1_706_629_419_799_i64, "refundId": "OMR7896789",
    });
    (200, answer)
}

fn problem(status: u16, code: &str) -> Scripted {
    let answer = json!({ "success": false, "code": code, "message": "as it says", "data": {} });
    (status, answer)
}

fn became(error: &CallError) -> &'static str {
    match error {
        CallError::NotFound => "not found",
        CallError::RetryLater {
            said_by: SaidBy::Nobody,
            ..
        } => "never asked",
        CallError::RetryLater { .. } => "later",
        CallError::Unknown { .. } => "unknown",
        CallError::Declined { .. } => "declined",
    }
}

#[tokio::test]
async fn an_order_is_opened_under_our_own_id() {
    let opened = json!({
        "orderId": "OMO2403071437388196434033", "state": "PENDING", "expireAt": 1_709_802_878_811_i64,
        "redirectUrl": "https://mercury.example/transact?token=x",
    });
    let (client, asked) = with_token(vec![
        (200, opened),
        order("COMPLETED", &["FAILED", "COMPLETED"]),
    ])
    .await;
    let wanted = CreatePayment::new(attempt(), booking(), rupees(45_000), CaptureMode::Automatic);
    let created = client.create_payment(&wanted).await.unwrap();
    assert_eq!(created.gateway_payment_id, attempt().to_string());
    assert_eq!(
        created.checkout_url.as_deref(),
        Some("https://mercury.example/transact?token=x")
    );
    let fact = client
        .fetch_payment(&created.gateway_payment_id)
        .await
        .unwrap();
    assert_eq!(
        (fact.state, fact.amount, fact.reason, fact.live),
        (PaymentState::Captured, rupees(45_000), None, false)
    );
    assert_eq!(
        fact.reference,
        Reference::Booking {
            booking: booking(),
            payment: Some(attempt())
        }
    );

    let asked = asked.lock().unwrap();
    assert!(asked[0].starts_with(TOKEN_PATH), "{}", asked[0]);
    assert!(
        asked[0].ends_with(
            "client_id=CLIENT_1&client_version=3&client_secret=hush+%26+hush&grant_type=client_credentials"
        ),
        "{}",
        asked[0]
    );
    assert!(
        asked[1].starts_with("POST /apis/pg-sandbox/checkout/v2/pay HTTP/1.1"),
        "{}",
        asked[1]
    );
    let body: Value = serde_json::from_str(asked[1].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["merchantOrderId"], json!(attempt()));
    assert!(body["merchantOrderId"].as_str().unwrap().len() <= 63);
    assert_eq!(body["amount"], json!(45_000));
    assert_eq!(body["metaInfo"]["udf1"], json!(booking()));
    assert_eq!(body["paymentFlow"]["type"], json!("PG_CHECKOUT"));
    assert_eq!(
        body["paymentFlow"]["merchantUrls"]["redirectUrl"],
        json!("https://tickets.example.org/back")
    );
    let status = format!(
        "GET /apis/pg-sandbox/checkout/v2/order/{}/status?details=true HTTP/1.1",
        attempt()
    );
    assert!(asked[2].starts_with(&status), "{}", asked[2]);
    for call in &asked[1..] {
        assert!(call.contains("authorization: O-Bearer first"), "{call}");
    }
}

#[tokio::test]
async fn what_phonepe_cannot_do_is_refused_before_it_is_asked() {
    let (client, asked) = phonepe(vec![]).await;
    let id = attempt().to_string();
    let reserved = CreatePayment::new(attempt(), booking(), rupees(100), CaptureMode::AfterSeats);
    let dollars = Money::new(100, "USD".parse().unwrap());
    let abroad = CreatePayment::new(attempt(), booking(), dollars, CaptureMode::Automatic);
    let returned = RefundOrder {
        amount: dollars,
        ..refund_order()
    };
    for error in [
        client.create_payment(&reserved).await.err(),
        client.create_payment(&abroad).await.err(),
        client.refund(&returned).await.err(),
    ] {
        assert_eq!(became(&error.unwrap()), "declined");
    }
    for error in [
        client.capture_payment(&id).await.err(),
        client.refunds_of(&id).await.err(),
    ] {
        assert!(error.unwrap().is_cannot_be_asked());
    }
    for bad in ["", "a/b", "a b", "é", "../x", &"x".repeat(64)] {
        let error = client.fetch_payment(bad).await.unwrap_err();
        assert_eq!(error, CallError::NotFound, "{bad}");
    }
    assert_eq!(client.refund_news(), RefundNews::Asked);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_state_of_an_order() {
    let id = attempt().to_string();
    for (answer, state) in [
        (order("PENDING", &[]), PaymentState::Open),
        (order("PENDING", &["FAILED"]), PaymentState::Open),
        (
            order("PENDING", &["PENDING", "FAILED"]),
            PaymentState::Processing,
        ),
        (order("FAILED", &["PENDING"]), PaymentState::Processing),
        (order("FAILED", &["FAILED"]), PaymentState::Cancelled),
        (order("COMPLETED", &["COMPLETED"]), PaymentState::Captured),
    ] {
        let (client, _) = with_token(vec![answer]).await;
        let fact = client.fetch_payment(&id).await.unwrap();
        assert_eq!(fact.state, state);
        let why = (state == PaymentState::Cancelled).then_some("AUTHORIZATION_ERROR");
        assert_eq!(fact.reason.as_deref(), why);
    }
    let (_, mut another) = order("COMPLETED", &[]);
    another["merchantOrderId"] = json!("another");
    let (_, mut negative) = order("COMPLETED", &[]);
    negative["amount"] = json!(-1);
    let (_, mut fraction) = order("COMPLETED", &[]);
    fraction["amount"] = json!(450.5);
    for answer in [
        order("SOMETHING_NEW", &[]),
        order("FAILED", &["COMPLETED"]),
        order("PENDING", &["COMPLETED"]),
        (200, another),
        (200, negative),
        (200, fraction),
        (200, json!({ "state": "COMPLETED" })),
        (200, json!("<html>")),
    ] {
        let (client, _) = with_token(vec![answer]).await;
        let error = client.fetch_payment(&id).await.unwrap_err();
        assert_eq!(became(&error), "unknown", "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_cancelled_may_be_paid() {
    for (answer, expected) in [
        (order("COMPLETED", &[]), "paid"),
        (order("FAILED", &[]), "cancelled"),
        (order("PENDING", &[]), "not possible"),
        (order("PENDING", &["PENDING"]), "not possible"),
    ] {
        let (client, _) = with_token(vec![answer]).await;
        let became = match client.void_payment(&attempt().to_string()).await.unwrap() {
            VoidAnswer::Cancelled => "cancelled",
            VoidAnswer::AlreadyPaid(_) => "paid",
            VoidAnswer::NotPossible { .. } => "not possible",
        };
        assert_eq!(became, expected);
    }
}

#[tokio::test]
async fn a_refund_is_made_under_its_key_and_asked_for_by_it() {
    let wanted = refund_order();
    let (client, asked) = with_token(vec![
        taken("PENDING"),
        refund("CONFIRMED"),
        refund("COMPLETED"),
        refund("FAILED"),
    ])
    .await;
    let made = client.refund(&wanted).await.unwrap();
    assert_eq!(
        (made.refund, made.generation, made.state),
        (Some(our_refund()), Some(2), RefundState::Pending)
    );
    assert_eq!(
        (made.gateway_refund_id.as_str(), &made.gateway_payment_id),
        (wanted.key.as_str(), &wanted.gateway_payment_id)
    );
    for state in [
        RefundState::Pending,
        RefundState::Succeeded,
        RefundState::Failed,
    ] {
        let now = client.fetch_refund(&made.gateway_refund_id).await.unwrap();
        assert_eq!(
            (now.state, now.amount, now.refund),
            (state, wanted.amount, Some(our_refund()))
        );
        assert_eq!(now.gateway_payment_id, wanted.gateway_payment_id);
    }
    let asked = asked.lock().unwrap();
    assert!(
        asked[1].starts_with("POST /apis/pg-sandbox/payments/v2/refund HTTP/1.1"),
        "{}",
        asked[1]
    );
    let body: Value = serde_json::from_str(asked[1].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body,
        json!({
            "merchantRefundId": wanted.key, "originalMerchantOrderId": wanted.gateway_payment_id, "amount": 45_000,
        })
    );
    let status = format!(
        "GET /apis/pg-sandbox/payments/v2/refund/{}/status HTTP/1.1",
        wanted.key
    );
    assert!(asked[2].starts_with(&status), "{}", asked[2]);
}

#[tokio::test]
async fn a_refund_that_is_refused_is_looked_up_before_that_is_believed() {
    let declined = || problem(400, "BAD_REQUEST");
    let not_there = || problem(404, "REFUND_NOT_FOUND");
    for (answers, expected) in [
        (
            vec![declined(), refund("COMPLETED")],
            Ok(RefundState::Succeeded),
        ),
        (
            vec![declined(), refund("PENDING")],
            Ok(RefundState::Pending),
        ),
        // Of this very key: it is told as what it is.
        (vec![declined(), refund("FAILED")], Ok(RefundState::Failed)),
        (
            vec![not_there(), refund("PENDING")],
            Ok(RefundState::Pending),
        ),
        (vec![taken("FAILED")], Ok(RefundState::Failed)),
        (vec![declined(), not_there()], Err("declined")),
        (vec![not_there(), not_there()], Err("not found")),
        (vec![declined(), declined()], Err("unknown")),
        (vec![declined(), problem(503, "X")], Err("unknown")),
        (
            vec![declined(), refund_of("another", 45_000, "PENDING")],
            Err("unknown"),
        ),
        (
            vec![declined(), refund_of(&attempt().to_string(), 1, "PENDING")],
            Err("unknown"),
        ),
        (vec![problem(409, "CONFLICT")], Err("unknown")),
        (vec![problem(500, "INTERNAL_SERVER_ERROR")], Err("unknown")),
        (vec![taken("SOMETHING_NEW")], Err("unknown")),
        (
            vec![(200, json!({ "refundId": "OMR7896789" }))],
            Err("unknown"),
        ),
        (
            vec![(200, json!({ "amount": 1, "state": "PENDING" }))],
            Err("unknown"),
        ),
        (vec![problem(429, "TOO_MANY_REQUESTS")], Err("later")),
    ] {
        let shown = format!("{answers:?}");
        let (client, _) = with_token(answers).await;
        let answer = client.refund(&refund_order()).await;
        let told = answer
            .as_ref()
            .map(|fact| fact.state)
            .map_err(|error| became(error));
        assert_eq!(told, expected, "{shown}");
    }
}

#[tokio::test]
async fn the_goes_at_a_refund_are_asked_for_one_by_one() {
    let payment = attempt().to_string();
    let not_there = || problem(404, "REFUND_NOT_FOUND");
    let (client, asked) = with_token(vec![refund("FAILED"), not_there(), refund("PENDING")]).await;
    let goes = client.goes_at(&payment, our_refund(), 3).await.unwrap();
    let told: Vec<_> = goes
        .iter()
        .map(|fact| (fact.refund, fact.generation, fact.state))
        .collect();
    assert_eq!(
        told,
        [
            (Some(our_refund()), Some(1), RefundState::Failed),
            (Some(our_refund()), Some(3), RefundState::Pending),
        ]
    );
    for (nth, call) in asked.lock().unwrap()[1..].iter().enumerate() {
        let key = our_refund().gateway_key(u32::try_from(nth).unwrap() + 1);
        assert!(call.contains(&format!("/refund/{key}/status ")), "{call}");
    }

    // Nothing but a clear "no" says that it is not there.
    for answer in [
        problem(400, "BAD_REQUEST"),
        problem(404, "404"),
        problem(500, "INTERNAL_SERVER_ERROR"),
        (404, json!("<html>")),
        refund_of("another", 45_000, "PENDING"),
    ] {
        let shown = format!("{answer:?}");
        let (client, _) = with_token(vec![not_there(), answer]).await;
        let error = client.goes_at(&payment, our_refund(), 2).await.unwrap_err();
        assert_ne!(became(&error), "not found", "{shown}");
    }
}

#[tokio::test]
async fn what_did_nothing_is_told_from_what_nobody_knows() {
    for (answer, expected) in [
        (problem(404, "ORDER_NOT_FOUND"), "not found"),
        (problem(400, "TRANSACTION_NOT_FOUND"), "not found"),
        // What stands before the API knows no such address.
        (problem(404, "404"), "unknown"),
        (problem(400, "BAD_REQUEST"), "declined"),
        (problem(417, "EXPECTATION_FAILED"), "declined"),
        (problem(401, "AUTHORIZATION_FAILED"), "later"),
        (problem(403, "FORBIDDEN"), "later"),
        (problem(429, "TOO_MANY_REQUESTS"), "later"),
        (problem(500, "INTERNAL_SERVER_ERROR"), "unknown"),
        ((400, json!("<html>")), "unknown"),
        ((404, json!({ "message": "as it says" })), "unknown"),
        ((302, json!({ "code": "X" })), "unknown"),
    ] {
        let shown = format!("{answer:?}");
        let (client, _) = with_token(vec![answer]).await;
        let error = client
            .fetch_payment(&attempt().to_string())
            .await
            .unwrap_err();
        assert_eq!(became(&error), expected, "{shown}");
    }
}

#[tokio::test]
async fn a_token_serves_many_calls_until_it_ends_or_is_refused() {
    let id = attempt().to_string();
    let open = || order("PENDING", &[]);
    let (client, asked) = phonepe(vec![
        token("short", 30),
        open(),
        token("second", 3_600),
        open(),
        open(),
        problem(401, "AUTHORIZATION_FAILED"),
        token("third", 3_600),
        open(),
    ])
    .await;
    for _ in 0..3 {
        client.fetch_payment(&id).await.unwrap();
    }
    let error = client.fetch_payment(&id).await.unwrap_err();
    assert_eq!(became(&error), "later", "{error}");
    client.fetch_payment(&id).await.unwrap();
    let borne: Vec<_> = asked
        .lock()
        .unwrap()
        .iter()
        .map(|call| {
            call.lines()
                .find_map(|line| line.strip_prefix("authorization: O-Bearer "))
                .unwrap_or("(asks for one)")
                .to_owned()
        })
        .collect();
    let new = "(asks for one)";
    assert_eq!(
        borne,
        [
            new, "short", new, "second", "second", "second", new, "third"
        ]
    );
}

#[tokio::test]
async fn many_calls_at_once_ask_for_one_token() {
    let id = attempt().to_string();
    let mut answers = vec![token("first", 3_600)];
    answers.extend((0..8).map(|_| order("PENDING", &[])));
    let (client, asked) = phonepe(answers).await;
    let calls = (0..8).map(|_| client.fetch_payment(&id));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().state, PaymentState::Open);
    }
    let asked = asked.lock().unwrap();
    let for_tokens = asked.iter().filter(|call| call.starts_with(TOKEN_PATH));
    assert_eq!((asked.len(), for_tokens.count()), (9, 1));
}

#[tokio::test]
async fn without_a_token_nothing_is_asked_and_nothing_secret_is_said() {
    let mut nameless = token("first", 3_600).1;
    nameless["token_type"] = Value::Null;
    for (answer, expected) in [
        (problem(400, "INVALID_CLIENT"), "later"),
        (problem(401, "INVALID_CLIENT"), "later"),
        (problem(429, "TOO_MANY_REQUESTS"), "later"),
        (problem(500, "INTERNAL_SERVER_ERROR"), "never asked"),
        ((200, nameless), "never asked"),
        (token("first\n", 3_600), "never asked"),
        ((200, json!("<html>")), "never asked"),
    ] {
        let shown = format!("{answer:?}");
        let (client, asked) = phonepe(vec![answer]).await;
        let error = client.refund(&refund_order()).await.unwrap_err();
        assert_eq!(became(&error), expected, "{shown}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hush") && !said.contains("first"), "{said}");
        assert_eq!(asked.lock().unwrap().len(), 1, "{shown}");
    }
}

#[tokio::test]
async fn a_client_does_not_show_what_it_keeps() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = configured(&listener);
    let asked = serve(listener, vec![token("first", 3_600), order("PENDING", &[])]);
    let client = PhonePeClient::new(&config, config.api.as_ref().unwrap()).unwrap();
    client.fetch_payment(&attempt().to_string()).await.unwrap();
    assert!(asked.lock().unwrap()[1].contains("O-Bearer first"));
    let shown = format!("{client:?}");
    assert!(
        !shown.contains("hush") && !shown.contains("first"),
        "{shown}"
    );
}

//! Orders: opened, asked for, not to be cancelled; and what refusals mean.

use boxoffice_gateways::{CallError, CreatePayment, RefundNews, RefundOrder, VoidAnswer};
use boxoffice_saga::fact::{PaymentState, Reference};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::CaptureMode;
use serde_json::{Value, json};

use super::{
    TOKEN_PATH, attempt, became, booking, opened, order, phonepe, problem, refund_order, rupees,
    with_token,
};

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
        client.capture_payment(&opened()).await.err(),
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
        let became = match client.void_payment(&opened()).await.unwrap() {
            VoidAnswer::Cancelled => "cancelled",
            VoidAnswer::AlreadyPaid(_) => "paid",
            VoidAnswer::NotPossible { .. } => "not possible",
            VoidAnswer::UnderWay => "under way",
        };
        assert_eq!(became, expected);
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

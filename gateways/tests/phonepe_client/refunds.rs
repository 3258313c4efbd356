//! Refunds: made under a key, asked for by it, and never declined without a look.

use boxoffice_saga::fact::RefundState;
use serde_json::{Value, json};

use super::{
    attempt, became, our_refund, problem, refund, refund_of, refund_order, taken, with_token,
};

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

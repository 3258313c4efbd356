//! Who gets which answer, and that 200 is said only when it is true.

use super::*;

#[tokio::test]
async fn accepted_duplicate_and_of_no_interest_are_200_with_an_empty_body() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    for body in [PAID, PAID, OF_NO_INTEREST] {
        let response = ask(&door, signed(body)).await;
        assert_eq!(response.status(), 200);
        assert!(to_bytes(response.into_body(), 10).await.unwrap().is_empty());
    }
    assert_eq!(kafka.published().len(), 3);
}

#[tokio::test]
async fn nothing_is_answered_before_the_acknowledgement() {
    let kafka = TestKafka::new(Kafka::Waits);
    let door = door(&kafka);
    let mut answer = tokio::spawn(async move { ask(&door, signed(PAID)).await.status() });
    kafka.a_record_came().await;
    tokio::task::yield_now().await;
    assert!(futures::poll!(&mut answer).is_pending());
    kafka.acknowledge();
    assert_eq!(answer.await.unwrap(), 200);
}

#[tokio::test]
async fn a_forged_or_unsigned_webhook_is_400_and_nothing_is_published() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    let forged = signed_stream(b"something else", Body::from(PAID));
    assert_eq!(
        refusal(ask(&door, forged).await).await,
        refused(400, "signature_mismatch")
    );
    let unsigned = Request::post("/webhooks/generic")
        .body(Body::from(PAID))
        .unwrap();
    assert_eq!(
        refusal(ask(&door, unsigned).await).await,
        refused(400, "signature_missing")
    );
    let odd = Request::post("/webhooks/generic")
        .header(SIGNATURE, "sha256=abc")
        .body(Body::from(PAID))
        .unwrap();
    assert_eq!(
        refusal(ask(&door, odd).await).await,
        refused(400, "signature_malformed")
    );
    assert!(kafka.published().is_empty());
}

#[tokio::test]
async fn each_refusal_has_its_code_and_a_retired_secret_is_not_told_from_a_wrong_one() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    for refused_by_door in Refusal::ALL {
        let request = Request::post("/webhooks/odd")
            .header("x-odd", refused_by_door.name())
            .body(Body::from("x"))
            .unwrap();
        let code = match refused_by_door {
            Refusal::RetiredSecret => "signature_mismatch".to_owned(),
            other => format!("signature_{}", other.name()),
        };
        assert_eq!(refusal(ask(&door, request).await).await, (400, code));
    }
    assert!(kafka.published().is_empty());
}

#[tokio::test]
async fn unknown_gateways_and_accounts_are_404() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    for path in [
        "",
        "paypal",
        "generic/munich",
        "generic/",
        "generic/berlin/x",
        "GENERIC",
        "%67eneric",
        "fetched",
    ] {
        let request = Request::post(format!("/webhooks/{path}"))
            .body(Body::from(PAID))
            .unwrap();
        assert_eq!(
            refusal(ask(&door, request).await).await,
            refused(404, "unknown_gateway"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_account_has_its_own_path_and_the_default_account_two() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    for (path, account) in [
        ("generic", "generic/default"),
        ("generic/default", "generic/default"),
        ("generic/berlin", "generic/berlin"),
    ] {
        let request = Request::post(format!("/webhooks/{path}"))
            .header(SIGNATURE, sign(PAID.as_bytes()))
            .body(Body::from(PAID))
            .unwrap();
        assert_eq!(ask(&door, request).await.status(), 200);
        assert_eq!(kafka.only().record.account.to_string(), account);
    }
}

#[tokio::test]
async fn other_methods_are_405_and_told_what_is_allowed() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        let request = Request::builder()
            .method(method)
            .uri("/webhooks/generic")
            .body(Body::empty())
            .unwrap();
        let response = ask(&door, request).await;
        assert_eq!(response.headers()["allow"], "POST", "{method}");
        assert_eq!(refusal(response).await, refused(405, "method_not_allowed"));
    }
    let head = Request::head("/webhooks/generic")
        .body(Body::empty())
        .unwrap();
    assert_eq!(ask(&door, head).await.status(), 405);
}

#[tokio::test]
async fn whatever_kafka_says_is_503() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    for (error, code) in [
        (SendError::QueueFull, "queue_full"),
        (SendError::Unreachable, "broker_unavailable"),
        (SendError::TimedOut, "broker_unavailable"),
        (SendError::Purged, "broker_unavailable"),
        (SendError::TooLarge, "broker_refused"),
        (SendError::UnknownTopic, "broker_refused"),
        (SendError::NotAuthorized, "broker_refused"),
    ] {
        kafka.does(Kafka::Refuses(error));
        let response = ask(&door, signed(PAID)).await;
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(refusal(response).await, refused(503, code));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_503_before_the_most_impatient_gateway_hangs_up() {
    let kafka = TestKafka::new(Kafka::Hangs);
    let asked = tokio::time::Instant::now();
    let response = ask(&door(&kafka), signed(PAID)).await;
    assert_eq!(refusal(response).await, refused(503, "broker_unavailable"));
    assert!(asked.elapsed() < Duration::from_millis(2_500));
}

#[tokio::test]
async fn any_content_type_is_taken_and_compressed_bytes_are_left_as_they_are() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    let bytes = b"\x1f\x8b\x08\x00 no gzip, and no JSON \xff\x00";
    let mut request = signed_stream(bytes, Body::from(bytes.as_slice()));
    request.headers_mut().insert(
        "content-type",
        "application/x-www-form-urlencoded".parse().unwrap(),
    );
    request
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(ask(&door, request).await.status(), 200);
    assert_eq!(&kafka.only().record.body[..], bytes);
}

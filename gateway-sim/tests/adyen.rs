//! Adyen through the real client: payment links, refunds that are told of later, webhooks.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use boxoffice_gateway_sim::Options;
use boxoffice_gateways::adyen::AdyenDoor;
use boxoffice_gateways::{
    AccountConfig, CallError, CaptureAnswer, CreatePayment, Door, SigningSecret, VoidAnswer,
};
use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reference, RefundState};
use boxoffice_saga::payment::CaptureMode;
use serde_json::json;
use stage::{
    HMAC_KEY, KEY, Receiver, Sim, adyen, attempt, attempt_of, calls, now, order, refund_of,
};

const GATEWAY: &str = "adyen";

/// A link that is paid: what we asked for, the link's id, and the payment's reference.
async fn paid(sim: &Sim) -> (CreatePayment, String, String) {
    let order = order();
    let (id, payment) = pay(sim, &order).await;
    (order, id, payment)
}

async fn pay(sim: &Sim, order: &CreatePayment) -> (String, String) {
    let opened = sim.of(GATEWAY).create_payment(order).await.unwrap();
    let id = opened.gateway_payment_id;
    let payment = sim
        .pay_page(GATEWAY, &id, json!({ "method": "card" }))
        .await;
    (id, payment["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_link_is_made_once_and_says_whether_it_is_paid() {
    let sim = Sim::start().await;
    let client = sim.of(GATEWAY);
    let wanted = order();
    let first = client.create_payment(&wanted).await.unwrap();
    assert!(first.checkout_url.is_some());
    assert_eq!(client.create_payment(&wanted).await.unwrap(), first);
    let id = &first.gateway_payment_id;
    let fact = client.fetch_payment(id).await.unwrap();
    assert_eq!(fact.state, PaymentState::Open);
    let ours = Reference::Booking {
        booking: wanted.booking,
        payment: Some(wanted.payment),
    };
    assert_eq!((&fact.reference, fact.amount), (&ours, wanted.amount));
    assert_eq!(
        client.void_payment(&attempt(id)).await,
        Ok(VoidAnswer::Cancelled)
    );
    assert_eq!(
        client.void_payment(&attempt(id)).await,
        Ok(VoidAnswer::Cancelled)
    );

    let (_, link, payment) = paid(&sim).await;
    let Ok(VoidAnswer::AlreadyPaid(fact)) = client.void_payment(&attempt(&link)).await else {
        panic!()
    };
    // The payment is there, and its reference is not said.
    assert_eq!(
        (fact.state, &fact.gateway_payment_id),
        (PaymentState::Captured, &link)
    );
    for asked in [
        client.fetch_payment(&payment).await.err(),
        client.refunds_of(&payment).await.err(),
        client.fetch_refund(&payment).await.err(),
    ] {
        assert!(
            matches!(asked, Some(CallError::Declined { ref code, .. }) if code == "not_possible"),
            "{asked:?}"
        );
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_lost_refund_is_asked_for_again_under_its_key_and_made_once() {
    let sim = Sim::start().await;
    let client = sim.of(GATEWAY);
    let (order, link, payment) = paid(&sim).await;
    let early = client.refund(&refund_of(&order, &link, 1)).await;
    assert!(
        matches!(early, Err(CallError::RetryLater { .. })),
        "{early:?}"
    );

    let wanted = refund_of(&order, &payment, 1);
    sim.post(
        &format!("/_sim/payments/{}", order.payment),
        json!({ "lose_answer": "refund" }),
    )
    .await;
    let lost = client.refund(&wanted).await;
    assert!(matches!(lost, Err(CallError::Unknown { .. })), "{lost:?}");
    // Six days later it still knows the key.
    sim.post("/_sim/clock", json!({ "advance_seconds": 6 * 86_400 }))
        .await;
    let taken = client.refund(&wanted).await.unwrap();
    assert_eq!(taken.state, RefundState::Pending);
    assert_eq!(
        (taken.refund, taken.generation),
        (Some(wanted.refund), Some(1))
    );
    assert_eq!(client.refund(&wanted).await, Ok(taken));
    let page = sim.page(&payment).await;
    assert_eq!(page["refunds"].as_array().unwrap().len(), 1);

    // The same key with another order is no refund, and nobody says of what became of the first.
    let mut another = wanted.clone();
    another.amount.minor -= 1;
    let refused = client.refund(&another).await;
    assert!(
        matches!(refused, Err(CallError::RetryLater { .. })),
        "{refused:?}"
    );
    let refused = client.refund(&refund_of(&order, &payment, 2)).await;
    assert!(
        matches!(refused, Err(CallError::Declined { .. })),
        "{refused:?}"
    );
    sim.stop().await;
}

#[tokio::test]
async fn its_webhooks_are_believed_and_name_payment_refund_and_booking() {
    let mut receiver = Receiver::start(&[]).await;
    let mut options = Options::new(KEY);
    options.adyen = Some(adyen(Some(receiver.webhook.clone())));
    let sim = Sim::with(options, 5_000).await;
    let client = sim.of(GATEWAY);
    let door = AdyenDoor::new(&AccountConfig::new(GATEWAY, SigningSecret::new(HMAC_KEY)));
    let mut read = async || {
        let (headers, body) = receiver.next().await;
        door.verify(&headers, &body, now()).unwrap();
        door.read(&headers, &body).only().unwrap()
    };
    let (order, link, payment) = paid(&sim).await;
    let told = read().await;
    assert_eq!(
        (told.kind.as_str(), told.event_id),
        ("AUTHORISATION", format!("AUTHORISATION:{payment}:true"))
    );
    let Fact::Payment(captured) = told.fact else {
        panic!()
    };
    assert_eq!(
        (captured.state, captured.amount),
        (PaymentState::Captured, order.amount)
    );
    assert_eq!(
        (&captured.gateway_payment_id, captured.opened_as.as_ref()),
        (&payment, Some(&link))
    );
    let ours = Reference::Booking {
        booking: order.booking,
        payment: Some(order.payment),
    };
    assert_eq!(captured.reference, ours);

    let taken = client
        .refund(&refund_of(&order, &payment, 1))
        .await
        .unwrap();
    let told = read().await;
    let Fact::Refund(done) = told.fact else {
        panic!()
    };
    assert_eq!(
        (told.kind.as_str(), done.state),
        ("REFUND", RefundState::Succeeded)
    );
    assert_eq!(
        (
            done.refund,
            done.generation,
            &done.gateway_refund_id,
            &done.gateway_payment_id
        ),
        (taken.refund, Some(1), &taken.gateway_refund_id, &payment)
    );
    assert!(
        matches!(done.reference, Reference::Booking { booking, .. } if booking == order.booking)
    );

    // The bank changes its mind.
    sim.post(
        &format!("/_sim/refunds/{}", done.gateway_refund_id),
        json!({ "status": "failed" }),
    )
    .await;
    let told = read().await;
    assert_eq!(told.kind, "REFUND_FAILED");
    assert!(matches!(told.fact, Fact::Refund(ref fact) if fact.state == RefundState::Failed));
    sim.stop().await;
}

/// A capture and a cancellation are accepted, and their webhooks tell what became of them.
#[tokio::test]
async fn a_reservation_is_taken_once_or_given_up_and_webhooks_tell_it() {
    let mut receiver = Receiver::start(&[]).await;
    let mut options = Options::new(KEY);
    options.adyen = Some(adyen(Some(receiver.webhook.clone())));
    let sim = Sim::with(options, 5_000).await;
    let client = sim.of(GATEWAY);
    let door = AdyenDoor::new(&AccountConfig::new(GATEWAY, SigningSecret::new(HMAC_KEY)));
    let mut told = async |kind: &str| -> PaymentFact {
        let (headers, body) = receiver.next().await;
        door.verify(&headers, &body, now()).unwrap();
        let reading = door.read(&headers, &body).only().unwrap();
        assert_eq!(reading.kind, kind);
        match reading.fact {
            Fact::Payment(fact) => fact,
            fact => panic!("{fact:?}"),
        }
    };
    let mut wanted = order();
    wanted.capture = CaptureMode::AfterSeats;
    let (link, payment) = pay(&sim, &wanted).await;
    let fact = told("AUTHORISATION").await;
    assert_eq!(
        (fact.state, fact.amount),
        (PaymentState::Authorised, wanted.amount)
    );
    assert_eq!(
        (&fact.gateway_payment_id, fact.opened_as.as_ref()),
        (&payment, Some(&link))
    );
    let ours = Reference::Booking {
        booking: wanted.booking,
        payment: Some(wanted.payment),
    };
    assert_eq!(fact.reference, ours);

    // Under the link's name nothing can be done yet, and nothing is.
    let by_link = attempt_of(&wanted, &link);
    assert_eq!(
        client.fetch_payment(&link).await.unwrap().state,
        PaymentState::Authorised
    );
    let early = client.capture_payment(&by_link).await;
    assert!(
        matches!(early, Err(CallError::RetryLater { .. })),
        "{early:?}"
    );
    let early = client.void_payment(&by_link).await;
    assert!(
        matches!(early, Err(CallError::RetryLater { .. })),
        "{early:?}"
    );

    let reserved = attempt_of(&wanted, &payment);
    sim.post(
        &format!("/_sim/payments/{}", wanted.payment),
        json!({ "lose_answer": "capture" }),
    )
    .await;
    let lost = client.capture_payment(&reserved).await;
    assert!(matches!(lost, Err(CallError::Unknown { .. })), "{lost:?}");
    for _ in 0..2 {
        assert_eq!(
            client.capture_payment(&reserved).await,
            Ok(CaptureAnswer::UnderWay)
        );
    }
    let fact = told("CAPTURE").await;
    assert_eq!(
        (fact.state, fact.amount, &fact.gateway_payment_id),
        (PaymentState::Captured, wanted.amount, &payment)
    );
    assert_eq!(fact.reference, ours);
    let page = sim.page(&payment).await;
    let made = calls(&page, "capture");
    let made = made.iter().filter(|call| call["replayed"] == json!(false));
    assert_eq!(made.count(), 1, "{page:#}");

    // Another one is given up, and can then not be taken.
    let mut wanted = order();
    wanted.capture = CaptureMode::AfterSeats;
    let (_, payment) = pay(&sim, &wanted).await;
    let _ = told("AUTHORISATION").await;
    let reserved = attempt_of(&wanted, &payment);
    assert_eq!(
        client.void_payment(&reserved).await,
        Ok(VoidAnswer::UnderWay)
    );
    let fact = told("CANCELLATION").await;
    assert_eq!(
        (fact.state, &fact.gateway_payment_id),
        (PaymentState::Cancelled, &payment)
    );
    assert_eq!(
        client.capture_payment(&reserved).await,
        Ok(CaptureAnswer::UnderWay)
    );
    let fact = told("CAPTURE").await;
    assert_eq!(
        (fact.state, fact.reason.as_deref()),
        (PaymentState::Cancelled, Some("Refused"))
    );
    sim.stop().await;
}

//! Razorpay through the real client: orders, their payments, refunds, webhooks, lists.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use boxoffice_gateway_sim::Options;
use boxoffice_gateways::razorpay::RazorpayDoor;
use boxoffice_gateways::{
    AccountConfig, CallError, CaptureAnswer, CreatePayment, Door, SigningSecret, VoidAnswer, Window,
};
use boxoffice_saga::fact::{Fact, PaymentState, Reference, RefundState};
use boxoffice_saga::identity::RefundId;
use boxoffice_saga::payment::CaptureMode;
use serde_json::{Value, json};
use stage::{KEY, Receiver, SECRET, Sim, attempt, calls, order, razorpay, refund_of};
use time::OffsetDateTime;

/// An order that is paid: what we asked for, the order's id, and the payment's.
async fn paid(sim: &Sim) -> (CreatePayment, String, String) {
    let order = order();
    let opened = sim.razorpay().create_payment(&order).await.unwrap();
    let payment = sim.pay_order(&opened.gateway_payment_id, "card").await;
    assert_eq!(payment["status"], "captured");
    (order, opened.gateway_payment_id, text(&payment["id"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn ours(order: &CreatePayment) -> Reference {
    Reference::Booking {
        booking: order.booking,
        payment: Some(order.payment),
    }
}

#[tokio::test]
async fn an_order_is_made_once_however_often_it_is_asked_for() {
    let sim = Sim::start().await;
    let wanted = order();
    let first = sim.razorpay().create_payment(&wanted).await.unwrap();
    assert!(first.gateway_payment_id.starts_with("order_"));
    assert_eq!(first.client_secret.as_deref(), Some(stage::KEY_ID));
    assert_eq!(sim.razorpay().create_payment(&wanted).await.unwrap(), first);
    let another = sim.razorpay().create_payment(&order()).await.unwrap();
    assert_ne!(another, first);

    // The answer to the creation itself is lost.
    let lost = order();
    sim.post(
        &format!("/_sim/payments/{}", lost.payment),
        json!({ "lose_answer": "create" }),
    )
    .await;
    let answer = sim.razorpay().create_payment(&lost).await;
    assert!(
        matches!(answer, Err(CallError::Unknown { .. })),
        "{answer:?}"
    );
    let found = sim.razorpay().create_payment(&lost).await.unwrap();
    let books = sim
        .get(&format!("/_sim/books?payment={}", lost.payment))
        .await;
    assert_eq!(books["orders"].as_array().unwrap().len(), 1);
    assert_eq!(books["orders"][0]["id"], found.gateway_payment_id);
    sim.stop().await;
}

#[tokio::test]
async fn an_order_stands_as_the_best_of_its_payments() {
    let sim = Sim::start().await;
    let wanted = order();
    let order = sim
        .razorpay()
        .create_payment(&wanted)
        .await
        .unwrap()
        .gateway_payment_id;
    let stands = async || sim.razorpay().fetch_payment(&order).await.unwrap();
    assert_eq!(stands().await.state, PaymentState::Open);
    let declined = sim.pay_order(&order, "declined").await;
    let fact = stands().await;
    assert_eq!(
        (fact.state, &fact.gateway_payment_id),
        (PaymentState::Failed, &order)
    );
    let void = sim.razorpay().void_payment(&attempt(&order)).await.unwrap();
    assert!(matches!(void, VoidAnswer::NotPossible { .. }), "{void:?}");

    // The bank agrees late after all.
    let late = text(&declined["id"]);
    sim.post(
        &format!("/_sim/payments/{late}/settle"),
        json!({ "outcome": "succeeded" }),
    )
    .await;
    let fact = stands().await;
    assert_eq!(
        (fact.state, &fact.gateway_payment_id),
        (PaymentState::Captured, &late)
    );
    assert_eq!(
        (fact.reference, fact.opened_as),
        (ours(&wanted), Some(order.clone()))
    );
    // A second payment of the same order is another, and the order still stands as the first.
    let second = text(&sim.pay_order(&order, "card").await["id"]);
    assert_eq!(stands().await.gateway_payment_id, late);
    let other = sim.razorpay().fetch_payment(&second).await.unwrap();
    assert_eq!(
        (other.state, other.reference),
        (PaymentState::Captured, ours(&wanted))
    );
    assert!(matches!(
        sim.razorpay().void_payment(&attempt(&order)).await.unwrap(),
        VoidAnswer::AlreadyPaid(fact) if fact.gateway_payment_id == late
    ));
    assert_eq!(
        sim.razorpay().fetch_payment("pay_none").await,
        Err(CallError::NotFound)
    );
    assert_eq!(
        sim.razorpay().fetch_payment("order_none").await,
        Err(CallError::NotFound)
    );
    sim.stop().await;
}

#[tokio::test]
async fn a_payment_whose_notes_name_another_booking_is_that_bookings() {
    let sim = Sim::start().await;
    let (wanted, other) = (order(), order());
    let order = sim
        .razorpay()
        .create_payment(&wanted)
        .await
        .unwrap()
        .gateway_payment_id;
    let notes = json!({ "booking_id": other.booking.to_string() });
    let path = format!("/razorpay/page/orders/{order}/pay");
    let tampered = sim
        .post(&path, json!({ "method": "card", "notes": notes }))
        .await;
    let told = sim
        .razorpay()
        .fetch_payment(&text(&tampered["id"]))
        .await
        .unwrap();
    assert!(
        matches!(told.reference, Reference::Booking { booking, .. } if booking == other.booking)
    );
    // Of the attempt that the order is, nothing is known to be paid.
    let fact = sim.razorpay().fetch_payment(&order).await.unwrap();
    assert_eq!(
        (fact.state, fact.reference),
        (PaymentState::Open, ours(&wanted))
    );
    let void = sim.razorpay().void_payment(&attempt(&order)).await.unwrap();
    assert!(matches!(void, VoidAnswer::NotPossible { .. }), "{void:?}");
    sim.stop().await;
}

#[tokio::test]
async fn reserved_money_is_taken_once() {
    let sim = Sim::start().await;
    let mut wanted = order();
    wanted.capture = CaptureMode::AfterSeats;
    let order = sim
        .razorpay()
        .create_payment(&wanted)
        .await
        .unwrap()
        .gateway_payment_id;
    let reserved = sim.pay_order(&order, "card").await;
    assert_eq!(reserved["status"], "authorized");
    let id = text(&reserved["id"]);
    assert_eq!(
        sim.razorpay().fetch_payment(&id).await.unwrap().state,
        PaymentState::Authorised
    );
    let void = sim.razorpay().void_payment(&attempt(&id)).await.unwrap();
    assert!(matches!(void, VoidAnswer::NotPossible { .. }));

    sim.post(
        &format!("/_sim/payments/{id}"),
        json!({ "lose_answer": "capture" }),
    )
    .await;
    let lost = sim.razorpay().capture_payment(&attempt(&id)).await;
    assert!(matches!(lost, Err(CallError::Unknown { .. })), "{lost:?}");
    let taken = sim.razorpay().capture_payment(&attempt(&id)).await.unwrap();
    let CaptureAnswer::Taken(taken) = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(
        (taken.state, taken.amount),
        (PaymentState::Captured, wanted.amount)
    );
    // The second call is refused, and how the payment stands is the answer.
    let page = sim.page(&id).await;
    let statuses: Vec<_> = calls(&page, "capture")
        .iter()
        .map(|call| call["status"].clone())
        .collect();
    assert_eq!(statuses, [200, 400]);

    let failed = sim.pay_order(&order, "declined").await;
    let no = sim
        .razorpay()
        .capture_payment(&attempt(&text(&failed["id"])))
        .await;
    assert!(matches!(no, Err(CallError::Declined { .. })), "{no:?}");
    sim.stop().await;
}

#[tokio::test]
async fn a_refund_is_made_once_and_found_again_when_its_key_is_forgotten() {
    let sim = Sim::start().await;
    let (order, _, id) = paid(&sim).await;
    let mut half = refund_of(&order, &id, 1);
    half.amount.minor = 20_000;
    let made = sim.razorpay().refund(&half).await.unwrap();
    assert_eq!(
        (made.state, made.refund),
        (RefundState::Succeeded, Some(half.refund))
    );
    assert_eq!(sim.razorpay().refund(&half).await.unwrap(), made);
    assert_eq!(
        sim.razorpay()
            .fetch_refund(&made.gateway_refund_id)
            .await
            .unwrap(),
        made
    );
    assert_eq!(
        sim.razorpay().refunds_of(&id).await.unwrap(),
        std::slice::from_ref(&made)
    );
    // The key with another body says nothing about what came of the first.
    let mut other = half.clone();
    other.amount.minor = 1;
    let told = sim.razorpay().refund(&other).await;
    assert!(matches!(told, Err(CallError::Unknown { .. })), "{told:?}");

    // The rest, whose answer is lost; then both keys are forgotten.
    let mut rest = half.clone();
    rest.refund = RefundId::of(order.payment, 2);
    rest.key = rest.refund.gateway_key(1);
    rest.amount.minor = 25_000;
    sim.post(
        &format!("/_sim/payments/{id}"),
        json!({ "lose_answer": "refund" }),
    )
    .await;
    assert!(matches!(
        sim.razorpay().refund(&rest).await,
        Err(CallError::Unknown { .. })
    ));
    sim.post("/_sim/clock", json!({ "advance_seconds": 25 * 3_600 }))
        .await;
    // "Fully refunded already": and behind that, our own.
    let found = sim.razorpay().refund(&rest).await.unwrap();
    assert_eq!(
        (found.refund, found.amount.minor),
        (Some(rest.refund), 25_000)
    );
    let page = sim.page(&id).await;
    assert_eq!(page["refunded"], 45_000);
    assert_eq!(page["refunds"].as_array().unwrap().len(), 2);
    // What was never ours is a plain no.
    let mut third = rest.clone();
    third.refund = RefundId::of(order.payment, 3);
    third.key = third.refund.gateway_key(1);
    let no = sim.razorpay().refund(&third).await;
    assert!(
        matches!(&no, Err(CallError::Declined { message, .. }) if message.contains("fully refunded")),
        "{no:?}"
    );
    sim.stop().await;
}

#[tokio::test]
async fn what_has_changed_is_told_page_by_page() {
    let sim = Sim::start().await;
    let (order, _, id) = paid(&sim).await;
    let refund = sim
        .razorpay()
        .refund(&refund_of(&order, &id, 1))
        .await
        .unwrap();
    // More than a page of payments.
    let many = sim
        .razorpay()
        .create_payment(&stage::order())
        .await
        .unwrap()
        .gateway_payment_id;
    for _ in 0..104 {
        sim.pay_order(&many, "declined").await;
    }
    let window = Window {
        since: OffsetDateTime::UNIX_EPOCH + time::Duration::days(30),
        until: OffsetDateTime::UNIX_EPOCH + time::Duration::days(100 * 365),
    };
    let (mut payments, mut refunds, mut page) = (Vec::new(), Vec::new(), None::<String>);
    let mut pages = 0;
    loop {
        let told = sim
            .razorpay()
            .changes(&window, page.as_deref())
            .await
            .unwrap();
        pages += 1;
        for fact in told.facts {
            match fact {
                Fact::Payment(fact) => payments.push(fact.gateway_payment_id),
                Fact::Refund(fact) => refunds.push(fact),
                other => panic!("{other:?}"),
            }
        }
        page = told.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!((payments.len(), pages), (105, 3));
    assert!(payments.contains(&id));
    assert_eq!(refunds, [refund]);
    let nothing = Window {
        since: OffsetDateTime::UNIX_EPOCH + time::Duration::days(20),
        until: OffsetDateTime::UNIX_EPOCH + time::Duration::days(30),
    };
    let told = sim.razorpay().changes(&nothing, None).await.unwrap();
    assert_eq!(
        (told.facts.len(), told.next.as_deref()),
        (0, Some("refunds:0"))
    );
    sim.stop().await;
}

#[tokio::test]
async fn its_webhooks_are_its_own_and_stripes_go_elsewhere() {
    let mut stripe = Receiver::start(&[]).await;
    let mut theirs = Receiver::start(&[503]).await;
    let mut options = Options::new(KEY);
    options.retry_base = std::time::Duration::from_millis(20);
    options.webhook = Some(stripe.webhook.clone());
    options.razorpay = Some(razorpay(Some(theirs.webhook.clone())));
    let sim = Sim::with(options, 5_000).await;
    let door = RazorpayDoor::new(&AccountConfig::new("razorpay", SigningSecret::new(SECRET)));
    let (order, _, id) = paid(&sim).await;
    sim.razorpay()
        .refund(&refund_of(&order, &id, 1))
        .await
        .unwrap();
    let mut told = Vec::new();
    // The first is refused, and comes again under the same id: six in all.
    for _ in 0..6 {
        let (headers, body) = theirs.next().await;
        door.verify(&headers, &body, OffsetDateTime::UNIX_EPOCH)
            .unwrap();
        let reading = door.read(&headers, &body).only().unwrap();
        told.push((reading.event_id, reading.kind));
    }
    let mut kinds: Vec<_> = told.iter().map(|(_, kind)| kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "order.paid",
            "payment.authorized",
            "payment.captured",
            "refund.created",
            "refund.processed"
        ]
    );
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 5, "{told:?}");
    stripe.nothing_more();
    sim.paid().await;
    assert_eq!(stripe.next_kind().await.1, "payment_intent.succeeded");
    sim.stop().await;
}

#[tokio::test]
async fn a_script_draws_what_payments_meet() {
    let sim = Sim::start().await;
    sim.post(
        "/_sim/script",
        json!({ "seed": 5, "mix": { "wrong": 1_000, "lost_answers": 1_000 } }),
    )
    .await;
    let (order, _, id) = paid(&sim).await;
    let fact = sim.razorpay().fetch_payment(&id).await.unwrap();
    assert_eq!(fact.amount.minor, order.amount.minor - 1);
    let mut refund = refund_of(&order, &id, 1);
    refund.amount = fact.amount;
    assert!(matches!(
        sim.razorpay().refund(&refund).await,
        Err(CallError::Unknown { .. })
    ));
    assert_eq!(sim.razorpay().refunds_of(&id).await.unwrap().len(), 1);
    // At Stripe it means the same.
    let (order, id) = sim.paid().await;
    assert_eq!(
        sim.client().fetch_payment(&id).await.unwrap().amount.minor,
        order.amount.minor - 1
    );
    sim.stop().await;
}

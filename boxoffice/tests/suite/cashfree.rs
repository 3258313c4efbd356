//! Cashfree: an attempt is an order there, and its payments come under it.

use serde_json::json;

use crate::order_pages::{Page, books, comes_to, lost_webhook_is_found, payments, refund_calls};
use crate::system::shared;

const PAGE: Page = Page {
    gateway: "cashfree",
};

/// The attempt bears the order's id until a payment of it is captured, and that payment's from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_cashfree_paid_in_time_after_a_declined_try() {
    let system = shared().await;
    let (stage, show) = PAGE.show(system, "Cashfree", 600_000).await;
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = PAGE.open(&ann, &booking).await;
    let order = attempt.gateway_payment_id.clone();
    PAGE.pay(&ann, &attempt, json!({ "method": "declined" }))
        .await;
    let declined = vec![(order.clone(), "DECLINED".to_owned(), None)];
    let found = stage
        .until(&declined, async || Ok(payments(&stage, &booking).await))
        .await;
    assert_eq!(found.expect("payments"), declined, "{}", system.log());

    let paid = PAGE.pay(&ann, &attempt, json!({ "method": "card" })).await;
    ann.wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    let id = format!("{order}:{}", paid["cf_payment_id"]);
    let captured = vec![(id, "CAPTURED".to_owned(), Some("APPLIED".to_owned()))];
    assert_eq!(payments(&stage, &booking).await, captured);
    comes_to(
        &stage,
        &booking,
        &[("APPLIED", 45_000), ("GATEWAY", -45_000)],
        system,
    )
    .await;
    let broken = stage.broken_promises(show).await.expect("the books");
    assert!(broken.is_empty(), "{broken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_cashfree_a_lost_webhook_is_found_by_asking() {
    lost_webhook_is_found(PAGE).await;
}

/// Late money for seats that are somebody else's goes back, once, though the answer to the refund is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_cashfree_late_money_without_seats_goes_back_once_though_the_answer_is_lost() {
    let system = shared().await;
    let (stage, booking) = PAGE
        .late_without_seats(system, &["REFUND_STATUS_WEBHOOK"])
        .await;
    comes_to(
        &stage,
        &booking,
        &[("GATEWAY", -45_000), ("REFUNDED", 45_000)],
        system,
    )
    .await;
    assert_eq!(
        stage.books(&booking).await.expect("books"),
        (45_000, 45_000, 1)
    );
    assert!(refund_calls(&books(&stage, &booking).await) >= 1);
}

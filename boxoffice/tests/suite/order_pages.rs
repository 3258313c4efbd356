//! What customers do at the gateways on whose pages they pay: what is the same at each of them.

use std::sync::Arc;

use boxoffice::demo::{Attempt, Customer, Stage};
use boxoffice_saga::identity::ShowId;
use serde_json::{Value, json};
use sqlx::Row;

use crate::system::{System, shared};

/// The page of a gateway.
#[derive(Clone, Copy)]
pub struct Page {
    pub gateway: &'static str,
}

impl Page {
    /// A show, whose holds last so many milliseconds.
    pub async fn show(self, system: &System, name: &str, hold_ms: i64) -> (Arc<Stage>, ShowId) {
        let stage = Stage::enter(system.target.clone())
            .await
            .expect("the system can be reached");
        let show = stage.show(name, hold_ms).await.expect("a show");
        (stage, show)
    }

    pub async fn open(self, customer: &Customer, booking: &str) -> Attempt {
        customer
            .open_payment_at(booking, self.gateway)
            .await
            .expect("an attempt")
    }

    pub async fn pay(self, customer: &Customer, attempt: &Attempt, told: Value) -> Value {
        customer
            .pay_page(self.gateway, attempt, &told)
            .await
            .expect("a try")
    }

    /// Ann pays late, and Bob has her seat. The answer to her refund is lost, and so are the webhooks of these kinds.
    pub async fn late_without_seats(
        self,
        system: &System,
        silent: &[&str],
    ) -> (Arc<Stage>, String) {
        let (stage, show) = self.show(system, "Late", 1_500).await;
        let ann = stage.customer("ann").await.expect("a customer");
        let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
        let behaviour =
            json!({ "lose_answer": "refund", "webhook": { "only": silent, "lose": true } });
        stage
            .tell_gateway(&booking, behaviour)
            .await
            .expect("the simulator listens");
        let attempt = self.open(&ann, &booking).await;
        ann.wait_for(&booking, "EXPIRED").await.expect("expired");
        let bob = stage.customer("bob").await.expect("a customer");
        bob.hold(show, &["A-1"]).await.expect("the seat is free");
        self.pay(&ann, &attempt, json!({ "method": "card", "again": true }))
            .await;
        (stage, booking)
    }
}

/// No webhook comes at all. The verify task asks after 20 seconds.
pub async fn lost_webhook_is_found(page: Page) {
    let system = shared().await;
    let (stage, show) = page.show(system, "Lost webhook", 600_000).await;
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    stage
        .tell_gateway(&booking, json!({ "webhook": { "lose": true } }))
        .await
        .expect("the simulator listens");
    let attempt = page.open(&ann, &booking).await;
    page.pay(&ann, &attempt, json!({ "method": "card" })).await;
    // Two of the customer's waits: the task's 20 seconds are no part of this test's.
    if ann.wait_for(&booking, "CONFIRMED").await.is_err() {
        ann.wait_for(&booking, "CONFIRMED")
            .await
            .expect("confirmed");
    }
    comes_to(
        &stage,
        &booking,
        &[("APPLIED", 45_000), ("GATEWAY", -45_000)],
        system,
    )
    .await;
}

/// The payments of a booking: the gateway's id, the standing, the verdict.
pub async fn payments(stage: &Stage, booking: &str) -> Vec<(String, String, Option<String>)> {
    let rows = sqlx::query(
        "select gateway_payment_id, standing, verdict from payments where booking_id = $1::uuid
         order by opened_at, payment_id",
    )
    .bind(booking)
    .fetch_all(&stage.database)
    .await
    .expect("payments");
    rows.iter()
        .map(|row| {
            let id: Option<String> = row.get(0);
            (id.unwrap_or_default(), row.get(1), row.get(2))
        })
        .collect()
}

/// Waits until the ledger's accounts of a booking stand so.
pub async fn comes_to(stage: &Stage, booking: &str, wanted: &[(&str, i64)], system: &System) {
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(account, balance)| ((*account).to_owned(), *balance))
        .collect();
    let found = stage
        .until(&wanted, async || stage.ledger(booking).await)
        .await;
    assert_eq!(found.expect("a ledger"), wanted, "{}", system.log());
}

/// The gateway's page of a booking.
pub async fn books(stage: &Stage, booking: &str) -> Value {
    stage.gateway_books(booking).await.expect("books")
}

/// How often a refund was asked for, of an order or of a payment.
pub fn refund_calls(books: &Value) -> usize {
    ["payments", "orders"]
        .into_iter()
        .flat_map(|kind| books[kind].as_array().expect("a list"))
        .flat_map(|row| row["calls"].as_array().expect("calls"))
        .filter(|call| call["call"] == "refund")
        .count()
}

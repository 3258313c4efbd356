//! Webhooks that never come, refunds that somebody makes on the gateway's dashboard, and books that differ: the
//! reconciliation finds them.

use std::sync::Arc;

use boxoffice::demo::{Attempt, Customer, Stage};
use boxoffice_dev_servers::{Kafka, Postgres};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::audience::{comes_true, count, show_for, tell_simulator};
use crate::servers;
use crate::system::{Setup, System};

/// A system whose servers are its own.
struct Place {
    // In the order in which they go.
    system: System,
    stage: Arc<Stage>,
    _kafka: Kafka,
    _postgres: Postgres,
}

/// The worker, as quick as it can be.
pub fn worker(enabled: bool) -> Vec<(&'static str, String)> {
    [
        ("BOXOFFICE_RECONCILIATION__ENABLED", enabled.to_string()),
        ("BOXOFFICE_RECONCILIATION__INTERVAL_SECONDS", "1".to_owned()),
        ("BOXOFFICE_RECONCILIATION__SETTLE_SECONDS", "0".to_owned()),
        ("BOXOFFICE_RECONCILIATION__AGAIN_SECONDS", "5".to_owned()),
        (
            "BOXOFFICE_RECONCILIATION__WINDOW_SECONDS",
            "86400".to_owned(),
        ),
    ]
    .to_vec()
}

impl Place {
    async fn new(name: &str, setup: Setup) -> Self {
        let dir = servers::fresh_dir(name);
        let fetched = servers::fetched().await;
        let (kafka, postgres) = tokio::join!(
            servers::own_kafka(&fetched, &dir),
            servers::own_postgres(&fetched, &dir)
        );
        let database = servers::empty_database(&postgres).await;
        let system = System::start_with(&kafka.bootstrap(), &database, setup).await;
        let stage = Stage::enter(system.target.clone())
            .await
            .expect("the system can be reached");
        Self {
            system,
            stage,
            _kafka: kafka,
            _postgres: postgres,
        }
    }

    /// Somebody who holds a seat and opens an attempt, of which no webhook ever tells and after which nobody asks.
    async fn unheard(&self, who: &str, seat: &str) -> (Customer, String, Attempt) {
        self.unheard_at("stripe", who, seat).await
    }

    /// The same at another gateway.
    async fn unheard_at(
        &self,
        gateway: &str,
        who: &str,
        seat: &str,
    ) -> (Customer, String, Attempt) {
        let show = self.stage.show(who, 600_000).await.expect("a show");
        let customer = self.stage.customer(who).await.expect("a customer");
        let booking = customer.hold(show, &[seat]).await.expect("a hold");
        let silent = json!({ "webhook": { "lose": true } });
        self.stage
            .tell_gateway(&booking, silent)
            .await
            .expect("the simulator listens");
        let attempt = customer.open_payment_at(&booking, gateway).await;
        let attempt = attempt.expect("an attempt");
        self.nobody_asks().await;
        (customer, booking, attempt)
    }

    /// The tasks that would ask after payments are lost.
    async fn nobody_asks(&self) {
        sqlx::query("delete from tasks where kind = 'verify'")
            .execute(&self.stage.database)
            .await
            .expect("a statement");
    }

    /// The decision, or what the roles said.
    async fn confirmed(&self, customer: &Customer, booking: &str) {
        let confirmed = customer.wait_for(booking, "CONFIRMED").await;
        confirmed.unwrap_or_else(|error| panic!("{error:#}\n{}", self.system.log()));
    }

    /// `boxoffice reconcile`: its exit status, and what it says of Stripe's account.
    fn reconcile(&self, since: &str) -> (Option<i32>, Value) {
        let arguments = ["reconcile", "--since", since, "--json"];
        let output = self.system.run(&arguments);
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let accounts = said["accounts"].as_array().expect("accounts");
        let stripes = accounts
            .iter()
            .find(|account| account["account"] == "stripe/default");
        (output.status.code(), stripes.expect("Stripe's").clone())
    }

    /// Both books say the same, payment by payment.
    fn balances(&self) {
        let audit = self.system.run(&["audit", "--gateway"]);
        let said = String::from_utf8_lossy(&audit.stdout);
        assert!(
            audit.status.success() && said.contains("the books balance"),
            "{said}{}",
            String::from_utf8_lossy(&audit.stderr)
        );
    }
}

/// A payment intent that we did not open, with our reference, paid at once.
async fn paid_elsewhere(stage: &Stage, metadata: &[(&str, &str)], minor: &str) -> String {
    let url = format!("{}/v1/payment_intents", stage.target.simulator);
    let mut form = vec![
        ("amount".to_owned(), minor.to_owned()),
        ("currency".to_owned(), "inr".to_owned()),
    ];
    for (name, value) in metadata {
        form.push((format!("metadata[{name}]"), (*value).to_owned()));
    }
    let request = stage.http.post(&url).bearer_auth("sk_test_key").form(&form);
    let intent: Value = request
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let id = intent["id"].as_str().expect("an id").to_owned();
    let secret = intent["client_secret"].as_str().expect("a secret");
    let form = [
        ("payment_method", "pm_card_visa"),
        ("client_secret", secret),
    ];
    let paid = stage.http.post(format!("{url}/{id}/confirm")).form(&form);
    assert!(paid.send().await.expect("an answer").status().is_success());
    id
}

/// With no webhook and nobody who asks: a payment that we opened, one that we never saw, one of another product, and a
/// refund made on the dashboard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_webhook_told_is_found_and_decided() {
    let setup = Setup {
        settings: worker(true),
        ..Setup::default()
    };
    let place = Place::new("reconciliation", setup).await;
    let stage = &place.stage;

    let (ann, anns, attempt) = place.unheard("ann", "A-1").await;
    ann.pay(&attempt).await.expect("the gateway takes it");
    place.confirmed(&ann, &anns).await;

    let (bob, bobs, _) = place.unheard("bob", "A-1").await;
    paid_elsewhere(stage, &[("booking_id", &bobs)], "45000").await;
    place.confirmed(&bob, &bobs).await;

    tell_simulator(stage, "defaults", json!({ "webhook": { "lose": true } })).await;
    paid_elsewhere(stage, &[("order", "of another product")], "100").await;

    let made = format!("payments/{}/refund", attempt.gateway_payment_id);
    tell_simulator(stage, &made, json!({ "amount": 100 })).await;
    let made_there = "select count(*) from refunds where cause = 'NOT_ASKED_FOR' and standing = 'DONE' and amount_minor = 100";
    comes_true("the dashboard's refund is seen", async || {
        let seen = count(stage, made_there).await;
        (seen == 1).then_some(()).ok_or(place.system.log())
    })
    .await;

    // By the reconciliation and nobody else: what it told, each once.
    let told = "select count(*) from reconciliation_findings f
                join inbox i on i.source = 'fetched/' || f.gateway || '/' || f.account and i.event_id = f.finding
                where f.cure = 'REPAIRED'";
    assert_eq!(count(stage, told).await, 3);
    assert_eq!(
        count(
            stage,
            "select count(*) from inbox where source = 'stripe/default'"
        )
        .await,
        0
    );
    let reported = "select sum(repaired)::bigint from reconciliation_windows";
    comes_true("the report says so", async || {
        let sum = count(stage, reported).await;
        (sum == 3).then_some(()).ok_or(sum.to_string())
    })
    .await;

    let (status, said) = place.reconcile("1h");
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(said["found"], json!([]), "quiet: {said}");
    // Ann's, Bob's, and the attempt that Bob did not use.
    assert_eq!(said["matched"], 3, "{said}");
    assert_eq!(said["not_ours"], 1, "{said}");
    assert_eq!(said["repaired"], 0, "{said}");
    assert!(said["worker"]["reconciled_until"].is_string(), "{said}");
    place.balances();
}

/// Telling cannot mend these: an amount that differs, and a payment that the gateway does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_mended_by_telling_goes_to_a_person_until_it_is_right() {
    let place = Place::new("reconciliation-person", Setup::default()).await;
    let stage = &place.stage;
    let (ann, anns, attempt) = place.unheard("ann", "A-1").await;
    let less = json!({ "webhook": { "lose": true }, "amount_received": 44_000 });
    stage
        .tell_gateway(&anns, less)
        .await
        .expect("the simulator listens");
    ann.pay(&attempt).await.expect("the gateway takes it");
    // Signed by whoever knows the secret.
    let wrong = stage.post_webhook(&anns, &attempt.gateway_payment_id, 45_000);
    assert_eq!(wrong.await.expect("an answer").status(), 200);
    place.confirmed(&ann, &anns).await;

    let (bob, bobs, _) = place.unheard("bob", "A-1").await;
    let invented = format!("pi_{}", Uuid::new_v4().simple());
    let posted = stage.post_webhook(&bobs, &invented, 45_000);
    assert_eq!(posted.await.expect("an answer").status(), 200);
    place.confirmed(&bob, &bobs).await;

    let (status, said) = place.reconcile("1h");
    assert_eq!(status, Some(1), "{said}");
    assert_eq!(said["needs_person"], 2, "{said}");
    let open = "select count(*) from attention where kind = 'books_differ' and closed_at is null";
    assert_eq!(count(stage, open).await, 2);
    let reasons: Vec<String> = sqlx::query_scalar(
        "select reason from attention where kind = 'books_differ' and closed_at is null order by booking_id",
    )
    .fetch_all(&stage.database)
    .await
    .expect("items");
    let says = |what: &str| reasons.iter().any(|reason| reason.contains(what));
    assert!(
        says("captured 45000 INR (minor units) here and 44000 INR"),
        "{reasons:?}"
    );
    assert!(says("the gateway knows no such payment"), "{reasons:?}");

    // Found again it is the same item.
    let (_, said) = place.reconcile("1h");
    assert_eq!(said["needs_person"], 0, "{said}");
    assert_eq!(said["found"].as_array().map(Vec::len), Some(2), "{said}");
    assert_eq!(count(stage, open).await, 2);

    // A person has put Ann's right, and the item goes by itself.
    sqlx::query("update payments set captured_minor = 44000 where gateway_payment_id = $1")
        .bind(&attempt.gateway_payment_id)
        .execute(&stage.database)
        .await
        .expect("a statement");
    place.reconcile("1h");
    assert_eq!(count(stage, open).await, 1);
}

/// Dead in the middle of a window, the next one walks it again: nothing is left out, and nothing happens twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_a_window_nothing_is_lost_and_nothing_is_twice() {
    const PEOPLE: usize = 60;
    let setup = Setup {
        settings: worker(false),
        line: "{ calls_per_second = 10, burst = 5 }",
        ..Setup::default()
    };
    let mut place = Place::new("reconciliation-killed", setup).await;
    let stage = place.stage.clone();
    tell_simulator(&stage, "defaults", json!({ "webhook": { "lose": true } })).await;
    let (show, seats) = show_for(&stage, "Killed", PEOPLE).await;
    let mut bookings = Vec::new();
    for seat in &seats {
        let customer = stage.customer("guest").await.expect("a customer");
        let booking = customer.hold(show, &[seat]).await.expect("a hold");
        paid_elsewhere(&stage, &[("booking_id", &booking)], "45000").await;
        bookings.push((customer, booking));
    }
    place.system.kill_roles();
    place.system.settings(worker(true));
    place.system.start_roles(None).await;
    let found = "select count(*) from reconciliation_findings";
    comes_true("some are told", async || {
        let found = count(&stage, found).await;
        (found > 0).then_some(()).ok_or(place.system.log())
    })
    .await;
    place.system.kill_roles();
    let told = count(&stage, found).await;
    assert!(told < 60, "killed too late to be in the middle: {told}");
    let done = "select count(*) from reconciliation_windows where gateway = 'stripe'";
    assert_eq!(count(&stage, done).await, 0, "no window is done");

    place.system.start_roles(None).await;
    for (customer, booking) in &bookings {
        place.confirmed(customer, booking).await;
    }
    comes_true("the window is done", async || {
        let done = count(&stage, done).await;
        (done > 0).then_some(()).ok_or(place.system.log())
    })
    .await;
    assert_eq!(
        count(&stage, found).await,
        60,
        "each is told, and counted once"
    );
    let captured = "select count(*) from payments where standing = 'CAPTURED'";
    assert_eq!(count(&stage, captured).await, 60);
    place.system.audit();
    place.balances();
}

/// The same at the gateways on whose pages customers pay. Cashfree lists what it has; Adyen lists nothing, so our own
/// payments of the window are asked after, one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_webhook_told_is_found_where_customers_pay_on_a_page() {
    let setup = Setup {
        settings: worker(true),
        ..Setup::default()
    };
    let place = Place::new("reconciliation-pages", setup).await;
    // One of which the webhook comes, too: what Adyen cannot be asked any more is nobody's case.
    let show = place.stage.show("Told", 600_000).await.expect("a show");
    let told = place.stage.customer("told").await.expect("a customer");
    let booking = told.hold(show, &["A-1"]).await.expect("a hold");
    let attempt = told
        .open_payment_at(&booking, "adyen")
        .await
        .expect("an attempt");
    let card = json!({ "method": "card" });
    let paid = told.pay_page("adyen", &attempt, &card);
    paid.await.expect("a try");
    place.confirmed(&told, &booking).await;
    for gateway in ["cashfree", "adyen"] {
        let (customer, booking, attempt) = place.unheard_at(gateway, gateway, "A-1").await;
        let paid = customer.pay_page(gateway, &attempt, &card).await;
        paid.expect("a try");
        place.confirmed(&customer, &booking).await;
    }
    let again = place.system.run(&["reconcile", "--since", "1h"]);
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success(), "{said}");
    place.balances();
    place.system.audit();
}

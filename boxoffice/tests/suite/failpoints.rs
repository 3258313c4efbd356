//! Kills the product at every failpoint, starts it again, and checks every promise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::demo::{Customer, Stage};
use boxoffice_failpoints::Failpoint;
use serde_json::{Value, json};

use crate::servers;
use crate::system::System;

const PATIENCE: Duration = Duration::from_secs(60);

/// A booking with the ledger's balances, the gateway's books and the events that it must end with.
type Expected<'a> = (
    &'a str,
    Vec<(String, i64)>,
    (i64, i64, usize),
    &'a [&'a str],
);

/// What a workload leaves behind.
struct Bookings {
    paid: String,
    rejected: String,
    expired: String,
}

/// Three customers at once: one pays in time, one pays too little and gets it back, one never pays.
async fn workload(stage: &Arc<Stage>) -> anyhow::Result<Bookings> {
    let long = stage.show("Failpoints", 600_000).await?;
    let short = stage.show("Failpoints: five seconds", 1_000).await?;
    let (ann, bob, cy) = (
        stage.customer("ann").await?,
        stage.customer("bob").await?,
        stage.customer("cy").await?,
    );
    let pays = async |customer: &Customer, seat: &str, told: Value| -> anyhow::Result<String> {
        let booking = customer.hold(long, &[seat]).await?;
        stage.tell_gateway(&booking, told).await?;
        let attempt = customer.open_payment(&booking).await?;
        customer.pay(&attempt).await?;
        Ok(booking)
    };
    let (paid, rejected, expired) = tokio::try_join!(
        pays(&ann, "A-1", json!({})),
        pays(&bob, "A-2", json!({ "amount_received": 44_999 })),
        cy.hold(short, &["A-1"]),
    )?;
    Ok(Bookings {
        paid,
        rejected,
        expired,
    })
}

/// Waits until everything has come to its end, and holds the gateway's books and the events against it.
async fn settles(stage: &Stage, bookings: &Bookings) -> anyhow::Result<()> {
    let cases: [Expected<'_>; 3] = [
        (
            &bookings.paid,
            vec![("APPLIED".into(), 45_000), ("GATEWAY".into(), -45_000)],
            (45_000, 0, 0),
            &["HoldPlaced", "PaymentCompleted", "BookingConfirmed"],
        ),
        (
            &bookings.rejected,
            vec![("GATEWAY".into(), -44_999), ("REFUNDED".into(), 44_999)],
            (44_999, 44_999, 1),
            &[
                "HoldPlaced",
                "PaymentCompleted",
                "PaymentRejected_InitiateRefund",
                "RefundInitiated",
                "RefundCompleted",
            ],
        ),
        (
            &bookings.expired,
            vec![],
            (0, 0, 0),
            &["HoldPlaced", "HoldExpired"],
        ),
    ];
    for (booking, ledger, books, events) in cases {
        let found = stage
            .until(&ledger, async || stage.ledger(booking).await)
            .await?;
        anyhow::ensure!(found == ledger, "the ledger of {booking}: {found:?}");
        let found = stage
            .until(&books, async || stage.books(booking).await)
            .await?;
        anyhow::ensure!(
            found == books,
            "the gateway's books of {booking}: {found:?}"
        );
        let events: Vec<String> = events.iter().map(|kind| (*kind).to_owned()).collect();
        let found = stage
            .until(&events, async || Ok(stage.events.of(booking)))
            .await?;
        anyhow::ensure!(found == events, "the events of {booking}: {found:?}");
    }
    let tasks = async || {
        let left = "select count(*) from tasks where kind in ('mail', 'refund', 'hold_timer') and booking_id = any($1)";
        let ids: Vec<uuid::Uuid> = [&bookings.paid, &bookings.rejected, &bookings.expired]
            .iter()
            .map(|id| id.parse())
            .collect::<Result<_, _>>()?;
        let hold: i64 = 1; // the rejected payer's own hold lives on
        Ok(sqlx::query_scalar::<_, i64>(left)
            .bind(ids)
            .fetch_one(&stage.database)
            .await?
            - hold)
    };
    let left = stage.until(&0, tasks).await?;
    anyhow::ensure!(left == 0, "{left} tasks are left over");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_survives_a_kill_at_every_failpoint() {
    let dir = servers::fresh_dir("failpoints");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let mut system = System::start(&kafka.bootstrap(), &database).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    for point in Failpoint::ALL {
        let name = point.name();
        system.kill_roles();
        system.start_roles(Some(name)).await;
        let working = tokio::spawn({
            let stage = stage.clone();
            async move { workload(&stage).await }
        });
        let until = Instant::now() + PATIENCE;
        while system.ended().is_none() {
            assert!(
                Instant::now() < until,
                "{name} never fired: {}",
                system.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(
            system.fired(name),
            "the process ended, and not of {name}: {}",
            system.log()
        );
        system.start_roles(None).await;
        let bookings = working
            .await
            .expect("no panic")
            .unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let settled = settles(&stage, &bookings).await;
        assert!(settled.is_ok(), "{name}: {settled:?}\n{}", system.log());
        let ticket =
            |file: &String| file.contains("booking_confirmed") && file.contains(&bookings.paid);
        let sent = stage
            .until(&true, async || Ok(system.letters().iter().any(ticket)))
            .await;
        assert!(
            sent.is_ok_and(|sent| sent),
            "{name}: no ticket was sent for {}\n{}",
            bookings.paid,
            system.log()
        );
        system.audit();
    }
}

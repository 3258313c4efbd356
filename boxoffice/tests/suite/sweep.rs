//! Open business whose event or task was lost is taken up again.

use serde_json::json;

use boxoffice::demo::Stage;

use crate::servers;
use crate::system::{Setup, System};

/// No refund worker runs, so the event that asks for the refund reaches nobody; and somebody has deleted an open
/// payment's tasks. The sweep finds both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_is_at_work_on_is_taken_up_again() {
    let dir = servers::fresh_dir("sweep");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let system = System::start_with(
        &kafka.bootstrap(),
        &database,
        Setup {
            roles: &["coordinator", "--with", "ingress,relay,api"],
            settings: vec![
                ("BOXOFFICE_TASKS__SWEEP_EVERY_SECONDS", "1".to_owned()),
                ("BOXOFFICE_TASKS__SWEEP_AFTER_SECONDS", "0".to_owned()),
            ],
            ..Setup::default()
        },
    )
    .await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let db = sqlx::PgPool::connect(&database).await.expect("a database");
    let show = stage.show("Swept", 600_000).await.expect("a show");

    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1"]).await.expect("a hold");
    stage
        .tell_gateway(&booking, json!({ "amount_received": 1 }))
        .await
        .expect("the simulator listens");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");
    ann.pay(&attempt).await.expect("the gateway takes it");
    let under_way = Some("UNDER_WAY".to_owned());
    let standing = stage
        .until(&under_way, async || {
            Ok(sqlx::query_scalar::<_, String>(
                "select standing from refunds where booking_id = $1::uuid",
            )
            .bind(booking.to_string())
            .fetch_optional(&db)
            .await?)
        })
        .await;
    assert_eq!(standing.expect("a refund"), under_way, "{}", system.log());
    let tasks: i64 = sqlx::query_scalar("select count(*) from tasks where kind = 'refund'")
        .fetch_one(&db)
        .await
        .expect("tasks");
    assert_eq!(tasks, 1);

    let bob = stage.customer("bob").await.expect("a customer");
    let booking = bob.hold(show, &["A-2"]).await.expect("a hold");
    bob.open_payment(&booking).await.expect("an attempt");
    sqlx::query("delete from tasks where booking_id = $1::uuid")
        .bind(booking.to_string())
        .execute(&db)
        .await
        .expect("the tasks are deleted");
    sqlx::query(
        "update bookings set expires_at = now() - interval '1 hour', reclaim_at = now() - interval '1 hour'
         where booking_id = $1::uuid",
    )
    .bind(booking.to_string())
    .execute(&db)
    .await
    .expect("the hold is old");
    let closed = Some("CLOSED".to_owned());
    let standing = stage
        .until(&closed, async || {
            Ok(sqlx::query_scalar::<_, String>(
                "select standing from payments where booking_id = $1::uuid",
            )
            .bind(booking.to_string())
            .fetch_optional(&db)
            .await?)
        })
        .await;
    assert_eq!(standing.expect("a payment"), closed, "{}", system.log());
}

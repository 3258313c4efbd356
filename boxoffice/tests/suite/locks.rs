//! What a turn locks, on real PostgreSQL.

use std::sync::Arc;

use boxoffice_booking_api::shows::{NewShow, Order, PutOnSale, act, create_show};
use boxoffice_failpoints::Role;
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::seat::SeatKey;
use boxoffice_saga::world::World;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claimed, Door, Held, Plan, Wanted, run};
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;

use crate::servers;

struct LookAtSeats(ShowId);

impl Plan for LookAtSeats {
    type Answer = usize;

    fn role(&self) -> Role {
        Role::HoldDesk
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        let seats = (1..=5).map(|number| SeatKey {
            show: self.0,
            seat: format!("A-{number}"),
        });
        Wanted {
            seats: seats.collect(),
            ..Wanted::default()
        }
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, _: &mut Appends) -> usize {
        world.seats.len()
    }
}

/// A turn that has waited for rows which another one changed must see all of them. Locking through a semijoin
/// loses those that changed meanwhile, and a seat that is not seen counts as taken: a payer in time would be
/// refunded.
#[tokio::test]
async fn a_turn_that_waited_for_seats_sees_every_one_of_them() {
    let url = servers::shared().database().await;
    let store = PgStore::new(url.parse().expect("a URL"), 4, Arc::new(Notify::new()));
    sqlx::query("insert into show_seats (show_id, seat, price_minor) select 5, 'A-' || n, 1 from generate_series(1, 5) n")
        .execute(store.pool())
        .await
        .expect("seats");
    let mut other = PgConnection::connect(&url).await.expect("a connection");
    sqlx::query("begin")
        .execute(&mut other)
        .await
        .expect("a transaction");
    sqlx::query("update show_seats set changes = changes + 1 where seat in ('A-2', 'A-3', 'A-4')")
        .execute(&mut other)
        .await
        .expect("an update");
    let show = ShowId::try_from(5_u64).expect("a show");
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { run(&store, &LookAtSeats(show)).await }
    });
    let blocked = "select count(*) from pg_locks where not granted";
    while sqlx::query_scalar::<_, i64>(blocked)
        .fetch_one(store.pool())
        .await
        .expect("locks")
        == 0
    {
        tokio::task::yield_now().await;
    }
    sqlx::query("commit")
        .execute(&mut other)
        .await
        .expect("a commit");
    assert_eq!(waiting.await.expect("no panic").expect("a turn"), 5);
}

/// A show goes on sale by the plan that stands when its row is locked. One statement that waits for the row and
/// joins its plan would sell the plan of before: old prices under new rules.
#[tokio::test]
async fn a_show_that_is_imported_meanwhile_goes_on_sale_by_its_new_plan() {
    let url = servers::shared().database().await;
    let store = PgStore::new(url.parse().expect("a URL"), 4, Arc::new(Notify::new()));
    let starts_at = time::macros::datetime!(2031-05-01 20:00 UTC);
    let inr = "INR".parse().expect("a currency");
    let show = NewShow::hall("Imported", starts_at, inr, 1, 3, 100);
    let show = create_show(store.pool(), &show).await.expect("a show");
    let mut import = PgConnection::connect(&url).await.expect("a connection");
    for step in [
        "begin",
        "select from shows for update",
        // As an import does: the old plan goes, the new one comes.
        "with old as (delete from seat_plans returning *)
         insert into seat_plans select show_id, 'B-' || number, row_name, number, section, 700 from old",
    ] {
        sqlx::query(step)
            .execute(&mut import)
            .await
            .expect("a step of the import");
    }
    let opening = tokio::spawn({
        let store = store.clone();
        let order = Order {
            who: "olga".to_owned(),
            door: Door::CommandLine,
            why: None,
        };
        async move { act(&store, &order, None, &PutOnSale(show)).await.map(drop) }
    });
    let waits = "select exists (select from pg_stat_activity
                               where datname = current_database() and wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits)
        .fetch_one(store.pool())
        .await
        .expect("who waits")
    {
        assert!(!opening.is_finished(), "nobody waited for the import");
        tokio::task::yield_now().await;
    }
    sqlx::query("commit")
        .execute(&mut import)
        .await
        .expect("a commit");
    opening.await.expect("no panic").expect("on sale");
    let sold: Vec<(String, i64)> =
        sqlx::query_as("select seat, price_minor from show_seats order by seat")
            .fetch_all(store.pool())
            .await
            .expect("seats");
    let new = ["B-1", "B-2", "B-3"].map(|seat| (seat.to_owned(), 700));
    assert_eq!(sold, new);
}

//! The audit: a story without a fault, and then every promise broken by hand, each named and no other.

mod corruptions;
mod story;

use std::collections::BTreeSet;

use boxoffice::audit::{Audit, audit};
use boxoffice::demo::Stage;
use boxoffice::replay::replay;
use boxoffice_producers::Connection;
use boxoffice_turn::postgres::PgStore;
use sqlx::{AssertSqlSafe, PgPool};

use crate::servers;
use crate::system::System;
use corruptions::corruptions;
use story::{Story, play};

/// The story's journal leads to its rows. Decided otherwise in one entry, that entry is named.
async fn replays(postgres: &boxoffice_dev_servers::Postgres, database: &str, story: &Story) {
    let again = async |url: &str, all: bool| {
        let store = PgStore::reading(url.parse().expect("a URL"), 2);
        let replayed = replay(&store, all, |_, _| {}).await.expect("a replay");
        store.pool().close().await;
        replayed
    };
    for all in [false, true] {
        let replayed = again(database, all).await;
        assert!(replayed.same(), "{}", replayed.in_words());
        assert!(replayed.entries > 30, "{}", replayed.in_words());
        assert_eq!(replayed.shows, if all { 2 } else { 1 });
    }
    let confirmed = &story.confirmed;
    let edits = [
        (
            "another verdict",
            format!(
                "update journal set outcome = '{{\"outcome\":\"decided\",\"verdict\":\"SEATS_LOST\",\"seats_lost\":[\"A-1\"]}}'
                 where booking_id = '{confirmed}' and outcome like '%\"decided\"%'"
            ),
            "payment",
        ),
        (
            "another state",
            format!("update bookings set state = 'EXPIRED' where booking_id = '{confirmed}'"),
            "booking",
        ),
        (
            "another standing",
            format!("update refunds set standing = 'DONE' where booking_id = '{}'", story.with_operator),
            "refund",
        ),
        (
            "another seat",
            format!("update show_seats set state = 'AVAILABLE' where show_id = {} and seat = 'B-3'", story.show),
            "seat B-3, state",
        ),
        (
            "an input of another time",
            format!(
                "update journal set input = '{{\"input\":\"unheard_of\"}}' where booking_id = '{confirmed}'
                 and input like '%\"attempt_created\"%'"
            ),
            "unheard_of",
        ),
    ];
    for (name, sql, expected) in edits {
        let url = servers::copy_of(postgres, database).await;
        by_hand(&url, name, &sql).await;
        let replayed = again(&url, true).await;
        let named = replayed
            .differences
            .iter()
            .any(|difference| difference.what.starts_with(expected));
        assert!(named, "{name}: {}", replayed.in_words());
    }
}

/// Does what the product never does. Append-only tables have triggers against this.
async fn by_hand(database: &str, name: &str, sql: &str) {
    let admin = PgPool::connect(database).await.expect("a connection");
    let by_hand = format!("set session_replication_role = replica; {sql}");
    sqlx::raw_sql(AssertSqlSafe(by_hand))
        .execute(&admin)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    admin.close().await;
}

async fn examine(database: &str, kafka: &Connection) -> Audit {
    let options = database.parse().expect("a URL");
    let store = PgStore::reading(options, 2);
    let found = audit(&store, kafka, |_, _| {})
        .await
        .unwrap_or_else(|failure| panic!("{}", failure.in_one_line()));
    store.pool().close().await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_corruption_is_named_by_the_promise_that_it_breaks() {
    let dir = servers::fresh_dir("audit");
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
    let story = play(&stage, &|| system.log()).await;
    crate::replay::record(&stage.database, story.show, "audited").await;
    // Nobody may be connected to what is copied.
    stage.database.close().await;
    system.kill_roles();
    let kafka = Connection {
        brokers: kafka.bootstrap(),
        extra: Vec::new(),
    };

    let clean = examine(&database, &kafka).await;
    assert!(clean.holds(), "{}", clean.in_words());
    assert!(clean.bookings >= 7 && clean.refunds >= 4, "{clean:?}");
    let rupees = &clean.money["INR"];
    assert_eq!(
        rupees.captured,
        rupees.accounts.values().sum::<i64>(),
        "{clean:?}"
    );
    assert_eq!(clean.parked_webhooks, 1);

    replays(&postgres, &database, &story).await;

    let mut broken = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, sql, expected) in corruptions(&story) {
        let url = servers::copy_of(&postgres, &database).await;
        by_hand(&url, name, &sql).await;
        let found = examine(&url, &kafka).await;
        let named: BTreeSet<&str> = found
            .violations
            .iter()
            .map(|finding| finding.promise.name())
            .collect();
        broken.extend(named.iter().copied());
        if named != expected.iter().copied().collect() {
            wrong.push(format!("{name}: {expected:?}\n{}", found.in_words()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let promises = boxoffice_saga::promises::Promise::ALL;
    for promise in promises {
        assert!(broken.contains(promise.name()), "nothing breaks {promise}");
    }
}

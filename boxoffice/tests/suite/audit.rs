//! The audit: a story without a fault, and then every promise broken by hand, each named and no other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use boxoffice::audit::{Audit, audit};
use boxoffice::demo::Stage;
use boxoffice::replay::replay;
use boxoffice_producers::Connection;
use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_turn::postgres::PgStore;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};

use crate::operator::Operator;
use crate::servers;
use crate::system::System;

const PATIENCE: Duration = Duration::from_secs(60);
const PRICE: i64 = 45_000;

/// What the story leaves behind, by name.
pub struct Story {
    pub show: ShowId,
    /// Confirmed, with two seats, A-1 and A-2.
    pub confirmed: String,
    /// Only held: A-5.
    pub held: String,
    /// Confirmed, and paid a second time: that money is back.
    pub paid_twice: String,
    /// Paid too little: nobody can return it, for the gateway does not know it.
    pub with_operator: String,
    /// Given up, with an attempt that the gateway says nothing about.
    pub undecided: String,
    /// Its customer cancelled; the gateway takes its time with the refund.
    pub returning: String,
    /// A show that was cancelled, with a booking that had paid.
    pub cancelled_show: ShowId,
}

/// Plays a story in which money is in many places and nothing is wrong.
pub async fn play(stage: &std::sync::Arc<Stage>, log: &dyn Fn() -> String) -> Story {
    let show = stage.show("Audited", 600_000).await.expect("a show");
    let customer = stage.customer("ann").await.expect("a customer");
    let confirmed = customer.hold(show, &["A-1", "A-2"]).await.expect("a hold");
    let attempt = customer.open_payment(&confirmed).await.expect("an attempt");
    customer.pay(&attempt).await.expect("paid");
    customer
        .wait_for(&confirmed, "CONFIRMED")
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", log()));

    let holder = stage.customer("bob").await.expect("a customer");
    let held = holder.hold(show, &["A-5"]).await.expect("a hold");

    let twice = stage.customer("cy").await.expect("a customer");
    let paid_twice = twice.hold(show, &["A-3"]).await.expect("a hold");
    let attempts = [
        twice.open_payment(&paid_twice).await.expect("an attempt"),
        twice.open_payment(&paid_twice).await.expect("an attempt"),
    ];
    for attempt in &attempts {
        twice.pay(attempt).await.expect("paid");
    }
    let short = stage.customer("di").await.expect("a customer");
    let with_operator = short.hold(show, &["A-4"]).await.expect("a hold");
    let id = format!("pi_short{}", uuid::Uuid::new_v4().simple());
    let answer = stage.post_webhook(&with_operator, &id, 100).await;
    assert!(answer.expect("an answer").status().is_success());

    let silent = stage.customer("ed").await.expect("a customer");
    let undecided = silent.hold(show, &["B-1"]).await.expect("a hold");
    let busy = json!({ "refuse": { "cancel": { "times": 1000, "status": 503 },
                                   "fetch": { "times": 1000, "status": 503 } } });
    stage
        .tell_gateway(&undecided, busy)
        .await
        .expect("the simulator listens");
    silent.open_payment(&undecided).await.expect("an attempt");
    silent.release(&undecided).await.expect("given up");

    let going = stage.customer("fay").await.expect("a customer");
    let returning = going.hold(show, &["B-2"]).await.expect("a hold");
    stage
        .tell_gateway(&returning, json!({ "refund": "pending" }))
        .await
        .expect("the simulator listens");
    let attempt = going.open_payment(&returning).await.expect("an attempt");
    going.pay(&attempt).await.expect("paid");
    going
        .wait_for(&returning, "CONFIRMED")
        .await
        .expect("confirmed");
    let operator = Operator::new(stage).await;
    let because = json!({ "reason": "asked for by telephone" });
    let (status, answer) = operator
        .does(&format!("bookings/{returning}/cancel"), &because)
        .await;
    assert!(status < 300, "{status} {answer}");

    // Seats that come and go beside the saga.
    for (verb, seats) in [
        ("block", json!(["B-3", "B-4"])),
        ("unblock", json!(["B-4"])),
    ] {
        let body = json!({ "seats": seats, "reason": "the camera" });
        let (status, answer) = operator.does(&format!("shows/{show}/{verb}"), &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let replaced = going.hold(show, &["B-4"]).await.expect("a hold");
    going.hold(show, &["B-4"]).await.expect("a newer hold");
    going
        .wait_for(&replaced, "RELEASED")
        .await
        .expect("replaced");

    let cancelled_show = stage.show("Called off", 600_000).await.expect("a show");
    let guest = stage.customer("gus").await.expect("a customer");
    let called_off = guest.hold(cancelled_show, &["A-1"]).await.expect("a hold");
    let attempt = guest.open_payment(&called_off).await.expect("an attempt");
    guest.pay(&attempt).await.expect("paid");
    guest
        .wait_for(&called_off, "CONFIRMED")
        .await
        .expect("confirmed");
    let (status, answer) = operator
        .does(&format!("shows/{cancelled_show}/cancel"), &because)
        .await;
    assert_eq!(status, 202, "{answer}");

    // A webhook for a booking that does not exist, and one that nobody can read.
    let unknown = BookingId::pack(1, show, 1).to_string();
    let answer = stage.post_webhook(&unknown, "pi_nobody", PRICE).await;
    assert!(answer.expect("an answer").status().is_success());
    let unreadable =
        "{\"id\":\"evt_broken\",\"object\":\"event\",\"type\":\"payment_intent.succeeded\"}";
    let now = stage.machine_now().await.expect("a clock");
    let signature = stage.sign(now, unreadable.as_bytes());
    let answer = stage
        .post_to_ingress("stripe", Some(&signature), unreadable)
        .await;
    assert!(answer.expect("an answer").status().is_success());

    let story = Story {
        show,
        confirmed,
        held,
        paid_twice,
        with_operator,
        undecided,
        returning,
        cancelled_show,
    };
    settle(&stage.database, log).await;
    story
}

/// Waits until all of the story has come to its end.
async fn settle(database: &PgPool, log: &dyn Fn() -> String) {
    let ended = "select (select count(*) from refunds where standing = 'DONE') = 2
        and exists (select from refunds where standing = 'PENDING')
        and exists (select from refunds where standing = 'WITH_OPERATOR')
        and exists (select from parked_records) and exists (select from dead_letters)
        and not exists (select from tasks where kind in ('mail', 'cancel_booking', 'cancel_show', 'verify'))";
    let until = Instant::now() + PATIENCE;
    while !sqlx::query_scalar::<_, bool>(ended)
        .fetch_one(database)
        .await
        .expect("an answer")
    {
        assert!(Instant::now() < until, "the story never ended: {}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One corruption: its name, what it does by hand, and the promises that it breaks.
type Corruption = (&'static str, String, &'static [&'static str]);

fn corruptions(story: &Story) -> Vec<Corruption> {
    let Story {
        show,
        confirmed,
        held,
        paid_twice,
        with_operator,
        undecided,
        returning,
        cancelled_show,
    } = story;
    let stranger = BookingId::pack(2, *show, 2);
    vec![
        (
            "a sold seat is for sale again",
            format!("update show_seats set state = 'AVAILABLE', booking_id = null where show_id = {show} and seat = 'A-1'"),
            &["SEAT-2"],
        ),
        (
            "a sold seat is gone",
            format!("delete from show_seats where show_id = {show} and seat = 'A-1'"),
            &["SEAT-2"],
        ),
        (
            "a sold seat is blocked",
            format!("update show_seats set state = 'BLOCKED', booking_id = null where show_id = {show} and seat = 'A-1'"),
            &["SEAT-2"],
        ),
        (
            "a free seat is booked by a hold",
            format!("update show_seats set state = 'BOOKED', booking_id = '{held}' where show_id = {show} and seat = 'B-5'"),
            &["SEAT-1"],
        ),
        (
            "a seat of a cancelled show is for sale",
            format!("update show_seats set state = 'AVAILABLE', booking_id = null where show_id = {cancelled_show} and seat = 'B-5'"),
            &["SEAT-1"],
        ),
        (
            "a seat is sold twice",
            format!("update bookings set seats = array_append(seats, 'A-1') where booking_id = '{paid_twice}'"),
            &["SEAT-1", "SEAT-2"],
        ),
        (
            "a movement of money is gone",
            format!("delete from ledger where booking_id = '{confirmed}'"),
            &["MONEY-1"],
        ),
        (
            "a movement of money is larger than it was",
            format!("update ledger set amount_minor = amount_minor + 1 where booking_id = '{confirmed}'"),
            &["MONEY-1"],
        ),
        (
            "money is moved that nobody decided on",
            format!("insert into ledger (show_id, booking_id, payment_id, from_account, to_account, amount_minor, currency, at)
                     select show_id, booking_id, payment_id, 'APPLIED', 'OPERATOR', 5, currency, at from ledger
                     where booking_id = '{confirmed}'"),
            &["MONEY-1"],
        ),
        (
            "a fee is kept of a booking that stands",
            format!("update payments set retained_minor = 100 where booking_id = '{confirmed}'"),
            &["MONEY-1"],
        ),
        (
            "a refund is given up and its money is nowhere",
            format!("update refunds set standing = 'WITHDRAWN' where booking_id = '{returning}'"),
            &["MONEY-1"],
        ),
        (
            "more is returned than was captured",
            format!("update refunds set amount_minor = amount_minor + 7 where booking_id = '{paid_twice}';
                     insert into ledger (show_id, booking_id, payment_id, from_account, to_account, amount_minor, currency, at)
                     select show_id, booking_id, payment_id, 'LOSS', 'REFUNDED', 7, currency, requested_at from refunds
                     where booking_id = '{paid_twice}'"),
            &["MONEY-2"],
        ),
        (
            "two refunds are one at the gateway",
            format!("update refunds set gateway_refund_id = (select gateway_refund_id from refunds where booking_id = '{paid_twice}')
                     where booking_id = '{returning}'"),
            &["MONEY-2"],
        ),
        (
            "the gateway told of two refunds for one of ours",
            format!("insert into journal (show_id, booking_id, at, input, outcome)
                     select show_id, booking_id, at, regexp_replace(input, '\"re_[A-Za-z0-9]+\"', '\"re_another\"'), outcome
                     from journal where booking_id = '{paid_twice}' and input like '%\"refund_answered\"%' limit 1"),
            &["MONEY-2"],
        ),
        (
            "a refund waits for a person who was not told",
            format!("update attention set closed_at = now() where booking_id = '{with_operator}'"),
            &["MONEY-3"],
        ),
        (
            "a refund is pending for a week",
            format!("update refunds set requested_at = requested_at - interval '7 days' where booking_id = '{returning}'"),
            &["MONEY-3"],
        ),
        (
            "an attempt is undecided for two days",
            format!("delete from attention where booking_id = '{undecided}';
                     update payments set opened_at = opened_at - interval '2 days' where booking_id = '{undecided}'"),
            &["MONEY-3"],
        ),
        (
            "a show is cancelled for two days and its bookings stand",
            format!("update shows set status = 'CANCELLED', cancelled_at = now() - interval '2 days' where show_id = {show};
                     update show_seats set state = 'CANCELLED', reclaim_at = null where show_id = {show}"),
            &["MONEY-3"],
        ),
        (
            "a dispute that nobody was told of",
            format!("update payments set disputes = '[{{\"gateway_dispute_id\":\"dp_1\",\"standing\":\"opened\",\"amount_minor\":45000}}]'
                     where booking_id = '{confirmed}'"),
            &["MONEY-3"],
        ),
        (
            "another verdict than the one that was decided",
            format!("update payments set verdict = 'WRONG_AMOUNT' where booking_id = '{paid_twice}' and verdict = 'SECOND_PAYMENT';
                     update refunds set cause = 'WRONG_AMOUNT' where booking_id = '{paid_twice}'"),
            &["SAGA-1"],
        ),
        (
            "a refund for another reason than the verdict",
            format!("update refunds set cause = 'SEATS_LOST' where booking_id = '{paid_twice}'"),
            &["SAGA-1"],
        ),
        (
            "a verdict was decided twice",
            format!("insert into journal (show_id, booking_id, at, input, outcome)
                     select show_id, booking_id, at, input, outcome from journal
                     where booking_id = '{confirmed}' and outcome like '%\"decided\"%'"),
            &["SAGA-1"],
        ),
        (
            "nobody knows why a payment was applied",
            format!("delete from journal where booking_id = '{confirmed}' and outcome like '%\"decided\"%'"),
            &["SAGA-1"],
        ),
        (
            "a record was applied twice",
            "insert into journal (show_id, booking_id, at, input, outcome, source_topic, source_partition, source_offset)
             select show_id, booking_id, at, input, outcome, source_topic, source_partition, source_offset from journal
             where source_topic is not null and outcome not like '%\"decided\"%' limit 1"
                .to_owned(),
            &["SAGA-1"],
        ),
        (
            "a hold is confirmed without money",
            format!("update bookings set state = 'CONFIRMED' where booking_id = '{held}';
                     update show_seats set state = 'BOOKED', reclaim_at = null where booking_id = '{held}'"),
            &["SAGA-1"],
        ),
        (
            "a cancelled booking lives again",
            format!("update bookings set state = 'EXPIRED' where booking_id = '{returning}'"),
            &["SAGA-1"],
        ),
        (
            "one payment at the gateway is two of ours",
            format!("drop index payments_at_gateway;
                     insert into payments (payment_id, booking_id, show_id, gateway, account, gateway_payment_id, standing,
                         expected_minor, expected_currency, opened_at)
                     select gen_random_uuid(), booking_id, show_id, gateway, account, gateway_payment_id, standing,
                         expected_minor, expected_currency, opened_at from payments where booking_id = '{undecided}'"),
            &["SAGA-1"],
        ),
        (
            "an event in the middle is gone",
            format!("delete from outbox where booking_id = '{confirmed}' and sequence = 2"),
            &["EVENT-1"],
        ),
        (
            "a first event is gone",
            format!("delete from outbox where booking_id = '{confirmed}' and sequence = 1"),
            &["EVENT-1"],
        ),
        (
            "a last event is gone",
            format!("delete from outbox where booking_id = '{confirmed}' and sequence = 3"),
            &["EVENT-1"],
        ),
        (
            "all events are gone",
            format!("delete from outbox where booking_id = '{confirmed}'"),
            &["EVENT-1"],
        ),
        (
            "events are published in the wrong order",
            format!("update outbox set sequence = 5 - sequence where booking_id = '{confirmed}' and sequence in (2, 3)"),
            &["EVENT-1"],
        ),
        (
            "an event of what was never committed",
            format!("insert into outbox (id, aggregatetype, aggregateid, type, booking_id, sequence, at, payload)
                     select gen_random_uuid(), aggregatetype, aggregateid, type, '{stranger}', 1, at, payload from outbox
                     where booking_id = '{confirmed}' and sequence = 1"),
            &["EVENT-1"],
        ),
        (
            "the relay believes that it has published the future",
            "update relay_cursor set s1 = '900000000:900000000:', s2 = null, s2_drawn = null".to_owned(),
            &["EVENT-1"],
        ),
        (
            "the relay stands still for two days",
            "update relay_cursor set s1 = '1:1:', s1_drawn = 0, s1_floors = '{}', s2 = null, s2_drawn = null;
             update outbox set at = at - interval '2 days'"
                .to_owned(),
            &["EVENT-1"],
        ),
        (
            "more webhooks were decided than the topic has",
            "update consumer_positions set next_offset = next_offset + 1000
             where topic = 'payments.webhooks.v1' and next_offset is not null"
                .to_owned(),
            &["INGRESS-1"],
        ),
        (
            "a parked webhook that no task looks after",
            "delete from tasks where kind = 'trace'".to_owned(),
            &["INGRESS-1"],
        ),
        (
            "a dead letter that nobody was told of",
            "delete from attention where kind = 'dead_letter'".to_owned(),
            &["INGRESS-1"],
        ),
        (
            "a refund of no payment",
            format!("insert into refunds (refund_id, payment_id, booking_id, show_id, amount_minor, currency, cause, standing,
                         generation, requested_at)
                     values (gen_random_uuid(), gen_random_uuid(), '{stranger}', {show}, 5, 'INR', 'CANCELLED', 'DONE', 1, now())"),
            &["ROWS"],
        ),
        (
            "a payment of no booking",
            format!("insert into payments (payment_id, booking_id, show_id, gateway, account, standing, expected_minor,
                         expected_currency, opened_at)
                     values (gen_random_uuid(), '{stranger}', {show}, 'stripe', 'default', 'OPEN', 5, 'INR', now())"),
            &["ROWS"],
        ),
        (
            "the ledger knows a payment that does not exist",
            format!("insert into ledger (show_id, booking_id, payment_id, from_account, to_account, amount_minor, currency, at)
                     select {show}, '{stranger}', gen_random_uuid(), pair.f, pair.t, 5, 'INR', now()
                     from (values ('TO_RETURN', 'APPLIED'), ('APPLIED', 'TO_RETURN')) as pair (f, t)"),
            &["ROWS"],
        ),
        (
            "a task for nothing",
            "insert into tasks (kind, subject, generation, due_at) values ('refund', gen_random_uuid(), 1, now())".to_owned(),
            &["ROWS"],
        ),
        (
            "a seat is held by a booking that does not hold it",
            format!("update show_seats set state = 'HELD', booking_id = '{held}', reclaim_at = now() where show_id = {show} and seat = 'B-5'"),
            &["ROWS"],
        ),
        (
            "a booking of no show",
            format!("delete from seat_plans where show_id = {cancelled_show}; delete from shows where show_id = {cancelled_show}"),
            &["ROWS"],
        ),
    ]
}

/// The story's journal leads to its rows. Decided otherwise in one entry, that entry is named.
async fn replays(postgres: &boxoffice_dev_servers::Postgres, database: &str, story: &Story) {
    let again = async |url: &str, all: bool| {
        let store = PgStore::reading(url.parse().expect("a URL"), 2);
        let replayed = replay(&store, all, |_, _| {}).await.expect("a replay");
        store.pool().close().await;
        replayed
    };
    let store = PgStore::reading(database.parse().expect("a URL"), 1);
    crate::replay::record(&store, story.show).await;
    store.pool().close().await;
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

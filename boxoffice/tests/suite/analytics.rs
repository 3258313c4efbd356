//! The analytics against a plain recount of what is in the topic: killed in the middle, fed everything twice, and
//! rebuilt.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::demo::Stage;
use boxoffice_producers::topics::BOOKINGS_EVENTS;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::servers;
use crate::system::System;

const PATIENCE: Duration = Duration::from_secs(60);
const ALL_OTHERS: [&str; 3] = [
    "api",
    "--with",
    "ingress,coordinator,relay,refunds,notifications",
];

/// A record as it stands in the topic.
pub struct Stored {
    partition: i32,
    key: Vec<u8>,
    payload: Vec<u8>,
}

/// Everything in the topic, up to its present end.
pub fn topic(kafka: &str) -> Vec<Stored> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("group.id", "recount")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut from = TopicPartitionList::new();
    let mut ends = 0;
    for partition in 0..2 {
        let (_, end) = consumer
            .fetch_watermarks(BOOKINGS_EVENTS, partition, PATIENCE)
            .expect("Kafka answers");
        ends += usize::try_from(end).expect("an offset");
        from.add_partition_offset(BOOKINGS_EVENTS, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&from).expect("partitions");
    let mut stored = Vec::new();
    while stored.len() < ends {
        let message = consumer.poll(PATIENCE).expect("a record in time");
        let message = message.expect("Kafka answers");
        stored.push(Stored {
            partition: message.partition(),
            key: message.key().unwrap_or_default().to_vec(),
            payload: message.payload().unwrap_or_default().to_vec(),
        });
    }
    stored
}

/// Publishes records once more, each to its partition.
pub fn publish(kafka: &str, records: &[Stored]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .create()
        .expect("a producer");
    for record in records {
        let record = BaseRecord::to(BOOKINGS_EVENTS)
            .partition(record.partition)
            .key(&record.key)
            .payload(&record.payload);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room");
    }
    producer.flush(PATIENCE).expect("Kafka answers");
}

/// The recount: each event of the topic once, by its booking and sequence, added up in plain words.
fn recount(kafka: &str) -> Value {
    let mut seen = BTreeSet::new();
    let mut days: BTreeMap<(u64, String), BTreeMap<String, i64>> = BTreeMap::new();
    let mut money: BTreeMap<(u64, String), BTreeMap<String, (i64, i64)>> = BTreeMap::new();
    for record in topic(kafka) {
        let Ok(event) = serde_json::from_slice::<Value>(&record.payload) else {
            continue;
        };
        if !seen.insert((event["booking_id"].to_string(), event["sequence"].as_u64())) {
            continue;
        }
        let day = event["at"].as_str().expect("a time")[..10].to_owned();
        let key = (event["show_id"].as_u64().expect("a show"), day);
        let amount = event["amount"]["minor"].as_i64().unwrap_or(0);
        let currency = event["amount"]["currency"].as_str().unwrap_or_default();
        let kind = event["type"].as_str().expect("a type");
        let replaced = event["replaced"] == true;
        let raised = match kind {
            "HoldPlaced" => "holds_placed",
            "HoldExpired" => "holds_expired",
            "HoldReleased" if replaced => "holds_replaced",
            "HoldReleased" => "holds_released",
            "BookingConfirmed" => "bookings_confirmed",
            "BookingCancelled" => "bookings_cancelled",
            "BookingFailed_InitiateRefund" => "bookings_failed",
            "PaymentCompleted" => "payments_completed",
            "PaymentFailed" => "payments_failed",
            "PaymentRejected_InitiateRefund" => "payments_rejected",
            "RefundCompleted" | "RefundSettledElsewhere" => "refunds_completed",
            "RefundFailed" => "refunds_failed",
            _ => continue,
        };
        let counts = days.entry(key.clone()).or_default();
        *counts.entry(raised.to_owned()).or_default() += 1;
        let moved = || {
            money
                .entry(key)
                .or_default()
                .entry(currency.to_owned())
                .or_default()
        };
        if kind == "BookingConfirmed" {
            let seats = event["seats"].as_array().expect("seats").len();
            *counts.entry("seats_sold".to_owned()).or_default() +=
                i64::try_from(seats).expect("few");
            moved().0 += amount;
        } else if raised == "refunds_completed" {
            moved().1 += amount;
        }
    }
    let all = [
        "holds_placed",
        "holds_expired",
        "holds_released",
        "holds_replaced",
        "bookings_confirmed",
        "seats_sold",
        "bookings_cancelled",
        "bookings_failed",
        "payments_completed",
        "payments_failed",
        "payments_rejected",
        "refunds_completed",
        "refunds_failed",
    ];
    let days = days.into_iter().map(|((show, day), counts)| {
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        let (held, confirmed) = (count("holds_placed"), count("bookings_confirmed"));
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let conversion = (held > 0).then(|| confirmed as f64 / held as f64);
        let moved = money.get(&(show, day.clone())).into_iter().flatten();
        let moved = moved.map(|(currency, (revenue, refunded))| {
            json!({ "currency": currency, "revenue_minor": revenue, "refunded_minor": refunded })
        });
        let mut row = json!({ "show_id": show, "day": day, "conversion": conversion,
            "money": moved.collect::<Vec<_>>() });
        for name in all {
            row[name] = count(name).into();
        }
        row
    });
    json!({ "days": days.collect::<Vec<_>>() })
}

/// What `boxoffice report --json` prints.
fn report(command: &mut Command) -> Value {
    let output = command.output().expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "report: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Every row of the analytics, as text.
async fn dump(database: &str) -> Vec<String> {
    let mut db = PgConnection::connect(database)
        .await
        .expect("PostgreSQL answers");
    sqlx::query_scalar(
        "select b::text from analytics_bookings b union all select d::text from analytics_shows_daily d
         union all select m::text from analytics_money_daily m order by 1",
    )
    .fetch_all(&mut db)
    .await
    .expect("rows")
}

/// Where the analytics stand, partition by partition, must become the topic's ends.
async fn reads_to_the_end(stage: &Stage, kafka: &str) {
    let mut ends = BTreeMap::from([(0, 0_i64), (1, 0)]);
    for record in topic(kafka) {
        *ends.entry(record.partition).or_default() += 1;
    }
    let positions = "select partition, coalesce(next_offset, 0) from consumer_positions
                     where consumer = 'analytics' order by partition";
    let ends: Vec<(i32, i64)> = ends.into_iter().collect();
    let stand = stage
        .until(&ends, async || {
            Ok(sqlx::query_as(positions).fetch_all(&stage.database).await?)
        })
        .await;
    assert_eq!(stand.expect("positions"), ends);
}

async fn dies(mut child: Child) {
    let until = Instant::now() + PATIENCE;
    while child
        .try_wait()
        .expect("a child can be waited for")
        .is_none()
    {
        assert!(Instant::now() < until, "the failpoint never fired");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One who pays for two seats, one who pays too little, one who never pays, one who changes their mind.
async fn customers(stage: &Arc<Stage>) {
    let long = stage.show("Analytics", 600_000).await.expect("a show");
    let short = stage
        .show("Analytics: a second", 1_000)
        .await
        .expect("a show");
    let customer = async |name| stage.customer(name).await.expect("a customer");
    let (ann, bob, cy, dot) = (
        customer("ann").await,
        customer("bob").await,
        customer("cy").await,
        customer("dot").await,
    );
    let expires = cy.hold(short, &["A-1"]).await.expect("a hold");
    let replaced = dot.hold(long, &["B-1"]).await.expect("a hold");
    dot.hold(long, &["B-2"]).await.expect("another hold");
    let paid = ann.hold(long, &["A-1", "A-2"]).await.expect("a hold");
    let attempt = ann.open_payment(&paid).await.expect("an attempt");
    ann.pay(&attempt).await.expect("the gateway takes it");
    let rejected = bob.hold(long, &["A-3"]).await.expect("a hold");
    let little = json!({ "amount_received": 44_999 });
    stage
        .tell_gateway(&rejected, little)
        .await
        .expect("the simulator listens");
    let attempt = bob.open_payment(&rejected).await.expect("an attempt");
    bob.pay(&attempt).await.expect("the gateway takes it");
    for (booking, last) in [
        (paid, "BookingConfirmed"),
        (rejected, "RefundCompleted"),
        (expires, "HoldExpired"),
        (replaced, "HoldReleased"),
    ] {
        let last = Some(last.to_owned());
        let came = stage
            .until(&last, async || {
                Ok(stage.events.of(&booking).last().cloned())
            })
            .await;
        assert_eq!(came.expect("events"), last);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_are_those_of_a_recount_whatever_dies_repeats_or_starts_anew() {
    let dir = servers::fresh_dir("analytics");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let mut system = System::start(&kafka.bootstrap(), &database).await;
    let kafka = kafka.bootstrap();
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    system.kill_roles();
    system.start_command(&ALL_OTHERS, None).await;

    // Killed before a commit, after one, and somewhere.
    for failpoint in [
        "turn.before_commit.analytics_consumer",
        "turn.after_commit.analytics_consumer",
    ] {
        let analytics = system.start_beside("analytics", Some(failpoint));
        customers(&stage).await;
        dies(analytics).await;
        assert!(
            system.fired(failpoint),
            "it died of something else than {failpoint}"
        );
    }
    let mut analytics = system.start_beside("analytics", None);
    customers(&stage).await;
    analytics.kill().expect("a signal");
    analytics.wait().expect("its end");
    let mut analytics = system.start_beside("analytics", None);

    let report_of =
        |show: &[&str]| report(&mut system.command(&[&["report", "--json"], show].concat()));
    let expected = recount(&kafka);
    let told = stage
        .until(&expected, async || Ok(report_of(&[])))
        .await
        .expect("a report");
    assert_eq!(told, expected);
    let totals = |name: &str| -> i64 {
        let days = expected["days"].as_array().expect("days").iter();
        days.map(|day| day[name].as_i64().expect("a count")).sum()
    };
    let counted = [
        "bookings_confirmed",
        "seats_sold",
        "holds_expired",
        "holds_replaced",
        "refunds_completed",
    ];
    assert_eq!(
        counted.map(totals),
        [3, 6, 3, 3, 3],
        "the workload is what it is meant to be"
    );
    let schema = serde_json::from_str(include_str!("../../../schemas/report.json")).expect("JSON");
    jsonschema::validate(&schema, &told).expect("as documented");
    let first = &told["days"][0];
    let (show, day) = (
        first["show_id"].to_string(),
        first["day"].as_str().expect("a day"),
    );
    assert_eq!(
        report_of(&["--show", &show, "--day", day])["days"],
        json!([first])
    );

    // Everything comes again, then something that nobody knows and something that is nothing.
    let mut again = topic(&kafka);
    let mut framed: Value = serde_json::from_slice(&again[0].payload).expect("an event");
    framed["type"] = "BookingFramed".into();
    framed["sequence"] = 1_000.into();
    for payload in [framed.to_string(), "no event".to_owned()] {
        let (partition, key) = (again[0].partition, again[0].key.clone());
        again.push(Stored {
            partition,
            key,
            payload: payload.into_bytes(),
        });
    }
    publish(&kafka, &again);
    reads_to_the_end(&stage, &kafka).await;
    assert_eq!(report_of(&[]), expected, "nothing is counted twice");
    let incremental = dump(&database).await;

    // Anew, beside the running role, and while more comes in.
    let rebuild = || {
        let output = system.run(&["analytics", "--rebuild"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rebuild: {errors}");
    };
    rebuild();
    assert_eq!(dump(&database).await, incremental);
    let mut rebuilding = system.command(&["analytics", "--rebuild"]);
    rebuilding.stdout(Stdio::piped()).stderr(Stdio::piped());
    let rebuilding = rebuilding.spawn().expect("the binary runs");
    customers(&stage).await;
    let ended = rebuilding.wait_with_output().expect("its end");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "rebuild: {errors}");
    reads_to_the_end(&stage, &kafka).await;
    assert_eq!(report_of(&[]), recount(&kafka));
    let incremental = dump(&database).await;

    // Anew without the role; and elsewhere, where nothing is known of the rest.
    analytics.kill().expect("a signal");
    analytics.wait().expect("its end");
    rebuild();
    assert_eq!(dump(&database).await, incremental);
    let elsewhere = servers::empty_database(&postgres).await;
    let moved = |arguments: &[&str], main: &str| {
        let mut command = system.command(arguments);
        command.env("BOXOFFICE_ANALYTICS__DATABASE_URL", &elsewhere);
        command.env("BOXOFFICE_DATABASE__URL", main);
        command
    };
    for (arguments, main) in [
        (&["migrate"][..], database.as_str()),
        (&["analytics", "--rebuild"], ""),
    ] {
        let output = moved(arguments, main).output().expect("the binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
    }
    assert_eq!(dump(&elsewhere).await, incremental);
    assert_eq!(
        report(&mut moved(&["report", "--json"], "")),
        report_of(&[])
    );
}

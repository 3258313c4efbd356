//! The relay on real PostgreSQL and real Kafka: EVENT-1 against transactions that stay open, two relays, lost
//! sessions, and a record that Kafka will never take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use boxoffice_producers::{Connection as Brokers, Envelope};
use boxoffice_relay::{RelayError, RelayOptions};
use boxoffice_saga::identity::{BookingId, ShowId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::servers;

const PATIENCE: Duration = Duration::from_secs(30);

/// A database and a topic of one's own.
struct Desk {
    url: String,
    topic: String,
    reader: BaseConsumer,
    /// By booking: the sequences, repeats included, in the order of the topic.
    read: BTreeMap<String, Vec<u32>>,
}

impl Desk {
    async fn open() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let servers = servers::shared();
        let topic = format!("relay.{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers.kafka());
        let admin: AdminClient<DefaultClientContext> = config.create().expect("a client");
        let wanted = NewTopic::new(&topic, 3, TopicReplication::Fixed(1));
        let made = admin
            .create_topics([&wanted], &AdminOptions::new())
            .await
            .expect("Kafka answers");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        config
            .set("group.id", &topic)
            .set("auto.offset.reset", "earliest");
        let reader: BaseConsumer = config.create().expect("a consumer");
        reader.subscribe(&[&topic]).expect("a subscription");
        let url = servers.database().await;
        let mut db = PgConnection::connect(&url)
            .await
            .expect("PostgreSQL answers");
        sqlx::query(
            "create table counted (nth bigint primary key, sequence int not null default 0)",
        )
        .execute(&mut db)
        .await
        .expect("a table");
        sqlx::query("insert into counted select generate_series(0, 9)")
            .execute(&mut db)
            .await
            .expect("bookings");
        Self {
            url,
            topic,
            reader,
            read: BTreeMap::new(),
        }
    }

    async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.url)
            .await
            .expect("PostgreSQL answers")
    }

    fn relay(&self) -> (CancellationToken, JoinHandle<Result<(), RelayError>>) {
        let database = self.url.parse().expect("a URL");
        let mut options = RelayOptions::new(database, Brokers::new(servers::shared().kafka()));
        options.lease = Duration::from_secs(2);
        let stop = CancellationToken::new();
        (
            stop.clone(),
            tokio::spawn(boxoffice_relay::run(options, Arc::new(Notify::new()), stop)),
        )
    }

    /// Reads until every booking's events have come, and holds first deliveries to their order.
    async fn all_arrive(&mut self) {
        let mut db = self.session().await;
        let counted: Vec<(i64, i32)> =
            sqlx::query_as("select nth, sequence from counted where sequence > 0")
                .fetch_all(&mut db)
                .await
                .expect("rows");
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(message) = self.reader.poll(Duration::ZERO) {
                let message = message.expect("Kafka answers");
                let headers: Vec<(&str, &[u8])> = message
                    .headers()
                    .into_iter()
                    .flat_map(|headers| headers.iter())
                    .map(|header| (header.key, header.value.unwrap_or_default()))
                    .collect();
                let envelope = Envelope::read(&headers).expect("an envelope");
                self.read
                    .entry(envelope.booking.to_string())
                    .or_default()
                    .push(envelope.sequence);
            }
            let latest = |nth: i64| {
                self.read
                    .get(&booking(nth).to_string())
                    .and_then(|all| all.iter().max())
            };
            if counted.iter().all(|(nth, sequence)| {
                latest(*nth).is_some_and(|latest| i64::from(*latest) == i64::from(*sequence))
            }) {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{counted:?} were committed, and these came: {:?}",
                self.read
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for (booking, sequences) in &self.read {
            let mut latest = 0;
            for sequence in sequences {
                assert!(
                    *sequence <= latest + 1,
                    "{booking}: {sequence} came after {latest}"
                );
                latest = latest.max(*sequence);
            }
        }
    }

    /// Waits until the relay has seen all that was committed.
    async fn rests(&self) {
        let mut db = self.session().await;
        let deadline = Instant::now() + PATIENCE;
        let rests = "select exists (select from relay_cursor, outbox_position
                     where s2 is null and epoch > 0 and s1_drawn = case when is_called then last_value else 0 end)";
        while !sqlx::query_scalar::<_, bool>(rests)
            .fetch_one(&mut db)
            .await
            .expect("the cursor")
        {
            assert!(Instant::now() < deadline, "the relay does not come to rest");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn booking(nth: i64) -> BookingId {
    let show = ShowId::try_from(7_u64).expect("a show");
    BookingId::pack(1_700_000_000_000, show, nth.unsigned_abs())
}

/// Locks the booking and writes its next event, as every turn does.
async fn write(db: &mut PgConnection, topic: &str, nth: i64, bytes: usize) {
    let sequence: i32 = sqlx::query_scalar(
        "update counted set sequence = sequence + 1 where nth = $1 returning sequence",
    )
    .bind(nth)
    .fetch_one(&mut *db)
    .await
    .expect("a lock");
    sqlx::query(
        "insert into outbox (id, aggregatetype, aggregateid, type, booking_id, sequence, at, payload)
         values (gen_random_uuid(), $1, '7', 'HoldPlaced', $2, $3, clock_timestamp(), $4)",
    )
    .bind(topic)
    .bind(booking(nth).uuid())
    .bind(sequence)
    .bind(vec![b' '; bytes])
    .execute(db)
    .await
    .expect("a row");
}

async fn run(db: &mut PgConnection, what: &'static str) {
    sqlx::query(what).execute(db).await.expect(what);
}

/// The last id given out is that of an open transaction, and no snapshot names it: xmax is one above the last
/// *completed* id. Its position is drawn, and the relay comes to rest on it.
#[tokio::test]
async fn a_transaction_that_no_snapshot_names_is_not_forgotten() {
    let mut desk = Desk::open().await;
    let (stop, relay) = desk.relay();
    let (mut slow, mut quick) = (desk.session().await, desk.session().await);
    for round in 0..5 {
        desk.rests().await;
        run(&mut slow, "begin").await;
        write(&mut slow, &desk.topic, round, 10).await;
        desk.rests().await;
        // In every other round somebody overtakes it.
        if round % 2 == 1 {
            write(&mut quick, &desk.topic, 9, 10).await;
            // What is open is not in `counted` for others.
            desk.all_arrive().await;
        }
        run(&mut slow, "commit").await;
        desk.all_arrive().await;
    }
    stop.cancel();
    relay.await.expect("no panic").expect("it ends well");
}

/// Writers hold transactions open across many windows and roll some back; two relays, whose sessions are
/// lost again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_arrives_in_order_whatever_happens_to_relays() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut desk = Desk::open().await;
    let (first, second) = (desk.relay(), desk.relay());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6_u64 {
        let (mut db, topic) = (desk.session().await, desk.topic.clone());
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(writer));
        writers.spawn(async move {
            for _ in 0..40 {
                run(&mut db, "begin").await;
                if random.random_bool(0.3) {
                    run(&mut db, "select pg_current_xact_id()").await;
                    tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
                }
                let nth = random.random_range(0..10);
                for _ in 0..random.random_range(1..4) {
                    write(&mut db, &topic, nth, 300).await;
                }
                let hold = if writer == 0 { 200 } else { 20 };
                tokio::time::sleep(Duration::from_millis(random.random_range(0..hold))).await;
                run(
                    &mut db,
                    if random.random_bool(0.15) {
                        "rollback"
                    } else {
                        "commit"
                    },
                )
                .await;
            }
        });
    }
    let mut admin = desk.session().await;
    let lose = "select pg_terminate_backend(pid) from pg_stat_activity
                where application_name = 'boxoffice-relay' and datname = current_database()";
    loop {
        tokio::select! {
            done = writers.join_next() => match done {
                Some(done) => done.expect("a writer"),
                None => break,
            },
            () = tokio::time::sleep(Duration::from_millis(300)) => run(&mut admin, lose).await,
        }
    }
    desk.all_arrive().await;
    for (stop, relay) in [first, second] {
        stop.cancel();
        relay.await.expect("no panic").expect("it ends well");
    }
}

/// What Kafka refuses for good stops the relay; nothing of the same partition comes before it.
#[tokio::test]
async fn a_record_that_kafka_refuses_is_never_passed() {
    let mut desk = Desk::open().await;
    let mut db = desk.session().await;
    write(&mut db, &desk.topic, 1, 10).await;
    write(&mut db, &desk.topic, 1, 3 << 20).await;
    write(&mut db, &desk.topic, 1, 10).await;
    let (stop, relay) = desk.relay();
    let deadline = Instant::now() + PATIENCE;
    // It has claimed the cursor several times: each time it stood at this record.
    while sqlx::query_scalar::<_, i64>("select coalesce(max(epoch), 0) from relay_cursor")
        .fetch_one(&mut db)
        .await
        .expect("the cursor")
        < 4
    {
        assert!(Instant::now() < deadline, "the relay does not start again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let published: i64 = sqlx::query_scalar("select last_position from relay_cursor")
        .fetch_one(&mut db)
        .await
        .expect("the cursor");
    assert_eq!(published, 1, "the cursor stands before the record");
    // The operator makes it smaller; `xact` stays, and with it the window.
    run(
        &mut db,
        "update outbox set payload = 'small' where octet_length(payload) > 1000000",
    )
    .await;
    desk.all_arrive().await;
    stop.cancel();
    relay.await.expect("no panic").expect("it ends well");
}

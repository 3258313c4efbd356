//! `floor`: what this machine does at this moment with nothing of ours in the way, so that machines and hours can be
//! compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::connection::Connection;
use super::report::{Level, Report};
use super::rig::{Rig, Wanted, says};
use crate::failure::Failure;

/// How long each is measured.
const FOR: Duration = Duration::from_secs(3);
/// Connections of the HTTP echo.
const CLIENTS: usize = 64;
/// Rows that are confirmed at a time, and rows that there are.
const AT_A_TIME: usize = 500;
const ROWS: usize = 100_000;
/// Sessions that hold.
const SESSIONS: usize = 8;

/// What a machine does, each a second.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Floor {
    /// HTTP requests of a kilobyte echoed on 64 connections, by the same server library and the same client.
    pub http: f64,
    /// Records of a kilobyte produced with `acks=all` by a bare rdkafka.
    pub produce: f64,
    /// Rows confirmed, 500 with one statement, by their keys.
    pub confirm: f64,
    /// Holds of two seats, each one statement, on eight sessions.
    pub hold: f64,
}

/// The machine on which the goals were set, on a good day.
pub const REFERENCE: Floor = Floor {
    http: 55_000.0,
    produce: 230_000.0,
    confirm: 28_000.0,
    hold: 3_700.0,
};

/// What of a floor a benchmark stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stands {
    /// On everything.
    #[default]
    Everything,
    /// On HTTP and Kafka.
    HttpAndKafka,
    /// On HTTP and single holds.
    HttpAndHolds,
    /// On HTTP.
    Http,
}

/// What is measured.
#[derive(Debug, Args)]
pub struct Alone {
    /// So often.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Measures, on servers of its own.
///
/// # Errors
/// When a server cannot be started.
pub async fn run(alone: &Alone) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !alone.json,
        ..Wanted::default()
    };
    let rig = Rig::start(&wanted).await?;
    let mut report = Report::new("floor", Stands::Everything);
    for _ in 0..alone.rounds {
        let floor = rig.floor().await;
        let floor = floor
            .map_err(|error| Failure::because("the measurement has failed", error.as_ref()))?;
        says(!alone.json, &floor.in_words());
        report.levels.push(Level {
            load: "alone".to_owned(),
            floor,
            ..Level::default()
        });
    }
    rig.stop().await?;
    Ok(report)
}

impl Floor {
    /// How much of the reference machine this is: the geometric mean of the parts.
    pub fn of_reference(&self, stands: Stands) -> f64 {
        let http = self.http / REFERENCE.http;
        let produce = self.produce / REFERENCE.produce;
        let confirm = self.confirm / REFERENCE.confirm;
        let hold = self.hold / REFERENCE.hold;
        match stands {
            Stands::Everything => (http * produce * confirm * hold).powf(0.25),
            Stands::HttpAndKafka => (http * produce).sqrt(),
            Stands::HttpAndHolds => (http * hold).sqrt(),
            Stands::Http => http,
        }
    }

    /// As a person reads it.
    pub fn in_words(&self) -> String {
        format!(
            "floor: HTTP {:.0}/s, produce {:.0}/s, confirm {:.0}/s, hold {:.0}/s: {:.2} of the reference machine",
            self.http,
            self.produce,
            self.confirm,
            self.hold,
            self.of_reference(Stands::Everything)
        )
    }

    /// Measures, on a broker and a database that have nothing else to do.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub async fn measure(brokers: &str, database: &str) -> anyhow::Result<Self> {
        Ok(Self {
            http: http().await.context("the HTTP floor")?,
            produce: produce(brokers).await.context("Kafka's floor")?,
            confirm: confirm(database)
                .await
                .context("the confirmations' floor")?,
            hold: hold(database).await.context("the holds' floor")?,
        })
    }
}

async fn http() -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    let echo = axum::routing::post(|body: axum::body::Bytes| async move { body });
    let server = axum::serve(listener, axum::Router::new().route("/", echo));
    let server = tokio::spawn(async move { server.await });
    let until = Instant::now() + FOR;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut connection = Connection::open(&host).await?;
        clients.spawn(async move {
            let body = [b'x'; 1_024];
            let mut count = 0_u64;
            while Instant::now() < until {
                connection.ask("POST", "/", "", &body).await?.expect(200)?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(ended) = clients.join_next().await {
        count += ended??;
    }
    server.abort();
    Ok(count as f64 / FOR.as_secs_f64())
}

/// Counts what was acknowledged.
#[derive(Clone, Default)]
struct Counting {
    acknowledged: Arc<AtomicU64>,
}

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.acknowledged
            .fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
    }
}

/// A fresh topic of two partitions, whose name begins so.
///
/// # Errors
/// When Kafka does not make it.
pub async fn topic(brokers: &str, name: &str) -> anyhow::Result<String> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    let topic = format!("{name}-{}", Uuid::new_v4().simple());
    let new = NewTopic::new(&topic, 2, TopicReplication::Fixed(1));
    for made in admin.create_topics([&new], &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| anyhow::anyhow!("topic {topic}: {code}"))?;
    }
    Ok(topic)
}

async fn produce(brokers: &str) -> anyhow::Result<f64> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers);
    let brokers = brokers.to_owned();
    let topic = topic(&brokers, "floor").await?;
    let name = topic.clone();
    let rate = tokio::task::spawn_blocking(move || {
        let counting = Counting::default();
        let producer: ThreadedProducer<Counting> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .create_with_context(counting.clone())?;
        let payload = [b'x'; 1_024];
        let send = || {
            let record = BaseRecord::<(), [u8]>::to(&name).payload(&payload);
            producer.send(record).map_err(|(error, _)| error)
        };
        // The first waits for the producer's id.
        send()?;
        producer.flush(Duration::from_secs(10))?;
        let (since, before) = (
            Instant::now(),
            counting.acknowledged.load(Ordering::Relaxed),
        );
        while since.elapsed() < FOR {
            match send() {
                Ok(()) => {}
                Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => {
                    // It is full for longer than that: waits for some room.
                    let _ = producer.flush(Duration::from_millis(1));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let count = counting.acknowledged.load(Ordering::Relaxed) - before;
        let took = since.elapsed();
        producer.flush(Duration::from_secs(30))?;
        anyhow::Ok(count as f64 / took.as_secs_f64())
    })
    .await??;
    // Some hundred megabytes that nobody needs.
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    admin.delete_topics(&[&topic], &AdminOptions::new()).await?;
    Ok(rate)
}

/// A session as the write path has them.
async fn session(database: &str) -> anyhow::Result<PgConnection> {
    let mut session = PgConnection::connect(database).await?;
    for setting in [
        "plan_cache_mode = force_generic_plan",
        "enable_seqscan = off",
        "jit = off",
    ] {
        sqlx::query(sqlx::AssertSqlSafe(format!("set {setting}")))
            .execute(&mut session)
            .await?;
    }
    Ok(session)
}

/// What a confirmation cannot do without: the booking, its two seats, its payment, and what is told of it.
async fn confirm(database: &str) -> anyhow::Result<f64> {
    let mut session = session(database).await?;
    for statement in [
        "drop table if exists floor_bookings, floor_booked_seats, floor_payments, floor_outbox",
        "create table floor_bookings (id uuid primary key, state text not null, version int not null)
             with (fillfactor = 50)",
        "create table floor_booked_seats (booking uuid, nth int, state text not null, primary key (booking, nth))
             with (fillfactor = 50)",
        "create table floor_payments (id uuid primary key, booking uuid not null, minor bigint not null)",
        "create table floor_outbox (position bigint generated always as identity primary key, booking uuid not null,
             payload bytea not null)",
    ] {
        sqlx::query(statement).execute(&mut session).await?;
    }
    let ids: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
    for statement in [
        "insert into floor_bookings select id, 'HELD', 1 from unnest($1::uuid[]) as b (id)",
        "insert into floor_booked_seats select id, nth, 'HELD' from unnest($1::uuid[]) as b (id), generate_series(1, 2) as nth",
    ] {
        sqlx::query(statement)
            .bind(&ids)
            .execute(&mut session)
            .await?;
    }
    let payload = vec![b'x'; 400];
    let since = Instant::now();
    let mut rows = 0;
    let mut portions = ids.chunks(AT_A_TIME).cycle();
    while since.elapsed() < FOR {
        let portion = portions.next().context("rows")?;
        sqlx::query(
            "with booking as (
                 update floor_bookings b set state = 'CONFIRMED', version = b.version + 1
                 from unnest($1::uuid[]) as c (id) where b.id = c.id
             ), seats as (
                 update floor_booked_seats s set state = 'BOOKED'
                 from unnest($1::uuid[]) as c (id) where s.booking = c.id
             ), payment as (
                 insert into floor_payments select gen_random_uuid(), id, 90000 from unnest($1::uuid[]) as c (id)
             )
             insert into floor_outbox (booking, payload) select id, $2 from unnest($1::uuid[]) as c (id)",
        )
        .bind(portion)
        .bind(&payload)
        .execute(&mut session)
        .await?;
        rows += portion.len();
    }
    Ok(rows as f64 / since.elapsed().as_secs_f64())
}

async fn hold(database: &str) -> anyhow::Result<f64> {
    let mut first = session(database).await?;
    for statement in [
        "drop table if exists floor_seats, floor_holds",
        "create table floor_seats (id int primary key, state text not null, holder uuid) with (fillfactor = 50)",
        "create table floor_holds (id uuid primary key, seats int[] not null, state text not null)",
        "insert into floor_seats select nth, 'AVAILABLE', null from generate_series(0, 99999) as nth",
    ] {
        sqlx::query(statement).execute(&mut first).await?;
    }
    let until = Instant::now() + FOR;
    let mut sessions = JoinSet::new();
    for nth in 0..SESSIONS {
        let mut session = session(database).await?;
        sessions.spawn(async move {
            let mut count = 0_u64;
            while Instant::now() < until {
                // Every session has seats of its own.
                let seat = i32::try_from((nth * 12_500 + count as usize * 2 % 12_500) % 100_000)?;
                sqlx::query(
                    "with taken as (
                         update floor_seats set state = 'HELD', holder = $1 where id = any($2) returning id
                     )
                     insert into floor_holds select $1, array_agg(id), 'HELD' from taken",
                )
                .bind(Uuid::now_v7())
                .bind(vec![seat, seat + 1])
                .execute(&mut session)
                .await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(ended) = sessions.join_next().await {
        count += ended??;
    }
    Ok(count as f64 / FOR.as_secs_f64())
}

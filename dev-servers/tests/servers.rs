//! Real servers: fetched, started, killed, paused, restarted.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions, not the functions that tests share"
)]

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice_dev_servers::{
    Fetched, Kafka, KafkaOptions, Postgres, PostgresOptions, ServerError, Silent,
};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use sqlx::{Connection, PgConnection};

const PATIENCE: Duration = Duration::from_secs(20);

/// PostgreSQL's user must be able to enter it, which `tempfile`'s own mode of 0700 would not allow.
fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

async fn fetched() -> Fetched {
    boxoffice_dev_servers::fetch(&Silent).await.unwrap()
}

fn postgres_options(dir: &Path) -> PostgresOptions {
    let mut options = PostgresOptions::new(dir.join("postgres"));
    options.fsync = false;
    options
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn create_topic(kafka: &Kafka, name: &str) {
    let admin: AdminClient<DefaultClientContext> = client(kafka).create().unwrap();
    let topic = NewTopic::new(name, 3, TopicReplication::Fixed(1));
    let created = admin
        .create_topics([&topic], &AdminOptions::new())
        .await
        .unwrap();
    assert!(created.iter().all(Result::is_ok), "{created:?}");
}

async fn produce(kafka: &Kafka, topic: &str) {
    let producer: FutureProducer = client(kafka).set("acks", "all").create().unwrap();
    let record = FutureRecord::to(topic).key("k").payload("v").partition(0);
    producer.send(record, PATIENCE).await.unwrap();
    producer.flush(PATIENCE).unwrap();
}

fn client(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap());
    config
}

/// How many records partition 0 holds. A broker that has just started may not lead it yet.
async fn records(kafka: &Kafka, topic: &'static str) -> i64 {
    let consumer: Arc<BaseConsumer> = Arc::new(client(kafka).create().unwrap());
    let until = Instant::now() + PATIENCE;
    loop {
        let consumer = Arc::clone(&consumer);
        let ask = move || consumer.fetch_watermarks(topic, 0, PATIENCE);
        match tokio::task::spawn_blocking(ask).await.unwrap() {
            Ok((_, records)) => return records,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn postgres_keeps_its_state_over_stop_kill_pause_and_a_new_handle() {
    let (dir, fetched) = (open_dir(), fetched().await);
    let options = postgres_options(dir.path());
    let mut postgres = Postgres::start(&fetched, &options).await.unwrap();
    let url = postgres.url();
    let mut db = connect(&url).await;
    sqlx::raw_sql("create table kept (n int); insert into kept values (7)")
        .execute(&mut db)
        .await
        .unwrap();
    drop(db);

    let running = Postgres::start(&fetched, &options).await.unwrap_err();
    let us = std::process::id().to_string();
    assert!(
        matches!(&running, ServerError::AlreadyRunning { pid, .. } if *pid == us),
        "{running}"
    );

    postgres.restart().await.unwrap();
    postgres.kill().await.unwrap();
    assert!(postgres.pid().is_none());
    assert!(matches!(
        postgres.pause(),
        Err(ServerError::NotRunning { .. })
    ));
    postgres.restart().await.unwrap();

    let mut db = connect(&url).await;
    postgres.pause().unwrap();
    let query = sqlx::query_scalar::<_, i32>("select n from kept").fetch_one(&mut db);
    let mut query = std::pin::pin!(query);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), &mut query)
            .await
            .is_err(),
        "it answered while paused"
    );
    postgres.resume().unwrap();
    assert_eq!(
        tokio::time::timeout(PATIENCE, query)
            .await
            .unwrap()
            .unwrap(),
        7
    );

    // A paused server can be stopped, and a new handle finds port, password and rows as they were.
    postgres.pause().unwrap();
    postgres.stop().await.unwrap();
    drop(postgres);
    let postgres = Postgres::start(&fetched, &options).await.unwrap();
    assert_eq!(postgres.url(), url);
    // By the Unix socket too, which a killed server had left behind: there is no address then.
    let local = postgres.local_url();
    let short_enough = local.contains("?host=");
    for (url, by_socket) in [(url, false), (local, short_enough)] {
        let (count, local): (i64, bool) =
            sqlx::query_as("select count(*), inet_server_addr() is null from kept")
                .fetch_one(&mut connect(&url).await)
                .await
                .unwrap();
        assert_eq!((count, local), (1, by_socket));
    }
}

#[tokio::test]
async fn kafka_keeps_its_state_over_kill_restart_and_a_new_handle() {
    let (dir, fetched) = (open_dir(), fetched().await);
    let options = KafkaOptions::new(dir.path().join("kafka"));
    let mut kafka = Kafka::start(&fetched, &options).await.unwrap();
    let bootstrap = kafka.bootstrap();
    create_topic(&kafka, "kept").await;
    produce(&kafka, "kept").await;

    let pid = kafka.pid().unwrap();
    kafka.kill().await.unwrap();
    assert!(!Path::new("/proc").exists() || !Path::new(&format!("/proc/{pid}")).exists());
    kafka.restart().await.unwrap();
    assert_eq!(kafka.bootstrap(), bootstrap);
    assert_eq!(records(&kafka, "kept").await, 1);

    kafka.pause().unwrap();
    let metadata: BaseConsumer = client(&kafka).create().unwrap();
    let short = Duration::from_millis(500);
    let silent =
        tokio::task::spawn_blocking(move || metadata.fetch_metadata(Some("kept"), short).is_err());
    assert!(silent.await.unwrap(), "it answered while paused");
    kafka.resume().unwrap();
    produce(&kafka, "kept").await;

    kafka.stop().await.unwrap();
    drop(kafka);
    let kafka = Kafka::start(&fetched, &options).await.unwrap();
    assert_eq!(kafka.bootstrap(), bootstrap);
    assert_eq!(records(&kafka, "kept").await, 2);
}

#[tokio::test]
async fn two_state_directories_live_side_by_side_and_a_broken_archive_does_no_harm() {
    let (one, two, fetched) = (open_dir(), open_dir(), fetched().await);
    let broken = one.path().join("broken.jsa");
    std::fs::write(&broken, vec![7; 100_000]).unwrap();
    let without = Fetched {
        class_archive: Some(broken),
        ..fetched.clone()
    };
    let options = [one.path(), two.path()]
        .map(|dir| (KafkaOptions::new(dir.join("kafka")), postgres_options(dir)));
    let (a, b, c, d) = tokio::try_join!(
        Kafka::start(&without, &options[0].0),
        Kafka::start(&fetched, &options[1].0),
        Postgres::start(&fetched, &options[0].1),
        Postgres::start(&fetched, &options[1].1),
    )
    .unwrap();
    assert_ne!(a.bootstrap(), b.bootstrap());
    assert_ne!(c.url(), d.url());
    create_topic(&a, "only-here").await;
    create_topic(&b, "only-here").await;
    for postgres in [&c, &d] {
        sqlx::raw_sql("create table only_here ()")
            .execute(&mut connect(&postgres.url()).await)
            .await
            .unwrap();
    }

    // A port that somebody else listens on is named.
    let mut taken = KafkaOptions::new(one.path().join("kafka-2"));
    taken.port = Some(a.port());
    let error = Kafka::start(&fetched, &taken).await.unwrap_err();
    assert!(
        matches!(error, ServerError::PortTaken { port, .. } if port == a.port()),
        "{error}"
    );

    // What Kafka refuses is shown.
    let mut wrong = KafkaOptions::new(one.path().join("kafka-3"));
    wrong.properties = vec![("num.io.threads".into(), "none".into())];
    let error = Kafka::start(&fetched, &wrong).await.unwrap_err();
    assert!(error.to_string().contains("num.io.threads"), "{error}");
}

#[tokio::test]
async fn a_killed_run_leaves_nothing_in_the_way() {
    let (dir, fetched) = (open_dir(), fetched().await);
    // Cargo builds the examples with the tests, beside them.
    let tests = std::env::current_exe().unwrap();
    let up = tests
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/up");
    let mut run = std::process::Command::new(up)
        .arg(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let pids = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("PIDS=").map(str::to_owned))
        .expect("the run started");
    let error = Postgres::start(&fetched, &postgres_options(dir.path()))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ServerError::AlreadyRunning { pid, .. } if *pid == run.id().to_string()),
        "{error}"
    );

    run.kill().unwrap();
    run.wait().unwrap();
    // At once: the servers are still about to end, or would never end by themselves.
    let options = (
        KafkaOptions::new(dir.path().join("kafka")),
        postgres_options(dir.path()),
    );
    let (kafka, postgres) = tokio::try_join!(
        Kafka::start(&fetched, &options.0),
        Postgres::start(&fetched, &options.1),
    )
    .unwrap();
    for pid in pids.split(' ') {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
    create_topic(&kafka, "works").await;
    connect(&postgres.url()).await.ping().await.unwrap();
}

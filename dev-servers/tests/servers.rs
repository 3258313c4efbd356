//! Real servers: fetched, started, killed, paused, restarted.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use boxoffice_dev_servers::{
    FetchError, Fetched, Kafka, KafkaOptions, Postgres, PostgresOptions, Progress, ServerError,
    Silent, Source,
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

/// How many records partition 0 holds.
async fn records(kafka: &Kafka, topic: &'static str) -> i64 {
    let consumer: BaseConsumer = client(kafka).create().unwrap();
    tokio::task::spawn_blocking(move || consumer.fetch_watermarks(topic, 0, PATIENCE).unwrap().1)
        .await
        .unwrap()
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
    let count: i64 = sqlx::query_scalar("select count(*) from kept")
        .fetch_one(&mut connect(&url).await)
        .await
        .unwrap();
    assert_eq!(count, 1);
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

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Progress for Lines {
    fn line(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn bytes(&self, _done: u64, _total: u64) {}
}

/// A cache with the same files under hard links, so that it costs nothing.
fn linked_cache(to: &Path) -> Source {
    let here = Source::from_environment().unwrap();
    let copy = Source {
        cache: to.to_owned(),
        class_archive: false,
        ..here.clone()
    };
    link_tree(&here.directory().unwrap(), &copy.directory().unwrap());
    copy
}

fn link_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (
            entry.as_ref().unwrap(),
            to.join(entry.as_ref().unwrap().file_name()),
        );
        if entry.file_type().unwrap().is_dir() {
            link_tree(&entry.path(), &to);
        } else if entry.file_type().unwrap().is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else if std::fs::hard_link(entry.path(), &to).is_err() {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

fn a_jar(source: &Source) -> PathBuf {
    let jars = source.directory().unwrap().join("kafka");
    let jar = std::fs::read_dir(jars)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    jar
}

#[tokio::test]
async fn a_broken_cache_is_fetched_again_by_one_of_two_at_once() {
    fetched().await;
    // Beside the real cache, so that hard links are possible.
    let beside = Source::from_environment().unwrap().cache;
    let dir = tempfile::Builder::new()
        .prefix("test-")
        .tempdir_in(beside)
        .unwrap();
    let source = linked_cache(dir.path());
    let jar = a_jar(&source);
    let size = jar.metadata().unwrap().len();
    // Not written in place: the other link must keep its content.
    std::fs::remove_file(&jar).unwrap();
    std::fs::write(&jar, vec![0; usize::try_from(size).unwrap()]).unwrap();

    let lines = Lines::default();
    let (one, two) = tokio::join!(source.fetch(&lines), source.fetch(&lines));
    assert_eq!(one.unwrap().kafka_lib, two.unwrap().kafka_lib);
    assert!(std::fs::read(&jar).unwrap().iter().any(|byte| *byte != 0));
    let lines = lines.0.into_inner().unwrap().join("\n");
    assert_eq!(lines.matches("fetched again").count(), 1, "{lines}");
    assert!(lines.contains("Waiting for another"), "{lines}");

    // From now on it is just there: no Maven, no work.
    let java_only = Source {
        path: path_with_java_only(dir.path()),
        ..source
    };
    let quiet = Lines::default();
    let since = Instant::now();
    java_only.fetch(&quiet).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(5));
    assert!(quiet.0.into_inner().unwrap().is_empty());
}

/// A PATH on which there is the present `java` and nothing else.
fn path_with_java_only(dir: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    let java = std::env::split_paths(&path)
        .map(|dir| dir.join("java"))
        .find(|java| java.exists());
    let bin = dir.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(java.unwrap(), bin.join("java")).unwrap();
    bin.into_os_string()
}

#[tokio::test]
async fn without_java_or_maven_or_network_one_sentence_says_what_to_do() {
    let dir = open_dir();
    let mut source = Source {
        cache: dir.path().join("cache"),
        path: "".into(),
        java_home: None,
        class_archive: false,
    };
    let error = source.fetch(&Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::NoJava), "{error}");

    source.path = path_with_java_only(dir.path());
    let error = source.fetch(&Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::NoMaven), "{error}");
    assert!(error.to_string().contains("apt install maven"));

    let mvn = Path::new(&source.path).join("mvn");
    std::fs::write(&mvn, "#!/bin/sh\necho no route to the mirror\nexit 1\n").unwrap();
    std::fs::set_permissions(&mvn, Permissions::from_mode(0o755)).unwrap();
    let error = source.fetch(&Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::Download { .. }), "{error}");
    assert!(
        error.to_string().contains("no route to the mirror"),
        "{error}"
    );
    // Nothing half-made stays behind.
    let left: Vec<_> = std::fs::read_dir(&source.cache)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["lock"]);
}

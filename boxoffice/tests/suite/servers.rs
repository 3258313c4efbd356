//! Real servers for tests: one Kafka and one PostgreSQL that the tests share while they stay up. A test that
//! stops, pauses or kills a server starts its own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use boxoffice_dev_servers::{
    Fetched, Kafka, KafkaOptions, Postgres, PostgresOptions, Silent, fetch,
};
use sqlx::Connection;

/// The servers that all tests share.
pub struct Shared {
    kafka: Kafka,
    postgres: Postgres,
}

/// Starts the shared servers with the first test that needs them. They live on a thread of their own, because
/// each test has its own runtime, and end with the process.
pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (ready, started) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let dir = fresh_dir("shared");
                let fetched = fetched().await;
                let servers = tokio::join!(own_kafka(&fetched, &dir), own_postgres(&fetched, &dir));
                ready
                    .send(Shared {
                        kafka: servers.0,
                        postgres: servers.1,
                    })
                    .expect("somebody waits");
                std::future::pending::<()>().await;
            });
        });
        started.recv().expect("the shared servers start")
    })
}

impl Shared {
    /// `host:port` of the shared broker.
    pub fn kafka(&self) -> String {
        self.kafka.bootstrap()
    }

    /// A fresh database of the shared server, migrated.
    pub async fn database(&self) -> String {
        let url = self.empty_database().await;
        let mut database = sqlx::PgConnection::connect(&url)
            .await
            .expect("PostgreSQL answers");
        boxoffice::schema::MIGRATIONS
            .run(&mut database)
            .await
            .expect("migrations apply");
        url
    }

    /// A fresh database of the shared server.
    pub async fn empty_database(&self) -> String {
        empty_database(&self.postgres).await
    }
}

/// Fetches the servers' files, once per machine.
pub async fn fetched() -> Fetched {
    fetch(&Silent)
        .await
        .expect("Kafka and PostgreSQL can be fetched")
}

/// A broker of one's own.
pub async fn own_kafka(fetched: &Fetched, dir: &Path) -> Kafka {
    Kafka::start(fetched, &KafkaOptions::new(dir.join("kafka")))
        .await
        .expect("Kafka starts")
}

/// A database server of one's own. No fsync: what a test kills is a process, never the machine.
pub async fn own_postgres(fetched: &Fetched, dir: &Path) -> Postgres {
    let mut options = PostgresOptions::new(dir.join("postgres"));
    options.fsync = false;
    Postgres::start(fetched, &options)
        .await
        .expect("PostgreSQL starts")
}

/// A fresh database.
pub async fn empty_database(postgres: &Postgres) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut admin = sqlx::PgConnection::connect(&postgres.url())
        .await
        .expect("PostgreSQL answers");
    let create = format!("create database {name}");
    sqlx::query(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .expect("a database");
    postgres.url_of(&name)
}

/// A copy of a database to which nobody is connected.
pub async fn copy_of(postgres: &Postgres, database: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("copy_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let of = database.rsplit('/').next().unwrap_or_default();
    let mut admin = sqlx::PgConnection::connect(&postgres.url())
        .await
        .expect("PostgreSQL answers");
    let copy = format!("create database {name} template {of}");
    sqlx::query(sqlx::AssertSqlSafe(copy))
        .execute(&mut admin)
        .await
        .expect("a copy");
    postgres.url_of(&name)
}

/// A fresh directory that the database's user can enter.
pub fn fresh_dir(name: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!(
        "boxoffice-test-{}-{count}-{name}",
        std::process::id()
    ));
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    dir
}

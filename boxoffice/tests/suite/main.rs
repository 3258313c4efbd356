//! boxoffice on real Kafka and real PostgreSQL. One binary, so that tests share the servers that stay up.

mod conformance;
mod doors;
mod failpoints;
mod hot_show;
mod locks;
mod lost_answers;
mod outages;
mod relay;
mod scenes;
mod servers;
mod strays;
mod system;

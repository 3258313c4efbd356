//! boxoffice on real Kafka and real PostgreSQL. One binary, so that tests share the servers that stay up.

mod analytics;
mod conformance;
mod doors;
mod failpoints;
mod fuzzed;
mod hot_show;
mod interleavings;
mod limits;
mod locks;
mod lost_answers;
mod mail_server;
mod messages;
mod operator;
mod outages;
mod outsider;
mod relay;
mod scenes;
mod servers;
mod show_cancelled;
mod shows;
mod status;
mod strays;
mod system;
mod tickets;
mod turns;

//! The gateways' door, and nothing else: verify a webhook, write its exact bytes to Kafka, answer.
//!
//! - 200 is said only after the broker's acknowledgement, so a webhook that was answered with 200 will be
//!   decided, whatever dies next (INGRESS-1). Nothing here asks the database.
//! - Every answer is out within [`IngressOptions::answer_within`] of the request's head.
//! - A fault of ours is always 503 with `Retry-After`, never 4xx: gateways give up on some of those.
//! - Duplicates are not recognised here. They go to Kafka like the first one; the coordinator knows.
//!
//! | answer | `code` | when |
//! |---|---|---|
//! | 200 | | in Kafka: of interest, of none, a duplicate, or genuine but unreadable |
//! | 400 | `signature_missing`, `signature_malformed`, `signature_stale`, `signature_future`, `signature_mismatch` | not believed |
//! | 400 | `body_incomplete` | the sender stopped in the middle |
//! | 404 | `unknown_gateway` | no such gateway or account |
//! | 405 | `method_not_allowed` | anything but POST |
//! | 408 | `body_too_slow` | not whole within [`IngressOptions::body_within`] |
//! | 413 | `body_too_large` | over [`IngressOptions::largest_body`] |
//! | 503 | `broker_unavailable`, `broker_refused`, `queue_full`, `too_busy`, `draining` | ours: send it again |
//!
//! [`Ingress`] is the state, [`router`] its routes, [`serve`] the server around them.

mod accounts;
mod admission;
mod body;
mod broker;
mod clock;
mod connection;
mod health;
mod kafka;
pub mod metric;
mod options;
mod problem;
mod publisher;
mod serve;
mod trace_context;
mod webhook;

#[cfg(test)]
mod tests;

pub use health::{Part, Readiness};
pub use kafka::{KafkaPublisher, PublisherError};
pub use options::{IngressOptions, OptionsError};
pub use problem::Refused;
pub use publisher::Publisher;
pub use serve::{Drained, serve};
pub use webhook::{Ingress, router};

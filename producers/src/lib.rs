//! What we write to Kafka: the topics, the envelope of our events, and the producer.

pub mod cluster;
pub mod connection;
mod delivery;
pub mod envelope;
pub mod metric;
pub mod producer;
pub mod send_error;
pub mod topics;

pub use cluster::ClusterAdmin;
pub use connection::Connection;
pub use envelope::Envelope;
pub use producer::{Compression, Delivery, OutgoingRecord, Producer, ProducerOptions};
pub use send_error::SendError;

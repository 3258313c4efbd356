//! What the door needs of Kafka.

use std::time::Duration;

use boxoffice_producers::{OutgoingRecord, SendError};

/// Where verified webhooks go. In production [`KafkaPublisher`](crate::KafkaPublisher).
pub trait Publisher: Send + Sync + 'static {
    /// Hands one record over, at once and without blocking; nothing of `record` is borrowed afterwards. The
    /// future ends with `Ok` only when the record is safe, whatever dies next. Dropping the future takes
    /// nothing back: the record may arrive all the same.
    fn publish(
        &self,
        record: OutgoingRecord<'_>,
    ) -> impl Future<Output = Result<(), SendError>> + Send + use<Self>;

    /// Asks whether records could be published now. `Ok` with what an operator should be warned of, `Err`
    /// with why not. The caller sets the deadline.
    fn probe(&self) -> impl Future<Output = Result<Vec<String>, String>> + Send;

    /// Waits until nothing is under way, at most so long. Returns whether nothing is.
    fn flush(&self, at_most: Duration) -> impl Future<Output = bool> + Send;
}

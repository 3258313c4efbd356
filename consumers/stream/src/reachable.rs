//! Whether Kafka is in reach, said once per change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::error::RDKafkaErrorCode;

/// What troubles a Kafka client at the moment. Each kind of trouble is logged once until it is over:
/// librdkafka repeats it at every attempt.
#[derive(Debug)]
pub(crate) struct Reachable {
    client: String,
    troubled: AtomicBool,
    down: AtomicBool,
    troubles: Mutex<BTreeMap<i32, RDKafkaErrorCode>>,
}

impl Reachable {
    pub(crate) fn new(client: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            troubled: AtomicBool::new(false),
            down: AtomicBool::new(false),
            troubles: Mutex::default(),
        }
    }

    /// Something went wrong.
    pub(crate) fn trouble(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if code == RDKafkaErrorCode::AllBrokersDown {
            self.down.store(true, Ordering::Relaxed);
        }
        self.troubled.store(true, Ordering::Relaxed);
        if troubles.insert(code as i32, code).is_none() {
            tracing::warn!(client = %self.client, reason, "Kafka: {code}");
        }
    }

    /// A broker answered: the network is well, whatever else may not be.
    pub(crate) fn network(&self) {
        self.clear(|code| {
            matches!(
                code,
                RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::Resolve
                    | RDKafkaErrorCode::OperationTimedOut
            )
        });
    }

    /// Records or answers flow: all is well.
    pub(crate) fn well(&self) {
        self.clear(|_| true);
    }

    /// Whether no broker is in reach, as far as we know.
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    fn clear(&self, over: impl Fn(RDKafkaErrorCode) -> bool) {
        if !self.troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let before = troubles.len();
        troubles.retain(|_, code| !over(*code));
        if troubles.len() < before && troubles.is_empty() {
            tracing::info!(client = %self.client, "Kafka is well again");
        }
        self.down.store(
            troubles.contains_key(&(RDKafkaErrorCode::AllBrokersDown as i32)),
            Ordering::Relaxed,
        );
        self.troubled.store(!troubles.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_the_outage_but_not_a_missing_right() {
        let reachable = Reachable::new("test");
        reachable.trouble(RDKafkaErrorCode::AllBrokersDown, "");
        reachable.trouble(RDKafkaErrorCode::GroupAuthorizationFailed, "");
        assert!(reachable.is_down());
        reachable.network();
        assert!(!reachable.is_down());
        assert!(reachable.troubled.load(Ordering::Relaxed));
        reachable.well();
        assert!(!reachable.troubled.load(Ordering::Relaxed));
    }
}

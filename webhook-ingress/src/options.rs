//! What an operator may set.

use std::num::NonZeroU32;
use std::time::Duration;

use boxoffice_peers::TrustedProxies;
use boxoffice_producers::topics::LARGEST_PAYLOAD_BYTES;
use boxoffice_producers::{Connection, ProducerOptions};

/// Kept back from the whole time for the answer's own way out.
const FOR_THE_ANSWER: Duration = Duration::from_millis(100);
/// The least time that the broker is given, however slowly the body came.
const LEAST_FOR_THE_BROKER: Duration = Duration::from_millis(500);

/// How the door behaves. The defaults suit every gateway that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressOptions {
    /// The largest body that is taken, in bytes. 512 KiB.
    pub largest_body: usize,
    /// Within this time of the request's head everything is answered. 2.5 s: the most impatient gateway
    /// waits for 3 s.
    pub answer_within: Duration,
    /// Within this time of the request's head the body must be whole. 1.5 s.
    pub body_within: Duration,
    /// At most so many webhooks are being handled; beyond it 503. 4,096.
    pub in_flight_requests: usize,
    /// At most so many bytes of bodies are held before they are handed to Kafka; beyond it 503. 64 MiB.
    pub in_flight_bytes: usize,
    /// So many hints a second are taken of one account; beyond it 503. A hint is a webhook whose body nobody signed,
    /// so anybody could send it, and it only brings a question forward. 200.
    pub hints_per_second: NonZeroU32,
    /// Whose word about the sender's address counts, for accounts with a list of addresses.
    pub trusted_proxies: TrustedProxies,
    /// What `Retry-After` says with 503. 5 s.
    pub retry_after: Duration,
    /// At most so many connections are open; further ones wait to be accepted. 16,384.
    pub connections: usize,
    /// A connection on which no request's head has come to its end for so long is closed: idle ones, and
    /// those that send a byte at a time. 75 s, longer than load balancers keep theirs, so that they and not
    /// we close an idle connection.
    pub idle_within: Duration,
    /// A connection of this age is closed after its present request. 15 min.
    pub connection_age: Duration,
    /// The most headers that a request may have; beyond it 431. 100.
    pub headers: usize,
    /// After shutdown was asked for, connections are still accepted for so long, `readyz` says 503 and so
    /// does every webhook: load balancers see it before the door is gone. 1 s.
    pub announce: Duration,
    /// The longest that the acknowledgement of what is under way is waited for at the end. 5 s.
    pub flush_within: Duration,
}

impl Default for IngressOptions {
    fn default() -> Self {
        Self {
            largest_body: 512 << 10,
            answer_within: Duration::from_millis(2_500),
            body_within: Duration::from_millis(1_500),
            in_flight_requests: 4_096,
            in_flight_bytes: 64 << 20,
            hints_per_second: NonZeroU32::MIN.saturating_add(199),
            trusted_proxies: TrustedProxies::default(),
            retry_after: Duration::from_secs(5),
            connections: 16_384,
            idle_within: Duration::from_secs(75),
            connection_age: Duration::from_secs(15 * 60),
            headers: 100,
            announce: Duration::from_secs(1),
            flush_within: Duration::from_secs(5),
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// No body at all, or larger ones than the topic takes.
    #[error(
        "largest_body must be between 1 and {LARGEST_PAYLOAD_BYTES} bytes, which is what the topic takes"
    )]
    LargestBody,
    /// The body may take so long that the broker has no time left.
    #[error(
        "answer_within must be at least 600 ms longer than body_within: the broker needs time too"
    )]
    Times,
    /// A limit of zero.
    #[error("{0} must not be zero")]
    Zero(&'static str),
    /// Fewer bytes at a time than one body may have.
    #[error("in_flight_bytes must be at least largest_body")]
    InFlightBytes,
}

impl IngressOptions {
    /// Whether these settings can work together.
    ///
    /// # Errors
    /// [`OptionsError`] for the first that cannot.
    pub fn check(&self) -> Result<(), OptionsError> {
        if !(1..=LARGEST_PAYLOAD_BYTES).contains(&self.largest_body) {
            return Err(OptionsError::LargestBody);
        }
        let zero = [
            ("body_within", self.body_within.is_zero()),
            ("in_flight_requests", self.in_flight_requests == 0),
            ("connections", self.connections == 0),
            ("idle_within", self.idle_within.is_zero()),
            ("connection_age", self.connection_age.is_zero()),
            ("headers", self.headers == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            return Err(OptionsError::Zero(name));
        }
        if self.answer_within < self.body_within + FOR_THE_ANSWER + LEAST_FOR_THE_BROKER {
            return Err(OptionsError::Times);
        }
        if self.in_flight_bytes < self.largest_body {
            return Err(OptionsError::InFlightBytes);
        }
        Ok(())
    }

    /// The time from the request's head after which the broker is not waited for any longer.
    pub(crate) fn broker_within(&self) -> Duration {
        self.answer_within.saturating_sub(FOR_THE_ANSWER)
    }

    /// How the door's producer must be made: its delivery timeout lies under what a gateway is answered
    /// within, so that a record given up here does not linger for minutes in the producer's queue.
    pub fn producer(&self, connection: Connection) -> ProducerOptions {
        ProducerOptions {
            delivery_timeout: Some(self.broker_within()),
            ..ProducerOptions::new(connection, "boxoffice-ingress")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_impossible_settings_are_named() {
        let good = IngressOptions::default;
        assert_eq!(good().check(), Ok(()));
        assert_eq!(
            IngressOptions {
                largest_body: 5 << 20,
                ..good()
            }
            .check(),
            Err(OptionsError::LargestBody)
        );
        assert_eq!(
            IngressOptions {
                body_within: Duration::from_millis(2_400),
                ..good()
            }
            .check(),
            Err(OptionsError::Times)
        );
        assert_eq!(
            IngressOptions {
                in_flight_requests: 0,
                ..good()
            }
            .check(),
            Err(OptionsError::Zero("in_flight_requests"))
        );
        assert_eq!(
            IngressOptions {
                in_flight_bytes: 1_000,
                ..good()
            }
            .check(),
            Err(OptionsError::InFlightBytes)
        );
    }

    #[test]
    fn the_producer_gives_up_before_the_gateway_does() {
        let options = IngressOptions::default();
        let producer = options.producer(Connection::new("127.0.0.1:9092"));
        assert!(
            producer
                .delivery_timeout
                .is_some_and(|timeout| timeout < options.answer_within)
        );
    }
}

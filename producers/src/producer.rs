//! The producer: records are enqueued in order and awaited together.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer};
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::delivery::Deliveries;
use crate::envelope::Header;
use crate::send_error::SendError;

/// How batches are compressed on their way to Kafka and in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: the least CPU for small batches.
    #[default]
    None,
    /// Cheap and fair.
    Lz4,
    /// Smaller, for more CPU.
    Gzip,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Gzip => "gzip",
        }
    }
}

/// How a producer sends. [`ProducerOptions::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// Where Kafka is.
    pub connection: Connection,
    /// How brokers and our metrics name this producer.
    pub client_id: String,
    /// How long records wait for others to share a request with. 1 ms; none for the lowest latency.
    pub linger: Duration,
    /// A record without acknowledgement is given up after at most so long, and at the earliest a second
    /// before, for librdkafka looks once a second. Below 2 s it may take up to half as long again and a
    /// second. `None`: never, as the relay needs it, for a record that timed out followed by one that was
    /// delivered breaks the order.
    pub delivery_timeout: Option<Duration>,
    /// How batches are compressed.
    pub compression: Compression,
    /// At most so many records are under way; beyond it [`SendError::QueueFull`] at once. 20,000.
    pub in_flight_records: usize,
    /// At most so many KiB are under way; beyond it [`SendError::QueueFull`] at once. 64 MiB.
    pub in_flight_kib: usize,
}

impl ProducerOptions {
    /// The defaults, which are in the fields' descriptions; without a delivery timeout.
    pub fn new(connection: Connection, client_id: impl Into<String>) -> Self {
        Self {
            connection,
            client_id: client_id.into(),
            linger: Duration::from_millis(1),
            delivery_timeout: None,
            compression: Compression::None,
            in_flight_records: 20_000,
            in_flight_kib: 64 << 10,
        }
    }

    fn client_config(&self) -> rdkafka::ClientConfig {
        // How long is left before librdkafka's own look, which comes up to a second late.
        let patience =
            |bound: Duration| bound.saturating_sub(Duration::from_secs(1)).max(bound / 2);
        let timeout_ms = self
            .delivery_timeout
            .map_or(0, |bound| patience(bound).as_millis().max(1));
        let linger_ms = self.linger.as_secs_f64() * 1_000.0;
        let mut config = self.connection.config(&self.client_id);
        config
            .set("linger.ms", linger_ms.to_string())
            .set("message.timeout.ms", timeout_ms.to_string())
            .set("compression.type", self.compression.name())
            .set(
                "queue.buffering.max.messages",
                self.in_flight_records.to_string(),
            )
            .set("queue.buffering.max.kbytes", self.in_flight_kib.to_string())
            // The topic says how large a record may be; this only has to be no smaller.
            .set(
                "message.max.bytes",
                crate::topics::LARGEST_RECORD_BYTES.to_string(),
            )
            .set("retry.backoff.ms", "20")
            .set("retry.backoff.max.ms", "500");
        if timeout_ms > 0 {
            // A topic that is not known yet may not keep a record longer than that.
            config.set(
                "topic.metadata.propagation.max.ms",
                timeout_ms.min(30_000).to_string(),
            );
        }
        let mut config = self.connection.finish(config);
        // What order and durability rest on is set last.
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random");
        config
    }
}

/// A record to be sent. Everything is copied when it is enqueued.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingRecord<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The key, which chooses the partition as Java's clients do.
    pub key: &'a [u8],
    /// The headers, in order.
    pub headers: &'a [Header],
    /// The value.
    pub payload: &'a [u8],
}

/// An idempotent producer that waits for all in-sync replicas. Clones share it.
///
/// Records of one partition reach it in the order of the [`Producer::send`] calls, each once, as long as
/// none of them fails. In its first second a record may wait for as long, for librdkafka asks for a producer
/// id only half a second after the start: make the producer before there is something to send. Dropping the last clone throws away what is still under way, and blocks for up to
/// 0.6 s: call [`Producer::flush`] first, or [`Producer::purge`].
#[derive(Clone)]
pub struct Producer {
    inner: Arc<ThreadedProducer<Deliveries>>,
}

impl Producer {
    /// Makes a producer. Does not wait for a connection.
    ///
    /// # Errors
    /// [`KafkaError::ClientConfig`] or [`KafkaError::ClientCreation`] where librdkafka refuses a setting.
    pub fn new(options: &ProducerOptions) -> Result<Self, KafkaError> {
        let context = Deliveries::new(&options.client_id);
        let inner = ThreadedProducer::from_config_and_context(&options.client_config(), context)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Connects, and learns where the topics' partitions are, so that the first record need not wait for it.
    /// Returns whether all of them are there; each question takes at most `at_most`.
    pub async fn warm_up(&self, topics: &[&str], at_most: Duration) -> bool {
        let inner = Arc::clone(&self.inner);
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let known = move || {
            topics.iter().all(|topic| {
                let metadata = inner.client().fetch_metadata(Some(topic), at_most);
                metadata
                    .is_ok_and(|found| found.topics().iter().all(|found| found.error().is_none()))
            })
        };
        tokio::task::spawn_blocking(known).await.unwrap_or(false)
    }

    /// Enqueues a record at once, and never blocks. The order of calls is the order in the partition. The
    /// record goes out whether or not the answer is awaited.
    ///
    /// # Errors
    /// What is known at once: [`SendError::QueueFull`], [`SendError::TooLarge`], [`SendError::UnknownTopic`],
    /// [`SendError::Fatal`]. Everything else comes with the [`Delivery`].
    pub fn send(&self, record: OutgoingRecord<'_>) -> Result<Delivery, SendError> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (name, value) in record.headers {
            headers = headers.insert(KafkaHeader {
                key: name,
                value: Some(value),
            });
        }
        let (answer, delivery) = oneshot::channel();
        let outgoing = BaseRecord::with_opaque_to(record.topic, Box::new(answer))
            .key(record.key)
            .payload(record.payload)
            .headers(headers);
        match self.inner.send(outgoing) {
            Ok(()) => Ok(Delivery { answer: delivery }),
            Err((error, _record)) => Err(self.deliveries().refused(&error)),
        }
    }

    /// Throws away everything that is under way, also what is on the wire: those deliveries end with
    /// [`SendError::Purged`], and whether they reached the topic is not known. A producer without a delivery
    /// timeout should then be dropped: records sent after a purge may overtake none, but close no gap.
    pub fn purge(&self) {
        self.inner.purge(PurgeConfig::default().queue().inflight());
    }

    /// Waits until nothing is under way, at most so long. Returns whether nothing is.
    pub async fn flush(&self, at_most: Duration) -> bool {
        let inner = Arc::clone(&self.inner);
        let flushed = tokio::task::spawn_blocking(move || inner.flush(at_most).is_ok()).await;
        flushed.unwrap_or(false)
    }

    /// How many records are under way.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.inner.in_flight_count()).unwrap_or(0)
    }

    /// Whether, as far as the last answer or failed connection told, any broker is in reach. A producer that
    /// never sent anything believes so.
    pub fn is_reachable(&self) -> bool {
        self.deliveries().is_reachable()
    }

    /// Why this producer can never deliver anything again, if so; it must be replaced.
    pub fn fatal(&self) -> Option<String> {
        self.inner
            .client()
            .fatal_error()
            .map(|(code, reason)| format!("{code}: {reason}"))
    }

    fn deliveries(&self) -> &Deliveries {
        self.inner.client().context()
    }
}

/// The answer that is on its way: the partition and the offset at which the record stands.
#[must_use = "whether the record arrived is known only by awaiting this"]
#[derive(Debug)]
pub struct Delivery {
    answer: oneshot::Receiver<Result<(i32, i64), SendError>>,
}

impl Future for Delivery {
    type Output = Result<(i32, i64), SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The sender only goes away without an answer when the producer was dropped.
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(SendError::Purged)))
    }
}

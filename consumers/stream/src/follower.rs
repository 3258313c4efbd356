//! A reader without a group, for wake-ups: it hears every record from now on, and keeps no position.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, Headers};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use tokio::sync::oneshot;

use crate::error::StreamError;
use crate::metric;
use crate::reachable::Reachable;

const PATIENCE: Duration = Duration::from_millis(100);
const METADATA_WITHIN: Duration = Duration::from_secs(2);

/// What a follower hears of a record. Borrowed: take from it what is needed, quickly.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    headers: Option<&'a BorrowedHeaders>,
}

impl<'a> Heard<'a> {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers?
            .iter()
            .find(|header| header.key == name)
            .and_then(|header| header.value)
    }

    /// The first header of this name, if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&'a str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }
}

/// Follows all partitions of a topic from their ends, on a thread of its own.
///
/// It may miss records (while Kafka is away, or before it has found the ends) and hear one twice: good for
/// waking somebody who then looks at the truth, and for nothing else. Dropping it ends the thread.
pub struct Follower {
    state: Arc<State>,
    ended: Option<oneshot::Receiver<()>>,
}

#[derive(Debug)]
struct State {
    topic: String,
    reachable: Arc<Reachable>,
    stop: AtomicBool,
    running: AtomicBool,
    /// How many partitions there are; 0 until they are found.
    partitions: AtomicUsize,
    /// How many of them we have heard the end of.
    at_end: AtomicUsize,
}

impl Follower {
    /// Starts to follow `topic` at `brokers`; `extra` are further librdkafka settings. Returns at once, also
    /// while Kafka is away. `hear` is called on the follower's thread for each record and must not block.
    ///
    /// # Errors
    /// [`StreamError::Start`] where librdkafka refuses a setting, [`StreamError::Thread`].
    pub fn start(
        brokers: &str,
        topic: impl Into<String>,
        client_id: &str,
        extra: &[(String, String)],
        hear: impl FnMut(Heard<'_>) + Send + 'static,
    ) -> Result<Self, StreamError> {
        let topic = topic.into();
        let reachable = Arc::new(Reachable::new(client_id));
        let consumer = BaseConsumer::from_config_and_context(
            &config(brokers, client_id, extra),
            Told(Arc::clone(&reachable)),
        )
        .map_err(StreamError::Start)?;
        let state = Arc::new(State {
            topic,
            reachable,
            stop: AtomicBool::new(false),
            running: AtomicBool::new(true),
            partitions: AtomicUsize::new(0),
            at_end: AtomicUsize::new(0),
        });
        let (ended_sender, ended) = oneshot::channel();
        let shared = Arc::clone(&state);
        let work = move || {
            // Also when `hear` panics.
            let _gone = Gone(Arc::clone(&shared));
            follow(&consumer, &shared, hear);
            drop(consumer);
            let _ = ended_sender.send(());
        };
        std::thread::Builder::new()
            .name("follower".to_owned())
            .spawn(work)
            .map_err(StreamError::Thread)?;
        Ok(Self {
            state,
            ended: Some(ended),
        })
    }

    /// Whether it reads: its thread runs, it has found the topic, and no loss of all brokers is known.
    pub fn is_alive(&self) -> bool {
        self.state.is_alive()
    }

    /// Whether it is alive and, at last hearing, had heard everything in every partition.
    pub fn is_at_end(&self) -> bool {
        let State {
            partitions, at_end, ..
        } = &*self.state;
        self.is_alive() && at_end.load(Ordering::Relaxed) == partitions.load(Ordering::Relaxed)
    }

    /// Stops it, and waits until its thread has ended.
    pub async fn stop(mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
    }
}

struct Gone(Arc<State>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Relaxed);
        metrics::gauge!(metric::FOLLOWER_ALIVE, "topic" => self.0.topic.clone()).set(0.0);
    }
}

impl State {
    fn is_alive(&self) -> bool {
        self.running.load(Ordering::Relaxed)
            && self.partitions.load(Ordering::Relaxed) > 0
            && !self.reachable.is_down()
    }
}

struct Told(Arc<Reachable>);

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is told as an error, too.
        if let Some(code) = error
            .rdkafka_error_code()
            .filter(|code| *code != NO_TROUBLE)
        {
            self.0.trouble(code, reason);
        }
    }
}

const NO_TROUBLE: rdkafka::error::RDKafkaErrorCode = rdkafka::error::RDKafkaErrorCode::PartitionEOF;

impl ConsumerContext for Told {}

fn config(brokers: &str, client_id: &str, extra: &[(String, String)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("client.id", client_id)
        // librdkafka wants a name even where no group is joined.
        .set("group.id", client_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "latest")
        .set("enable.partition.eof", "true")
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.error.backoff.ms", "100")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true")
        .set("log.connection.close", "false");
    for (name, value) in extra {
        config.set(name, value);
    }
    config
}

fn follow(consumer: &BaseConsumer<Told>, state: &State, mut hear: impl FnMut(Heard<'_>)) {
    let mut at_end: Vec<bool> = Vec::new();
    let mut alive = false;
    while !state.stop.load(Ordering::Relaxed) {
        if at_end.is_empty() {
            at_end = vec![false; assign(consumer, state).unwrap_or(0)];
            state.partitions.store(at_end.len(), Ordering::Relaxed);
        }
        let polled = consumer.poll(PATIENCE);
        match polled {
            Some(Ok(message)) => {
                state.reachable.well();
                mark(&mut at_end, message.partition(), false, state);
                hear(Heard {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key(),
                    headers: message.headers(),
                });
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                state.reachable.well();
                mark(&mut at_end, partition, true, state);
            }
            Some(Err(error)) => tracing::debug!(%error, "Kafka follower"),
            None => {}
        }
        if alive != state.is_alive() {
            alive = !alive;
            metrics::gauge!(metric::FOLLOWER_ALIVE, "topic" => state.topic.clone())
                .set(f64::from(u8::from(alive)));
        }
    }
}

/// Assigns all partitions at their ends. `None`: the topic is not there yet, or Kafka does not answer.
fn assign(consumer: &BaseConsumer<Told>, state: &State) -> Option<usize> {
    let metadata = consumer
        .fetch_metadata(Some(&state.topic), METADATA_WITHIN)
        .ok()?;
    let topic = metadata
        .topics()
        .iter()
        .find(|topic| topic.name() == state.topic)?;
    let partitions = topic.partitions();
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(&state.topic, partition.id(), Offset::End)
            .ok()?;
    }
    (!partitions.is_empty() && consumer.assign(&list).is_ok()).then_some(partitions.len())
}

fn mark(at_end: &mut [bool], partition: i32, is: bool, state: &State) {
    let Some(mark) = usize::try_from(partition)
        .ok()
        .and_then(|index| at_end.get_mut(index))
    else {
        return;
    };
    if std::mem::replace(mark, is) != is {
        if is {
            state.at_end.fetch_add(1, Ordering::Relaxed);
        } else {
            state.at_end.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

//! The tokio side's handle of the thread that owns the Kafka consumer, and what the two say to each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::mpsc::{Sender, UnboundedReceiver, unbounded_channel};
use tokio::sync::{Notify, oneshot};

use crate::error::StreamError;
use crate::options::StreamOptions;
use crate::polling::Thread;
use crate::position::{Assignment, Partition};
use crate::reachable::Reachable;
use crate::rebalance::Rebalances;
use crate::record::Record;

/// How long leaving the group may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// What the tokio side wants done.
pub(crate) enum Command {
    /// Seek there (`None`: the beginning) and let records flow into `records`, unless the assignment is over.
    Start {
        partition: Partition,
        generation: u64,
        offset: Option<i64>,
        records: Sender<Record>,
    },
    /// The partition stands there: tell the group.
    Stands {
        partition: Partition,
        generation: u64,
        offset: i64,
    },
}

/// What the tokio side has to know.
#[derive(Debug)]
pub(crate) enum Told {
    Assigned(Partition, Assignment),
    Revoked(Partition, u64),
    /// The next record was not at the offset that was expected, and a second look confirmed it.
    Jumped {
        partition: Partition,
        expected: i64,
        found: i64,
    },
    Fatal(RDKafkaErrorCode),
}

/// The tokio side's end of the thread. Dropping it ends the thread, which leaves the group.
pub(crate) struct Intake {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) told: UnboundedReceiver<Told>,
    /// Something has arrived in a queue.
    pub(crate) arrived: Arc<Notify>,
    ended: oneshot::Receiver<()>,
}

impl Intake {
    pub(crate) fn start(
        options: &StreamOptions,
        reachable: Arc<Reachable>,
    ) -> Result<Self, StreamError> {
        let context = Rebalances::new(Arc::clone(&reachable));
        let consumer = BaseConsumer::from_config_and_context(&options.client_config(), context)
            .map_err(StreamError::Start)?;
        let topics: Vec<&str> = options.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(StreamError::Start)?;
        let (commands, orders) = mpsc::channel();
        let (told_sender, told) = unbounded_channel();
        let (ended_sender, ended) = oneshot::channel();
        let arrived = Arc::new(Notify::new());
        let mut thread = Thread {
            consumer,
            group: options.group.clone(),
            orders,
            told: told_sender,
            arrived: Arc::clone(&arrived),
            reachable,
            slots: Vec::new(),
            generation: 0,
            stands: BTreeMap::new(),
            committed_at: Instant::now(),
        };
        let work = move || {
            thread.run();
            thread.leave();
            let _ = ended_sender.send(());
        };
        let name = format!("stream {}", options.group);
        std::thread::Builder::new()
            .name(name)
            .spawn(work)
            .map_err(StreamError::Thread)?;
        Ok(Self {
            commands,
            told,
            arrived,
            ended,
        })
    }

    /// Tells the group where we stand, leaves it, and waits until that is done, or for a few seconds.
    pub(crate) async fn leave(self) {
        let Self {
            commands, ended, ..
        } = self;
        drop(commands);
        if tokio::time::timeout(LEAVE_WITHIN + Duration::from_secs(2), ended)
            .await
            .is_err()
        {
            tracing::warn!("the Kafka consumer did not close in time");
        }
    }
}

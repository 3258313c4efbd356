//! A database that fails over to a copy that was behind takes positions back with it. Nothing new may arrive for long,
//! so an idle owner finds that out by itself.

use std::sync::Arc;
use std::time::Duration;

use boxoffice_consumer_turns::{PgPositions, failed, position};
use boxoffice_stream::{Batch, Handler, Run, StreamOptions, TurnFailed};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::servers;

const NAME: &str = "set-back";
const PATIENCE: Duration = Duration::from_secs(60);

/// Moves the position, and says what it has decided.
struct Decides {
    store: PgStore,
    decided: mpsc::UnboundedSender<i64>,
}

impl Handler for Decides {
    async fn turn(&self, batch: &Batch) -> Result<(), TurnFailed> {
        let claims: Vec<_> = batch.runs.iter().map(|run| position(NAME, run)).collect();
        let transaction = self.store.begin_at(&claims).await.map_err(failed)?;
        let committed = transaction.commit().await.map_err(TurnError::from);
        committed.map_err(failed)?;
        for (_, record) in batch.records() {
            let _ = self.decided.send(record.offset);
        }
        Ok(())
    }

    async fn dead_letter(&self, _: &Run, reason: &str) -> Result<(), TurnFailed> {
        panic!("{reason}");
    }
}

#[tokio::test]
async fn an_idle_owner_decides_again_what_was_taken_back() {
    let shared = servers::shared();
    let topic = format!("set-back-{}", std::process::id());
    let client = || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", shared.kafka());
        config
    };
    let admin: AdminClient<DefaultClientContext> = client().create().expect("an admin client");
    let wanted = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&wanted], &AdminOptions::new()).await;
    made.expect("Kafka answers")[0].as_ref().expect("a topic");
    let producer: BaseProducer = client().create().expect("a producer");
    for _ in 0..3 {
        let record = BaseRecord::<(), _>::to(&topic).payload("x");
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room");
    }
    producer.flush(PATIENCE).expect("Kafka answers");

    let url = shared.database().await;
    let store = PgStore::new(url.parse().expect("a URL"), 2, Arc::new(Notify::new()));
    let mut options = StreamOptions::new(shared.kafka(), NAME, [topic.as_str()]);
    options.lag_interval = Duration::from_millis(200);
    let (decided, mut told) = mpsc::unbounded_channel();
    let handler = Decides {
        store: store.clone(),
        decided,
    };
    let shutdown = CancellationToken::new();
    let stream = boxoffice_stream::run(options, PgPositions(store), handler, shutdown.clone());
    let stream = tokio::spawn(stream);
    let mut next = async || {
        let told = tokio::time::timeout(PATIENCE, told.recv()).await;
        told.expect("in time").expect("the stream runs")
    };
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(next().await);
    }
    assert_eq!(first, [0, 1, 2]);

    // As a copy would say that was two records behind.
    let mut database = PgConnection::connect(&url)
        .await
        .expect("PostgreSQL answers");
    sqlx::query("update consumer_positions set next_offset = 1 where consumer = $1")
        .bind(NAME)
        .execute(&mut database)
        .await
        .expect("the position is set back");
    assert_eq!([next().await, next().await], [1, 2]);

    shutdown.cancel();
    stream.await.expect("no panic").expect("no error");
}

//! Making the totals anew from the topic.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use boxoffice_consumer_turns::PgPositions;
use boxoffice_stream::{
    Assignment, Owned, Partition, Positions, PositionsError, StreamError, StreamOptions,
};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use tokio_util::sync::CancellationToken;

use crate::consume::Counting;
use crate::{NAME, TOPIC, rows};

/// How often it is asked how far the counting has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why the totals were not made anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The tables could not be emptied; they are as they were.
    #[error("the totals could not be emptied")]
    Empty(#[source] TurnError),
    /// The topic cannot be read, for a reason that does not pass by itself.
    #[error("the topic cannot be read")]
    Stream(#[from] StreamError),
    /// It was asked to stop. What is counted so far stands, and whoever counts next goes on from there.
    #[error("stopped before everything was counted")]
    Stopped,
}

/// The stream's options for a rebuild: a Kafka group of its own, so that it is given every partition, whoever runs
/// the role.
pub fn rebuild_options(brokers: &str) -> StreamOptions {
    StreamOptions::new(brokers, format!("{NAME}-rebuild"), [TOPIC])
}

/// Empties the tables and the positions in one transaction, and counts the topic from its beginning until every
/// partition stands where it ended at the start. `extents` says of each partition which offsets it had then.
///
/// The role may run meanwhile, in any number. An instance that has a turn in hand finds its position lost, reads
/// the row again and goes on from there, as this does when the other has claimed the partition: only one of them
/// gets a turn through, so nothing is counted twice, and it does not matter who counts.
///
/// Outages only delay it.
///
/// # Errors
/// [`RebuildError`].
pub async fn rebuild(
    stream: StreamOptions,
    store: PgStore,
    extents: &BTreeMap<i32, Range<i64>>,
    shutdown: CancellationToken,
) -> Result<(), RebuildError> {
    let partitions: Vec<i32> = extents.keys().copied().collect();
    empty(&store, &partitions)
        .await
        .map_err(RebuildError::Empty)?;
    let done = shutdown.child_token();
    let counting = boxoffice_stream::run(
        stream,
        OfTheRole(PgPositions(store.clone())),
        Counting::new(store.clone()),
        done.clone(),
    );
    let mut counting = std::pin::pin!(counting);
    tokio::select! {
        ended = &mut counting => {
            ended?;
            return Err(RebuildError::Stopped);
        }
        () = caught_up(&store, extents) => done.cancel(),
    }
    Ok(counting.await?)
}

async fn empty(store: &PgStore, partitions: &[i32]) -> Result<(), TurnError> {
    let mut transaction = store.begin_anew(NAME, TOPIC, partitions).await?;
    rows::empty(&mut transaction).await?;
    Ok(transaction.commit().await?)
}

/// Returns when every partition is counted up to the end of its extent.
async fn caught_up(store: &PgStore, extents: &BTreeMap<i32, Range<i64>>) {
    loop {
        match store.read_positions(NAME, TOPIC).await {
            Ok(positions) => {
                let positions: BTreeMap<i32, Option<i64>> = positions.into_iter().collect();
                let counted = extents.iter().all(|(partition, extent)| {
                    let position = positions.get(partition).copied().flatten();
                    extent.is_empty() || position.is_some_and(|position| position >= extent.end)
                });
                if counted {
                    return;
                }
            }
            Err(error) => tracing::debug!(%error, "the positions cannot be read; asking again"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The role's position rows, whatever the Kafka group is called.
struct OfTheRole(PgPositions);

impl Positions for OfTheRole {
    async fn claim(
        &self,
        _: &str,
        partition: &Partition,
        assignment: &Assignment,
    ) -> Result<Owned, PositionsError> {
        self.0.claim(NAME, partition, assignment).await
    }

    async fn read(&self, _: &str, partition: &Partition) -> Result<Option<Owned>, PositionsError> {
        self.0.read(NAME, partition).await
    }
}

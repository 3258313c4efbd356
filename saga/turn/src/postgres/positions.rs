//! Who consumes which partition, and from where. The database decides; Kafka's own offsets are for tools.

use sqlx::{Postgres, Transaction};

use super::claim;
use crate::claim::PositionClaim;
use crate::error::TurnError;

/// A partition, owned under an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The next offset to consume; `None`: nothing was ever consumed.
    pub next_offset: Option<i64>,
    /// The epoch; the next owner's is higher.
    pub epoch: i64,
}

impl super::PgStore {
    /// Takes a partition over: the next epoch is ours, and turns of an earlier owner fail from here on.
    /// `still_assigned` is asked after the row is locked and before the commit; if it says no, nothing is
    /// taken and the answer is `None`.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`] and [`TurnError::Busy`]; trying again is safe.
    pub async fn claim_position(
        &self,
        consumer: &str,
        topic: &str,
        partition: i32,
        still_assigned: impl Fn() -> bool + Send,
    ) -> Result<Option<Owned>, TurnError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a claim locks its position row and nothing else"
        )]
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query!(
            "insert into consumer_positions (consumer, topic, partition, epoch) values ($1, $2, $3, 1)
             on conflict (consumer, topic, partition)
             do update set epoch = consumer_positions.epoch + 1, updated_at = clock_timestamp()
             returning next_offset, epoch",
            consumer,
            topic,
            partition,
        )
        .fetch_one(&mut *transaction)
        .await?;
        if !still_assigned() {
            transaction.rollback().await?;
            return Ok(None);
        }
        transaction.commit().await?;
        Ok(Some(Owned {
            next_offset: row.next_offset,
            epoch: row.epoch,
        }))
    }

    /// Reads a partition's row without taking it.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`]; trying again is safe.
    pub async fn read_position(
        &self,
        consumer: &str,
        topic: &str,
        partition: i32,
    ) -> Result<Option<Owned>, TurnError> {
        let row = sqlx::query!(
            "select next_offset, epoch from consumer_positions
             where consumer = $1 and topic = $2 and partition = $3",
            consumer,
            topic,
            partition,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Owned {
            next_offset: row.next_offset,
            epoch: row.epoch,
        }))
    }
    /// Begins a transaction that moves these positions, for a consumer whose rows are its own and none of the
    /// saga's: what it writes there is committed with its positions, or not at all. At most one transaction
    /// per partition gets as far as this at a time.
    ///
    /// # Errors
    /// [`TurnError::PositionLost`] where a partition does not stand where it was believed to, or is another
    /// owner's; [`TurnError::Unavailable`] and [`TurnError::Busy`].
    pub async fn begin_at(
        &self,
        positions: &[PositionClaim],
    ) -> Result<Transaction<'static, Postgres>, TurnError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the turn of a consumer with rows of its own begins with its positions"
        )]
        let mut transaction = self.pool.begin().await?;
        claim::positions_and_events(&mut transaction, positions, &[]).await?;
        Ok(transaction)
    }

    /// Begins a transaction that sets a consumer back to the beginning of these partitions, under the next
    /// epoch: whoever owns one of them finds its position lost and reads the row again. Until the transaction
    /// ends, no turn of the consumer on any of the partitions can begin or be under way, not even a first one.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`] and [`TurnError::Busy`]; trying again is safe.
    pub async fn begin_anew(
        &self,
        consumer: &str,
        topic: &str,
        partitions: &[i32],
    ) -> Result<Transaction<'static, Postgres>, TurnError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "starting anew locks the position rows first, as a turn does"
        )]
        let mut transaction = self.pool.begin().await?;
        // A partition that nobody has claimed yet gets its row here, so that there is something to wait for.
        sqlx::query!(
            "insert into consumer_positions as p (consumer, topic, partition, epoch)
             select $1, $2, partition, 1 from unnest($3::int[]) as partition order by partition
             on conflict (consumer, topic, partition)
             do update set next_offset = null, epoch = p.epoch + 1, updated_at = clock_timestamp()",
            consumer,
            topic,
            partitions,
        )
        .execute(&mut *transaction)
        .await?;
        Ok(transaction)
    }

    /// Where a consumer stands in each partition of a topic that it has ever claimed; without an offset where
    /// nothing was ever consumed.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`]; trying again is safe.
    pub async fn read_positions(
        &self,
        consumer: &str,
        topic: &str,
    ) -> Result<Vec<(i32, Option<i64>)>, TurnError> {
        let rows = sqlx::query!(
            "select partition, next_offset from consumer_positions
             where consumer = $1 and topic = $2 order by partition",
            consumer,
            topic,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.partition, row.next_offset))
            .collect())
    }
}

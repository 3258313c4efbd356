//! Who consumes which partition, and from where. The database decides; Kafka's own offsets are for tools.

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
}

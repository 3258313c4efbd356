//! What is done to rows that the saga does not know, shows above all, with all that a turn gives: idempotency
//! keys, tasks, records of who did it, and one commit.

use std::future::Future;

use boxoffice_saga::world::World;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::PgStore;
use crate::claim::{Appends, Claim, Claimed};
use crate::error::TurnError;
use crate::run;
use crate::store::{OpenTurn, Store};

/// Something that is done beside the saga. May run more than once (a lost race starts it anew), so it touches
/// nothing outside its transaction.
pub trait Beside: Sync {
    /// What it comes to.
    type Done: Send;
    /// Why it is not done.
    type Refusal: Send;

    /// Whose it is, for metrics.
    fn role(&self) -> &'static str;

    /// What makes it happen at most once.
    fn claim(&self) -> Claim {
        Claim::default()
    }

    /// Does it on `db`, in the lock order that holds everywhere. Of `world` only the clock, read after the
    /// claim, and the tasks count. A refusal undoes everything.
    fn perform(
        &self,
        claimed: &Claimed,
        db: &mut PgConnection,
        world: &mut World,
        appends: &mut Appends,
    ) -> impl Future<Output = Result<Result<Self::Done, Self::Refusal>, TurnError>> + Send;
}

impl PgStore {
    /// Does something beside the saga, in one transaction. A lost race is tried again a few times.
    ///
    /// # Errors
    /// As for [`run`](crate::run()).
    pub async fn beside<B: Beside>(
        &self,
        what: &B,
    ) -> Result<Result<B::Done, B::Refusal>, TurnError> {
        run::again(what.role(), || self.once_beside(what)).await
    }

    async fn once_beside<B: Beside>(
        &self,
        what: &B,
    ) -> Result<Result<B::Done, B::Refusal>, TurnError> {
        let mut turn = self.begin().await?;
        let claimed = turn.claim(&what.claim()).await?;
        let now: OffsetDateTime = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
            .fetch_one(&mut *turn.transaction)
            .await?;
        let mut world = World::new(now);
        let mut appends = Appends::default();
        let done = what
            .perform(&claimed, &mut turn.transaction, &mut world, &mut appends)
            .await?;
        if done.is_ok() {
            turn.commit(&world, &appends).await?;
        }
        Ok(done)
    }
}

//! Running a turn.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use boxoffice_failpoints::{self as failpoints, Role};
use boxoffice_saga::world::World;

use crate::claim::{Appends, Claim, Claimed, Held, Wanted};
use crate::error::TurnError;
use crate::metric;
use crate::store::{OpenTurn, Store};

/// What a turn is about. Its functions may run more than once (a lost race starts the turn anew), so they
/// take `&self` and touch nothing outside.
pub trait Plan: Sync {
    /// What the turn answers.
    type Answer: Send;

    /// Whose turn it is, for metrics and failpoints.
    fn role(&self) -> Role;

    /// What makes it happen at most once.
    fn claim(&self) -> Claim {
        Claim::default()
    }

    /// What to lock, knowing what came of the claim.
    fn wanted(&self, claimed: &Claimed) -> Wanted;

    /// Decides, in memory. Effects are data: what changed in `world`, and `appends`.
    fn decide(
        &self,
        claimed: &Claimed,
        held: &Held,
        world: &mut World,
        appends: &mut Appends,
    ) -> Self::Answer;
}

/// Runs one turn. A lost race is tried again a few times, with jitter.
///
/// # Errors
/// See [`TurnError`]. After `Unavailable` the turn may have been committed: a consumer finds out by its
/// position, a client by its idempotency key.
pub async fn run<S: Store, P: Plan>(store: &S, plan: &P) -> Result<P::Answer, TurnError> {
    again(plan.role().name(), || once(store, plan)).await
}

/// Does something, and once more, with jitter, a few times over if it has lost a race.
pub(crate) async fn again<T, F>(role: &'static str, once: impl FnMut() -> F) -> Result<T, TurnError>
where
    F: Future<Output = Result<T, TurnError>>,
{
    let started = std::time::Instant::now();
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(2))
        .with_max_delay(Duration::from_millis(100))
        .with_jitter()
        // Without a seed of its own, every process would pause alike.
        .with_jitter_seed(rand::random())
        .with_max_times(8);
    let answer = once
        .retry(backoff)
        .when(|error| matches!(error, TurnError::Busy(_)))
        .notify(|error, _| {
            metrics::counter!(metric::TURN_RETRIES, "role" => role).increment(1);
            tracing::debug!(%error, role, "turn lost a race, trying again");
        })
        .await;
    metrics::histogram!(metric::TURN_SECONDS, "role" => role).record(started.elapsed());
    answer
}

async fn once<S: Store, P: Plan>(store: &S, plan: &P) -> Result<P::Answer, TurnError> {
    let mut turn = store.begin().await?;
    let claimed = turn.claim(&plan.claim()).await?;
    let (mut world, held) = turn.load(&plan.wanted(&claimed)).await?;
    let mut appends = Appends::default();
    let answer = plan.decide(&claimed, &held, &mut world, &mut appends);
    failpoints::hit_before_commit(plan.role());
    turn.commit(&world, &appends).await?;
    failpoints::hit_after_commit(plan.role());
    Ok(answer)
}

//! A store whose turns go wrong at one point: refused before the effect, or done and the answer lost; told so, or
//! not even that, because the process is gone.

use std::sync::Arc;

use boxoffice_saga::world::World;
use boxoffice_turn::{Appends, Claim, Claimed, Held, OpenTurn, Store, TurnError, Wanted};
use tokio::sync::Notify;

/// What a turn asks of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Begin,
    Claim,
    Load,
    Commit,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: Call,
    /// Whether it was done all the same.
    pub done: bool,
    /// Whether the turn is never heard of again, instead of being told of an error.
    pub crash: bool,
}

impl Fault {
    /// All of them. The last two leave a turn that is committed.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for at in [Call::Begin, Call::Claim, Call::Load, Call::Commit] {
            for done in [false, true] {
                for crash in [false, true] {
                    all.push(Self { at, done, crash });
                }
            }
        }
        all
    }

    /// Whether the turn is committed.
    pub fn commits(self) -> bool {
        self.at == Call::Commit && self.done
    }
}

/// A store with a fault.
pub struct Faulty<'a, S> {
    pub store: &'a S,
    pub fault: Fault,
    /// Told when a turn has crashed. It stays as it is until it is dropped.
    pub crashed: Arc<Notify>,
}

/// A turn in it.
pub struct FaultyTurn<T> {
    turn: T,
    trap: Trap,
}

struct Trap {
    fault: Fault,
    crashed: Arc<Notify>,
}

impl Trap {
    async fn spring(&self, at: Call, done: bool) -> Result<(), TurnError> {
        if self.fault.at != at || self.fault.done != done {
            return Ok(());
        }
        if self.fault.crash {
            self.crashed.notify_one();
            std::future::pending::<()>().await;
        }
        Err(TurnError::Unavailable(sqlx::Error::PoolClosed))
    }
}

impl<S: Store> Store for Faulty<'_, S> {
    type Open = FaultyTurn<S::Open>;

    async fn begin(&self) -> Result<Self::Open, TurnError> {
        let trap = Trap {
            fault: self.fault,
            crashed: self.crashed.clone(),
        };
        trap.spring(Call::Begin, false).await?;
        let turn = self.store.begin().await?;
        trap.spring(Call::Begin, true).await?;
        Ok(FaultyTurn { turn, trap })
    }
}

impl<T: OpenTurn> OpenTurn for FaultyTurn<T> {
    async fn claim(&mut self, claim: &Claim) -> Result<Claimed, TurnError> {
        self.trap.spring(Call::Claim, false).await?;
        let claimed = self.turn.claim(claim).await?;
        self.trap.spring(Call::Claim, true).await?;
        Ok(claimed)
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<(World, Held), TurnError> {
        self.trap.spring(Call::Load, false).await?;
        let loaded = self.turn.load(wanted).await?;
        self.trap.spring(Call::Load, true).await?;
        Ok(loaded)
    }

    async fn commit(self, world: &World, appends: &Appends) -> Result<bool, TurnError> {
        self.trap.spring(Call::Commit, false).await?;
        let news = self.turn.commit(world, appends).await?;
        self.trap.spring(Call::Commit, true).await?;
        Ok(news)
    }
}

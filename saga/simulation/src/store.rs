//! The database: the store in memory, with a link to it that can break before a commit or after.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use boxoffice_saga::identity::{BookingId, GatewayAccount, ShowId};
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::{JournalEntry, World};
use boxoffice_stream::{Assignment, Owned, Partition, Positions, PositionsError};
use boxoffice_turn::claim::PositionClaim;
use boxoffice_turn::memory::{MemoryStore, MemoryTurn, Tables};
use boxoffice_turn::{
    Appends, Case, Claim, Claimed, Held, OpenTurn, ParkedRecord, Reads, Store, TurnError, Wanted,
};
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::mistake::Mistake;
use crate::now;

/// What becomes of the next turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Link {
    /// They commit, and that is known.
    #[default]
    Whole,
    /// They do not commit.
    Down,
    /// They commit, and nobody hears of it.
    AnswerLost,
}

/// What a turn decided: the rows that it had locked, before, and its inputs.
#[derive(Debug)]
pub(crate) struct Decided {
    pub before: World,
    pub journal: Vec<JournalEntry>,
}

#[derive(Debug, Default)]
struct Shared {
    mistake: Option<Mistake>,
    link: Link,
    decided: Vec<Decided>,
    /// Positions that a mistake moves without their turn.
    moved: Vec<PositionClaim>,
}

/// The store. Clones share everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Database {
    memory: MemoryStore,
    shared: Arc<Mutex<Shared>>,
}

impl Database {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on this mistake is made.
    pub fn makes(&self, mistake: Option<Mistake>) {
        self.shared().mistake = mistake;
    }

    fn mistake(&self) -> Option<Mistake> {
        self.shared().mistake
    }

    /// From here on the link is like this.
    pub fn link(&self, link: Link) {
        let mut shared = self.shared();
        shared.link = link;
        let moved = std::mem::take(&mut shared.moved);
        drop(shared);
        if moved.is_empty() {
            return;
        }
        let mut tables = self.tables();
        for claim in moved {
            let key = (claim.consumer, claim.topic, claim.partition);
            let row = tables.positions.get_mut(&key);
            if let Some(row) = row.filter(|row| **row == (claim.epoch, claim.from)) {
                row.1 = Some(claim.to);
            }
        }
    }

    /// What was decided since the last call.
    pub fn decided(&self) -> Vec<Decided> {
        std::mem::take(&mut self.shared().decided)
    }

    /// The tables. Nobody else is at work meanwhile: turns are one after another.
    pub fn tables(&self) -> OwnedMutexGuard<Tables> {
        now(self.memory.tables())
    }

    fn reachable(&self) -> Result<(), TurnError> {
        match self.shared().link {
            Link::Down => Err(away()),
            Link::Whole | Link::AnswerLost => Ok(()),
        }
    }
}

fn away() -> TurnError {
    TurnError::Unavailable(sqlx::Error::PoolTimedOut)
}

/// A turn in progress.
#[derive(Debug)]
pub(crate) struct OpenLink {
    turn: MemoryTurn,
    database: Database,
    before: Option<World>,
}

impl Store for Database {
    type Open = OpenLink;

    async fn begin(&self) -> Result<OpenLink, TurnError> {
        Ok(OpenLink {
            turn: self.memory.begin().await?,
            database: self.clone(),
            before: None,
        })
    }
}

impl OpenTurn for OpenLink {
    async fn claim(&mut self, claim: &Claim) -> Result<Claimed, TurnError> {
        if self.database.mistake() == Some(Mistake::PositionsMoveFirst)
            && self.database.reachable().is_err()
        {
            let positions = claim.positions.clone();
            self.database.shared().moved.extend(positions);
        }
        self.turn.claim(claim).await
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<(World, Held), TurnError> {
        let (mut world, held) = self.turn.load(wanted).await?;
        if let Some(mistake) = self.database.mistake() {
            mistake.in_reading(&mut world);
        }
        self.before = Some(world.clone());
        Ok((world, held))
    }

    async fn commit(self, world: &World, appends: &Appends) -> Result<bool, TurnError> {
        self.database.reachable()?;
        let news = match self.database.mistake() {
            None => self.turn.commit(world, appends).await?,
            Some(mistake) => {
                let (mut world, mut appends) = (world.clone(), appends.clone());
                mistake.in_writing(&mut world, &mut appends);
                self.turn.commit(&world, &appends).await?
            }
        };
        let mut shared = self.database.shared();
        if let Some(before) = self.before
            && !world.changes.journal.is_empty()
        {
            shared.decided.push(Decided {
                before,
                journal: world.changes.journal.clone(),
            });
        }
        match shared.link {
            Link::AnswerLost => Err(away()),
            Link::Whole | Link::Down => Ok(news),
        }
    }
}

impl Reads for Database {
    async fn cases(
        &self,
        ids: &[BookingId],
    ) -> Result<(OffsetDateTime, BTreeMap<BookingId, Case>), TurnError> {
        self.reachable()?;
        self.memory.cases(ids).await
    }

    async fn bookings_of_payments(
        &self,
        ids: &[(GatewayAccount, String)],
    ) -> Result<BTreeMap<(GatewayAccount, String), BookingId>, TurnError> {
        self.reachable()?;
        self.memory.bookings_of_payments(ids).await
    }

    async fn parked_record(&self, id: Uuid) -> Result<Option<ParkedRecord>, TurnError> {
        self.reachable()?;
        self.memory.parked_record(id).await
    }

    async fn live_bookings(
        &self,
        show: ShowId,
        after: Option<BookingId>,
        limit: u16,
    ) -> Result<Vec<BookingId>, TurnError> {
        self.reachable()?;
        let mut live = self.memory.live_bookings(show, after, limit).await?;
        if self.mistake() == Some(Mistake::PagesEndEarly) {
            live.pop();
        }
        Ok(live)
    }

    async fn tasks_waiting(&self, kind: TaskKind, limit: u16) -> Result<u16, TurnError> {
        self.reachable()?;
        self.memory.tasks_waiting(kind, limit).await
    }
}

impl Positions for Database {
    async fn claim(
        &self,
        group: &str,
        partition: &Partition,
        assignment: &Assignment,
    ) -> Result<Owned, PositionsError> {
        let mut tables = self.memory.tables().await;
        if !assignment.is_present() {
            return Err(PositionsError::Revoked);
        }
        let key = row(group, partition);
        let (epoch, next_offset) = tables.positions.entry(key).or_insert((0, None));
        *epoch += 1;
        Ok(Owned {
            next_offset: *next_offset,
            epoch: *epoch,
        })
    }

    async fn read(
        &self,
        group: &str,
        partition: &Partition,
    ) -> Result<Option<Owned>, PositionsError> {
        let tables = self.memory.tables().await;
        let found = tables.positions.get(&row(group, partition));
        Ok(found.map(|(epoch, next_offset)| Owned {
            next_offset: *next_offset,
            epoch: *epoch,
        }))
    }
}

fn row(group: &str, partition: &Partition) -> (String, String, i32) {
    (
        group.to_owned(),
        partition.topic.to_string(),
        partition.number,
    )
}

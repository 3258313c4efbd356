//! The store in memory: for simulation, and to hold PostgreSQL's against.
//!
//! Turns are strictly one after another. Time is what [`MemoryStore::set_now`] says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::booking::{Booking, BookingState};
use boxoffice_saga::event::Event;
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, RefundId, ShowId, UserId};
use boxoffice_saga::ledger::Entry;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::promises::{Books, Closed, sequences};
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::{Seat, SeatKey};
use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use boxoffice_saga::world::{JournalEntry, World};
use time::OffsetDateTime;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use crate::claim::{
    Appends, Claim, Claimed, DeadLetter, Delivery, EventKey, Held, InboxOutcome, KeptAnswer,
    KeyClaim, KeyState, OperatorAct, Parked, Wanted,
};
use crate::error::TurnError;
use crate::outgoing::Outgoing;
use crate::reads::{Case, ParkedRecord, Reads};
use crate::store::{OpenTurn, Store};

/// A task with its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// The task.
    pub task: Task,
    /// How many times it was leased.
    pub attempts: u32,
    /// Whose it is, and until when.
    pub lease: Option<(Uuid, OffsetDateTime)>,
}

/// A try of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// When it began.
    pub started_at: OffsetDateTime,
    /// When its call had to be over.
    pub deadline: OffsetDateTime,
    /// What came of it, once its answer was brought.
    pub answer: Option<String>,
}

/// Everything that the database would hold.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The clock that turns read.
    pub now: Option<OffsetDateTime>,
    /// Seats.
    pub seats: BTreeMap<SeatKey, Seat>,
    /// Shows that are sold no more.
    pub closed: BTreeMap<ShowId, Closed>,
    /// Bookings.
    pub bookings: BTreeMap<BookingId, Booking>,
    /// Payments.
    pub payments: BTreeMap<PaymentId, Payment>,
    /// Refunds.
    pub refunds: BTreeMap<RefundId, Refund>,
    /// Slots.
    pub slots: BTreeMap<(ShowId, UserId), BookingId>,
    /// Tasks.
    pub tasks: BTreeMap<TaskKey, TaskRow>,
    /// Tries of tasks that call the outside, by task and number of the try.
    pub attempts: BTreeMap<(TaskKey, u32), AttemptRow>,
    /// Positions: consumer, topic, partition to epoch and next offset.
    pub positions: BTreeMap<(String, String, i32), (i64, Option<i64>)>,
    /// The inbox.
    pub inbox: BTreeMap<EventKey, InboxOutcome>,
    /// Answers under idempotency keys, by user, route and key.
    pub keys: BTreeMap<(UserId, String, String), (Vec<u8>, KeptAnswer)>,
    /// The journal.
    pub journal: Vec<JournalEntry>,
    /// The ledger.
    pub ledger: Vec<Entry>,
    /// All booking events ever.
    pub events: Vec<Event>,
    /// The outbox, in order.
    pub outbox: Vec<Outgoing>,
    /// The operators' list.
    pub attention: BTreeMap<(AttentionKind, Uuid), Attention>,
    /// Parked records.
    pub parked: BTreeMap<Uuid, Parked>,
    /// Dead letters.
    pub dead_letters: BTreeMap<Uuid, DeadLetter>,
    /// Answers to calls.
    pub attempts_answered: Vec<(TaskKey, u32, String)>,
    /// What operators did.
    pub acts: Vec<OperatorAct>,
    /// What customers were told.
    pub deliveries: Vec<Delivery>,
}

impl Tables {
    /// What the promises are checked on.
    pub fn books(&self) -> Books {
        Books {
            now: self.now.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            bookings: self.bookings.clone(),
            payments: self.payments.clone(),
            refunds: self.refunds.values().cloned().collect(),
            seats: self.seats.values().cloned().collect(),
            closed: self.closed.clone(),
            ledger: self.ledger.clone(),
            sequences: sequences(&self.events),
            with_person: self.attention.keys().map(|(_, subject)| *subject).collect(),
        }
    }
}

/// The store. Cheap to clone; clones share the tables.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
}

impl MemoryStore {
    /// Sets the clock that turns read.
    pub async fn set_now(&self, now: OffsetDateTime) {
        self.tables.lock().await.now = Some(now);
    }

    /// The tables, to look at or to prepare. Turns wait meanwhile.
    pub async fn tables(&self) -> OwnedMutexGuard<Tables> {
        self.tables.clone().lock_owned().await
    }
}

/// A turn in progress in memory.
#[derive(Debug)]
pub struct MemoryTurn {
    tables: OwnedMutexGuard<Tables>,
    claim: Claim,
}

impl Store for MemoryStore {
    type Open = MemoryTurn;

    async fn begin(&self) -> Result<MemoryTurn, TurnError> {
        Ok(MemoryTurn {
            tables: self.tables().await,
            claim: Claim::default(),
        })
    }
}

impl Reads for MemoryStore {
    async fn cases(
        &self,
        ids: &[BookingId],
    ) -> Result<(OffsetDateTime, BTreeMap<BookingId, Case>), TurnError> {
        let tables = self.tables().await;
        let case = |id: &BookingId| {
            let booking = tables.bookings.get(id)?.clone();
            let payments = tables.payments.values().filter(|row| row.booking == *id);
            let mut payments: Vec<_> = payments.cloned().collect();
            payments.sort_by_key(|payment| (payment.opened_at, payment.id));
            let refunds = tables.refunds.values().filter(|row| row.booking == *id);
            let refunds = refunds.cloned().collect();
            let case = Case {
                booking,
                payments,
                refunds,
            };
            Some((*id, case))
        };
        let now = tables.now.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok((now, ids.iter().filter_map(case).collect()))
    }

    async fn bookings_of_payments(
        &self,
        ids: &[(GatewayAccount, String)],
    ) -> Result<BTreeMap<(GatewayAccount, String), BookingId>, TurnError> {
        let tables = self.tables().await;
        let booking = |id: &(GatewayAccount, String)| {
            let same = |row: &&Payment| {
                row.account == id.0 && row.gateway_payment_id.as_ref() == Some(&id.1)
            };
            let found = tables.payments.values().find(same)?;
            Some((id.clone(), found.booking))
        };
        Ok(ids.iter().filter_map(booking).collect())
    }

    async fn parked_record(&self, id: Uuid) -> Result<Option<ParkedRecord>, TurnError> {
        let tables = self.tables().await;
        Ok(tables.parked.get(&id).map(|row| ParkedRecord {
            headers: row.headers.clone(),
            payload: row.payload.clone(),
        }))
    }

    async fn live_bookings(
        &self,
        show: ShowId,
        after: Option<BookingId>,
        limit: u16,
    ) -> Result<Vec<BookingId>, TurnError> {
        let tables = self.tables().await;
        let live = tables.bookings.values().filter(|row| {
            row.show() == show
                && after.is_none_or(|after| row.id > after)
                && matches!(row.state, BookingState::Held | BookingState::Confirmed)
        });
        Ok(live.map(|row| row.id).take(limit.into()).collect())
    }

    async fn tasks_waiting(&self, kind: TaskKind, limit: u16) -> Result<u16, TurnError> {
        let tables = self.tables().await;
        let of_kind = |key: &&TaskKey| key.kind == kind;
        let waiting = tables.tasks.keys().filter(of_kind).count();
        Ok(u16::try_from(waiting).map_or(limit, |waiting| waiting.min(limit)))
    }
}

impl OpenTurn for MemoryTurn {
    async fn claim(&mut self, claim: &Claim) -> Result<Claimed, TurnError> {
        for position in &claim.positions {
            let key = (
                position.consumer.clone(),
                position.topic.clone(),
                position.partition,
            );
            if self.tables.positions.get(&key) != Some(&(position.epoch, position.from)) {
                return Err(TurnError::PositionLost {
                    topic: position.topic.clone(),
                    partition: position.partition,
                });
            }
        }
        self.claim = claim.clone();
        let known = claim
            .events
            .iter()
            .filter(|event| self.tables.inbox.contains_key(event))
            .cloned()
            .collect();
        let keys = claim.keys.iter().map(|key| self.key_state(key)).collect();
        // An await-free body still has to be a future for the port.
        std::future::ready(Ok(Claimed { known, keys })).await
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<(World, Held), TurnError> {
        let tables = &*self.tables;
        let mut world = World::new(tables.now.unwrap_or(OffsetDateTime::UNIX_EPOCH));
        world.slots = wanted
            .slots
            .keys()
            .filter_map(|key| tables.slots.get(key).map(|booking| (key.clone(), *booking)))
            .collect();
        let ids: BTreeSet<BookingId> = wanted
            .bookings
            .iter()
            .chain(world.slots.values())
            .copied()
            .collect();
        let mut seats = wanted.seats.clone();
        for id in &ids {
            let Some(booking) = tables.bookings.get(id) else {
                continue;
            };
            if wanted.seats_of_bookings || world.slots.values().any(|slot| slot == id) {
                let show = booking.show();
                seats.extend(booking.seats.iter().map(|seat| SeatKey {
                    show,
                    seat: seat.clone(),
                }));
            }
            world.bookings.insert(*id, booking.clone());
        }
        world.seats = seats
            .iter()
            .filter_map(|key| {
                tables
                    .seats
                    .get(key)
                    .map(|seat| (key.clone(), seat.clone()))
            })
            .collect();
        let of = |booking: &BookingId| world.bookings.contains_key(booking);
        world.payments = tables
            .payments
            .iter()
            .filter(|(_, row)| of(&row.booking))
            .map(|(id, row)| (*id, row.clone()))
            .collect();
        world.refunds = tables
            .refunds
            .iter()
            .filter(|(_, row)| of(&row.booking))
            .map(|(id, row)| (*id, row.clone()))
            .collect();
        let held = wanted
            .tasks
            .iter()
            .filter(|(key, lease)| {
                tables
                    .tasks
                    .get(*key)
                    .and_then(|row| row.lease)
                    .is_some_and(|(held, _)| held == **lease)
            })
            .map(|(key, _)| key.clone())
            .collect();
        std::future::ready(Ok((world, held))).await
    }

    async fn commit(mut self, world: &World, appends: &Appends) -> Result<bool, TurnError> {
        let mut outgoing = world
            .changes
            .events
            .iter()
            .map(Outgoing::event)
            .collect::<Result<Vec<_>, _>>()?;
        outgoing.extend(appends.outgoing.iter().cloned());
        self.unique_at_gateway(world)?;
        let claim = std::mem::take(&mut self.claim);
        let tables = &mut *self.tables;
        for position in claim.positions {
            tables.positions.insert(
                (position.consumer, position.topic, position.partition),
                (position.epoch, Some(position.to)),
            );
        }
        write_rows(tables, world);
        write_tasks(tables, world);
        write_appends(tables, appends);
        tables.journal.extend(world.changes.journal.iter().cloned());
        tables.ledger.extend(world.changes.ledger.iter().cloned());
        tables.events.extend(world.changes.events.iter().cloned());
        for settled in &world.changes.attention_settled {
            tables.attention.remove(settled);
        }
        for item in &world.changes.attention {
            tables
                .attention
                .insert((item.kind, item.subject), item.clone());
        }
        let news = !outgoing.is_empty();
        tables.outbox.extend(outgoing);
        std::future::ready(Ok(news)).await
    }
}

impl MemoryTurn {
    fn key_state(&self, claim: &KeyClaim) -> KeyState {
        let id = (claim.user.clone(), claim.route.clone(), claim.key.clone());
        match self.tables.keys.get(&id) {
            None => KeyState::Fresh,
            Some((hash, _)) if *hash != claim.request_hash => KeyState::OtherRequest,
            Some((_, KeptAnswer::Answer { status, body })) => KeyState::Answered {
                status: *status,
                body: body.clone(),
            },
            Some((_, KeptAnswer::Begun { resume })) => KeyState::Begun { resume: *resume },
        }
    }

    /// The unique key on the gateway's payment id, as the database has it.
    fn unique_at_gateway(&self, world: &World) -> Result<(), TurnError> {
        for payment in world
            .changes
            .payments_changed
            .iter()
            .filter_map(|id| world.payments.get(id))
        {
            let taken = payment.gateway_payment_id.is_some()
                && self.tables.payments.values().any(|other| {
                    other.id != payment.id
                        && other.account == payment.account
                        && other.gateway_payment_id == payment.gateway_payment_id
                });
            if taken {
                return Err(TurnError::Data("payments_at_gateway".into()));
            }
        }
        Ok(())
    }
}

fn write_rows(tables: &mut Tables, world: &World) {
    let changes = &world.changes;
    for key in &changes.slots_changed {
        if let Some(booking) = world.slots.get(key) {
            tables.slots.insert(key.clone(), *booking);
        }
    }
    for id in changes.bookings_created.union(&changes.bookings_changed) {
        if let Some(row) = world.bookings.get(id) {
            tables.bookings.insert(*id, row.clone());
        }
    }
    for id in &changes.payments_changed {
        if let Some(row) = world.payments.get(id) {
            tables.payments.insert(*id, row.clone());
        }
    }
    for id in &changes.refunds_changed {
        if let Some(row) = world.refunds.get(id) {
            tables.refunds.insert(*id, row.clone());
        }
    }
    for key in &changes.seats_changed {
        if let Some(row) = world.seats.get(key) {
            tables.seats.insert(key.clone(), row.clone());
        }
    }
}

fn write_tasks(tables: &mut Tables, world: &World) {
    for key in &world.changes.tasks_removed {
        tables.tasks.remove(key);
    }
    for (key, due_at) in &world.changes.tasks_postponed {
        if let Some(row) = tables.tasks.get_mut(key) {
            row.task.due_at = *due_at;
            row.lease = None;
        }
    }
    for task in &world.changes.tasks_added {
        let tried = |(key, _, _): &(TaskKey, u32, String)| *key == task.key;
        if task.key.kind.once() && tables.attempts_answered.iter().any(tried) {
            continue;
        }
        tables
            .tasks
            .entry(task.key.clone())
            .or_insert_with(|| TaskRow {
                task: task.clone(),
                attempts: 0,
                lease: None,
            });
    }
}

fn write_appends(tables: &mut Tables, appends: &Appends) {
    for (key, outcome) in &appends.inbox {
        tables.inbox.entry(key.clone()).or_insert(*outcome);
    }
    for (claim, answer) in &appends.answers {
        let id = (claim.user.clone(), claim.route.clone(), claim.key.clone());
        tables
            .keys
            .insert(id, (claim.request_hash.clone(), answer.clone()));
    }
    for record in &appends.parked {
        tables
            .parked
            .entry(record.id)
            .or_insert_with(|| record.clone());
    }
    for id in &appends.unparked {
        tables.parked.remove(id);
    }
    for letter in &appends.dead_letters {
        tables
            .dead_letters
            .entry(letter.id)
            .or_insert_with(|| letter.clone());
    }
    for (key, attempt, answer) in &appends.attempts_answered {
        if let Some(row) = tables.attempts.get_mut(&(key.clone(), *attempt)) {
            row.answer = Some(answer.clone());
        }
    }
    tables
        .attempts_answered
        .extend(appends.attempts_answered.iter().cloned());
    tables.acts.extend(appends.acts.iter().cloned());
    tables.deliveries.extend(appends.deliveries.iter().cloned());
}

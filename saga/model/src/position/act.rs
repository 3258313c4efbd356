//! What can happen, and what comes of it.

use boxoffice_stream::ownership::{Order, Ownership};
use boxoffice_stream::{Assignment, Owned};

use super::{Ask, Claiming, FEW_CLAIMS, Member, Pending, Position, Rule, State, Turn, partition};

/// Something that happens. Members are named by their place in the state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The group gives the partition to the other member.
    Rebalance,
    /// A member hears that it has lost the partition.
    Hear(usize),
    /// Its claim has the row's lock.
    Lock(usize),
    /// The claim is committed.
    Claim,
    /// The claim is committed, and its answer is lost.
    ClaimUnanswered,
    /// It reads its row.
    Read(usize),
    /// It looks whether its row still says what it believes, since nothing has come for a while.
    Look(usize),
    /// Kafka gives it the next record.
    Fetch(usize),
    /// It makes a turn of what has arrived.
    Gather(usize),
    /// It sends its turn to the database.
    Send(usize),
    /// The database carries a turn out.
    Execute(Pending),
    /// The same, and the answer is lost.
    ExecuteUnanswered(Pending),
    /// A member waits no longer for an answer.
    GiveUp(usize),
    /// Kafka is told where the partition stands.
    Tell(usize),
    /// A member dies and starts again.
    Crash(usize),
    /// The copy follows.
    Replicate,
    /// The database fails over to its copy.
    FailOver,
}

impl Position {
    /// What happens by itself.
    pub(super) fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (nth, member) in state.members.iter().enumerate() {
            if nth != state.owner && member.assignment.is_some() {
                actions.push(Action::Hear(nth));
            }
            match member.asks {
                // While two believe that it is theirs they may take it from one another, each after a pause. That
                // the one hears of it before they have done so very often is taken for granted.
                Some(Ask::Claim { .. }) if state.claiming.is_none() && self.may_claim(state) => {
                    actions.push(Action::Lock(nth));
                }
                Some(Ask::Read { .. }) => actions.push(Action::Read(nth)),
                _ => {}
            }
            if member.fetches.is_some_and(|next| next < self.records)
                && member.queue.len() < self.batch
            {
                actions.push(Action::Fetch(nth));
            }
            match &member.turn {
                None if !member.queue.is_empty() => actions.push(Action::Gather(nth)),
                Some((_, false)) => actions.push(Action::Send(nth)),
                _ => {}
            }
            let idle = member.queue.is_empty() && member.turn.is_none();
            let fetched_all = member.fetches == Some(self.records);
            if idle && fetched_all && self.keeps(Rule::LooksWhenIdle) {
                actions.push(Action::Look(nth));
            }
            if member.stands.is_some() {
                actions.push(Action::Tell(nth));
            }
        }
        if state.claiming.is_some() {
            actions.push(Action::Claim);
        } else {
            // Both want the row's lock.
            actions.extend(state.pending.iter().cloned().map(Action::Execute));
        }
    }

    fn may_claim(&self, state: &State) -> bool {
        let contested = state
            .members
            .iter()
            .all(|member| member.assignment.is_some());
        let claims = state.db.row.map_or(0, |row| row.epoch);
        !contested || !self.keeps(Rule::RevokedIsDropped) || claims < FEW_CLAIMS
    }

    /// What goes wrong.
    pub(super) fn mishaps(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        if left.rebalances > 0 {
            actions.push(Action::Rebalance);
        }
        if left.lost > 0 {
            if state.claiming.is_some() {
                actions.push(Action::ClaimUnanswered);
            } else {
                let awaited = state.pending.iter().filter(|pending| pending.awaited);
                actions.extend(awaited.cloned().map(Action::ExecuteUnanswered));
            }
            for (nth, member) in state.members.iter().enumerate() {
                if member.turn.as_ref().is_some_and(|(_, awaited)| *awaited) {
                    actions.push(Action::GiveUp(nth));
                }
            }
        }
        if left.crashes > 0 {
            actions.extend([Action::Crash(0), Action::Crash(1)]);
        }
        if left.failovers > 0 {
            actions.extend([Action::Replicate, Action::FailOver]);
        }
    }

    pub(super) fn act(&self, state: &mut State, action: Action) {
        match action {
            Action::Rebalance => {
                state.left.rebalances -= 1;
                state.assign(1 - state.owner);
            }
            Action::Hear(nth) => self.hear(state, nth),
            Action::Lock(nth) => self.lock(state, nth),
            Action::Claim => self.claim(state, true),
            Action::ClaimUnanswered => {
                state.left.lost -= 1;
                self.claim(state, false);
            }
            Action::Read(nth) => {
                let row = state.db.row;
                let member = &mut state.members[nth];
                let Some(Ask::Read { generation }) = member.asks.take() else {
                    return;
                };
                if self.is_present(member, generation) {
                    let order = member.ownership.read(&partition(), generation, Ok(row));
                    self.carry_out(state, nth, order);
                }
            }
            Action::Look(nth) => {
                let row = state.db.row;
                let member = &mut state.members[nth];
                let believed = member.ownership.running(&partition());
                let believed = believed.map(|(assignment, owned)| (assignment.generation(), owned));
                if let Some((generation, owned)) = believed {
                    let order = member
                        .ownership
                        .looked(&partition(), generation, owned, row);
                    self.lost(state, nth, order, &[]);
                }
            }
            Action::Fetch(nth) => {
                let member = &mut state.members[nth];
                if let Some(next) = &mut member.fetches {
                    member.queue.push(*next);
                    *next += 1;
                }
            }
            Action::Gather(nth) => self.gather(state, nth),
            Action::Send(nth) => {
                if let Some((turn, awaited)) = &mut state.members[nth].turn {
                    *awaited = true;
                    state.pending.insert(Pending {
                        member: nth,
                        turn: turn.clone(),
                        awaited: true,
                        effect_done: false,
                    });
                }
            }
            Action::Execute(pending) => self.execute(state, &pending, true),
            Action::ExecuteUnanswered(pending) => {
                state.left.lost -= 1;
                self.execute(state, &pending, false);
            }
            Action::GiveUp(nth) => {
                state.left.lost -= 1;
                state.not_awaited(nth);
                if let Some((_, awaited)) = &mut state.members[nth].turn {
                    *awaited = false;
                }
            }
            Action::Tell(nth) => {
                if let Some(stands) = state.members[nth].stands.take() {
                    state.told = stands;
                }
            }
            Action::Crash(nth) => {
                state.left.crashes -= 1;
                state.not_awaited(nth);
                state.members[nth] = Member::new();
                if state
                    .claiming
                    .is_some_and(|claiming| claiming.member == nth)
                {
                    state.claiming = None;
                }
                if state.owner == nth {
                    state.assign(nth);
                }
            }
            Action::Replicate => state.copy = state.db.clone(),
            Action::FailOver => {
                state.left.failovers -= 1;
                state.db = state.copy.clone();
                // Every connection is gone, and whoever waited asks again.
                state.pending.clear();
                if let Some(claiming) = state.claiming.take() {
                    let member = &mut state.members[claiming.member];
                    let generation = claiming.generation;
                    member.asks = Some(Ask::Claim { generation });
                }
                for member in &mut state.members {
                    if let Some((_, awaited)) = &mut member.turn {
                        *awaited = false;
                    }
                }
            }
        }
    }

    /// A member hears that its assignment has ended.
    fn hear(&self, state: &mut State, nth: usize) {
        let at_database = state
            .claiming
            .is_some_and(|claiming| claiming.member == nth);
        let member = &mut state.members[nth];
        let Some(generation) = member.assignment else {
            return;
        };
        if !self.keeps(Rule::RevokedIsDropped) {
            // It goes on as if nothing had been said.
            return;
        }
        member.assignment = None;
        if self.keeps(Rule::ClaimCheckedAfter) || !at_database {
            member.ownership.revoked(&partition(), generation);
        }
        member.queue.clear();
        member.fetches = None;
        member.stands = None;
        // What is at the database goes on there; nobody tries it again.
        member.turn = None;
    }

    /// Whether what belongs to this assignment still counts.
    fn is_present(&self, member: &Member, generation: u64) -> bool {
        member.assignment == Some(generation)
    }

    fn lock(&self, state: &mut State, nth: usize) {
        let member = &mut state.members[nth];
        let Some(Ask::Claim { generation }) = member.asks.take() else {
            return;
        };
        let late = !self.is_present(member, generation);
        if late && self.keeps(Rule::ClaimCheckedBefore) {
            return;
        }
        state.claiming = Some(Claiming {
            member: nth,
            generation,
            late,
        });
    }

    fn claim(&self, state: &mut State, answered: bool) {
        let Some(claiming) = state.claiming.take() else {
            return;
        };
        let (nth, generation) = (claiming.member, claiming.generation);
        let row = match state.db.row {
            Some(row) => Owned {
                epoch: row.epoch + 1,
                ..row
            },
            None => Owned {
                next_offset: None,
                epoch: 1,
            },
        };
        state.db.row = Some(row);
        state.taken_by_the_past |= claiming.late;
        let member = &mut state.members[nth];
        if !self.is_present(member, generation) && self.keeps(Rule::ClaimCheckedAfter) {
            return;
        }
        let row = answered.then_some(row);
        let order = member.ownership.claimed(&partition(), generation, row);
        self.carry_out(state, nth, order);
    }

    fn carry_out(&self, state: &mut State, nth: usize, order: Option<Order>) {
        let told = state.told;
        let member = &mut state.members[nth];
        match order {
            Some(Order::Claim { assignment, .. }) => {
                let generation = assignment.generation();
                member.asks = Some(Ask::Claim { generation });
            }
            Some(Order::Read { assignment, .. }) => {
                let generation = assignment.generation();
                member.asks = Some(Ask::Read { generation });
            }
            Some(Order::Start { owned, .. }) => {
                if self.keeps(Rule::BufferDropped) {
                    member.queue.clear();
                }
                member.fetches = Some(if self.keeps(Rule::SeekToDatabase) {
                    owned.next_offset.unwrap_or(0)
                } else {
                    told
                });
            }
            None => {}
        }
    }

    fn gather(&self, state: &mut State, nth: usize) {
        let member = &mut state.members[nth];
        let Some((assignment, owned)) = member.ownership.running(&partition()) else {
            return;
        };
        let generation = assignment.generation();
        let records = std::mem::take(&mut member.queue);
        let Some(last) = records.last() else { return };
        if member.assignment != Some(generation) {
            state.begun_by_the_past = true;
        }
        member.turn = Some((
            Turn {
                generation,
                epoch: owned.epoch,
                from: owned.next_offset,
                to: last + 1,
                records,
            },
            false,
        ));
    }

    fn execute(&self, state: &mut State, pending: &Pending, answered: bool) {
        state.pending.remove(pending);
        let turn = &pending.turn;
        let row = state.db.row.filter(|row| {
            (row.epoch == turn.epoch || !self.keeps(Rule::EpochCompared))
                && (row.next_offset == turn.from || !self.keeps(Rule::PositionCompared))
        });
        if !self.keeps(Rule::OneTransaction) && !pending.effect_done {
            if row.is_some() {
                state.db.apply(&turn.records);
                state.pending.insert(Pending {
                    effect_done: true,
                    ..pending.clone()
                });
                return;
            }
        } else if let Some(row) = row {
            state.moved_by_the_past |= row.epoch != turn.epoch;
            if !pending.effect_done {
                state.db.apply(&turn.records);
            }
            state.db.row = Some(Owned {
                next_offset: Some(turn.to),
                ..row
            });
        }
        if !pending.awaited {
            return;
        }
        let nth = pending.member;
        let member = &mut state.members[nth];
        if !answered {
            if let Some((_, awaited)) = &mut member.turn {
                *awaited = false;
            }
            return;
        }
        member.turn = None;
        let generation = turn.generation;
        if row.is_some() {
            if member
                .ownership
                .committed(&partition(), generation, turn.to)
            {
                member.stands = Some(turn.to);
            }
            return;
        }
        let order = member.ownership.lost(&partition(), generation);
        self.lost(state, nth, order, &turn.records);
    }

    /// The partition does not stand where the member believed.
    fn lost(&self, state: &mut State, nth: usize, order: Option<Order>, undecided: &[i64]) {
        let member = &mut state.members[nth];
        if order.is_some() {
            member.fetches = None;
            if self.keeps(Rule::BufferDropped) {
                member.queue.clear();
            } else {
                // What could not be decided is tried again with the rest.
                let rest = std::mem::take(&mut member.queue);
                member.queue = undecided.iter().copied().chain(rest).collect();
            }
        }
        self.carry_out(state, nth, order);
    }
}

impl Member {
    /// A member that has just started.
    pub(super) fn new() -> Self {
        Self {
            assignment: None,
            ownership: Ownership::default(),
            asks: None,
            queue: Vec::new(),
            fetches: None,
            turn: None,
            stands: None,
        }
    }
}

impl State {
    /// The group gives the partition to a member.
    pub(super) fn assign(&mut self, nth: usize) {
        self.owner = nth;
        self.generation += 1;
        let generation = self.generation;
        let member = &mut self.members[nth];
        // The flag inside is not used here: who has heard of what is the model's own business.
        let order = member
            .ownership
            .assigned(partition(), Assignment::new(generation));
        member.assignment = Some(generation);
        member.queue.clear();
        member.fetches = None;
        member.turn = None;
        member.stands = None;
        self.not_awaited(nth);
        if let Order::Claim { .. } = order {
            self.members[nth].asks = Some(Ask::Claim { generation });
        }
    }

    fn not_awaited(&mut self, nth: usize) {
        let pending = std::mem::take(&mut self.pending);
        self.pending = pending
            .into_iter()
            .map(|pending| Pending {
                awaited: pending.awaited && pending.member != nth,
                ..pending
            })
            .collect();
    }
}

impl super::Database {
    fn apply(&mut self, records: &[i64]) {
        for record in records {
            let nth = usize::try_from(*record).unwrap_or(0);
            if let Some(times) = self.applied.get_mut(nth) {
                *times = (*times + 1).min(2);
            }
        }
    }
}

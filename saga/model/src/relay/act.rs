//! What can happen, and what comes of it.

use boxoffice_relay::progress::{Next, Progress, after_page};
use boxoffice_relay::window::Window;

use super::{Fate, Hold, Relay, Row, Rule, Sent, Stage, State, WriterStep};

/// Something that happens. Writers and processes are named by their place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A writer's next step: begin, lock, draw and write, commit.
    Write(usize),
    /// A writer rolls back.
    RollBack(usize),
    /// A lease whose holder is gone ends.
    LeaseEnds,
    /// A lease ends, and its holder does not know.
    LeaseEndsUnnoticed,
    /// A relay takes the cursor.
    Claim(usize),
    /// A relay looks for news.
    Look(usize),
    /// It takes S2.
    Open(usize),
    /// It reads a page and gives it to its producer.
    Read(usize),
    /// Kafka takes the nth record of what is on its way.
    Deliver(usize, usize),
    /// Kafka takes the nth record of what an earlier hold has left behind.
    DeliverStray(usize, usize),
    /// Kafka refuses the nth record of what is on its way, for good.
    Refuse(usize, usize),
    /// The producer gives it up.
    GiveUp(usize, usize),
    /// The relay has all answers that it will get, and moves the cursor or stops.
    Answered(usize),
    /// Tables behind the cursor are emptied.
    Recycle(usize),
    /// A relay is no more.
    Crash(usize),
    /// The database server crashes and starts again.
    DatabaseCrash,
}

impl Relay {
    /// What happens by itself.
    pub(super) fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        let mut planned: Vec<u8> = Vec::new();
        for (nth, writer) in state.db.writers.iter().enumerate() {
            let possible = match writer.step {
                // All that have not begun and write the same booking are alike.
                WriterStep::Waiting if planned.contains(&writer.booking) => false,
                WriterStep::Waiting => {
                    planned.push(writer.booking);
                    true
                }
                WriterStep::Begun { early, .. } => {
                    let draws_first = !self.keeps(Rule::BookingLocked) && early.is_none();
                    draws_first || !state.db.is_locked(writer.booking)
                }
                WriterStep::Locked { .. } | WriterStep::Written(_) => true,
                WriterStep::Ended => false,
            };
            if possible {
                actions.push(Action::Write(nth));
            }
        }
        let holder_lives = state.processes.iter().any(|process| {
            process
                .hold
                .as_ref()
                .is_some_and(|hold| hold.epoch == state.db.cursor.epoch)
        });
        if state.db.cursor.leased && !holder_lives {
            actions.push(Action::LeaseEnds);
        }
        for (nth, process) in state.processes.iter().enumerate() {
            for (at, sent) in process.on_their_way.iter().enumerate() {
                if sent.fate == Fate::UnderWay && self.may_arrive(&process.on_their_way, at) {
                    actions.push(Action::Deliver(nth, at));
                }
            }
            for (at, sent) in process.strays.iter().enumerate() {
                if sent.fate == Fate::UnderWay && self.may_arrive(&process.strays, at) {
                    actions.push(Action::DeliverStray(nth, at));
                }
            }
            match &process.hold {
                None if !state.db.cursor.leased => actions.push(Action::Claim(nth)),
                None => {}
                Some(hold) => match &hold.stage {
                    Stage::News => actions.push(Action::Open(nth)),
                    Stage::Publishing { .. } => {
                        let failed = |sent: &Sent| sent.fate.is_failure();
                        let known = |sent: &Sent| sent.fate != Fate::UnderWay;
                        let answers = &process.on_their_way;
                        // Answers are awaited in order: the first failure ends it.
                        let first = answers.iter().position(failed).unwrap_or(answers.len());
                        if answers[..first].iter().all(known) {
                            actions.push(Action::Answered(nth));
                        }
                    }
                    Stage::Ready
                        if hold.progress.window().is_some() || !self.keeps(Rule::Visibility) =>
                    {
                        actions.push(Action::Read(nth));
                    }
                    Stage::Ready => {
                        actions.push(Action::Look(nth));
                        if state.left.recyclings > 0 {
                            actions.push(Action::Recycle(nth));
                        }
                    }
                },
            }
        }
    }

    /// What goes wrong.
    pub(super) fn mishaps(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        if left.rollbacks > 0 {
            let running = state.db.writers.iter().enumerate();
            actions.extend(
                running
                    .filter(|(_, writer)| writer.step.running().is_some())
                    .map(|(nth, _)| Action::RollBack(nth)),
            );
        }
        let held = state.processes.iter().any(|process| process.hold.is_some());
        if left.zombies > 0 && held && state.db.cursor.leased {
            actions.push(Action::LeaseEndsUnnoticed);
        }
        for (nth, process) in state.processes.iter().enumerate() {
            if left.crashes > 0 && (process.hold.is_some() || !process.strays.is_empty()) {
                actions.push(Action::Crash(nth));
            }
            for (at, sent) in process.on_their_way.iter().enumerate() {
                if sent.fate != Fate::UnderWay || !self.may_arrive(&process.on_their_way, at) {
                    continue;
                }
                if left.refusals > 0 {
                    actions.push(Action::Refuse(nth, at));
                }
                if left.timeouts > 0 && !self.keeps(Rule::NoMessageTimeout) {
                    actions.push(Action::GiveUp(nth, at));
                }
            }
        }
        if left.database_crashes > 0 {
            actions.push(Action::DatabaseCrash);
        }
    }

    /// Records of one booking reach the topic in the order in which they were enqueued; others do not wait for
    /// them. After one that was refused, a gapless producer delivers none.
    fn may_arrive(&self, queue: &[Sent], at: usize) -> bool {
        queue[..at]
            .iter()
            .filter(|sent| sent.row.booking == queue[at].row.booking)
            .all(|sent| match sent.fate {
                Fate::Delivered => true,
                Fate::UnderWay => false,
                Fate::Refused => !self.keeps(Rule::GaplessProducer),
                // No producer waits for what it gave up.
                Fate::GivenUp => true,
            })
    }

    pub(super) fn act(&self, state: &mut State, action: Action) {
        match action {
            Action::Write(nth) => self.write(state, nth),
            Action::RollBack(nth) => {
                state.left.rollbacks -= 1;
                state.db.end(nth, false);
            }
            Action::LeaseEnds => state.db.cursor.leased = false,
            Action::LeaseEndsUnnoticed => {
                state.left.zombies -= 1;
                state.db.cursor.leased = false;
            }
            Action::Claim(nth) => claim(state, nth),
            Action::Look(nth) => {
                let (now, drawn) = (state.db.snapshot(), state.db.drawn);
                if let Some(hold) = &mut state.processes[nth].hold
                    && hold.progress.looked(drawn, &now)
                {
                    hold.stage = Stage::News;
                }
            }
            Action::Open(nth) => self.open(state, nth),
            Action::Read(nth) => self.read(state, nth),
            Action::Deliver(nth, at) => {
                let row = arrived(&mut state.processes[nth].on_their_way[at]);
                deliver(state, &row);
            }
            Action::DeliverStray(nth, at) => {
                let row = arrived(&mut state.processes[nth].strays[at]);
                deliver(state, &row);
            }
            Action::Refuse(nth, at) => {
                state.left.refusals -= 1;
                state.processes[nth].on_their_way[at].fate = Fate::Refused;
            }
            Action::GiveUp(nth, at) => {
                state.left.timeouts -= 1;
                state.processes[nth].on_their_way[at].fate = Fate::GivenUp;
            }
            Action::Answered(nth) => self.answered(state, nth),
            Action::Recycle(nth) => self.recycle(state, nth),
            Action::Crash(nth) => {
                state.left.crashes -= 1;
                state.processes[nth].hold = None;
                state.processes[nth].on_their_way.clear();
                state.processes[nth].strays.clear();
            }
            Action::DatabaseCrash => {
                state.left.database_crashes -= 1;
                for nth in 0..state.db.writers.len() {
                    state.db.end(nth, false);
                }
                state.db.cursor = state.db.durable.clone();
                // Every relay finds its connection gone.
                for nth in 0..state.processes.len() {
                    self.stop(state, nth);
                }
            }
        }
    }

    fn write(&self, state: &mut State, nth: usize) {
        let db = &mut state.db;
        let booking = db.writers[nth].booking;
        let next = db.sequences[usize::from(booking)] + 1;
        db.writers[nth].step = match db.writers[nth].step.clone() {
            WriterStep::Waiting => WriterStep::Begun {
                xact: db.give_id(),
                early: None,
            },
            WriterStep::Begun { xact, early: None } if !self.keeps(Rule::BookingLocked) => {
                WriterStep::Begun {
                    xact,
                    early: Some(db.draw()),
                }
            }
            WriterStep::Begun { xact, early } => WriterStep::Locked {
                xact,
                early,
                sequence: next,
            },
            WriterStep::Locked {
                xact,
                early,
                sequence,
            } => WriterStep::Written(Row {
                position: early.unwrap_or_else(|| db.draw()),
                xact,
                booking,
                sequence,
            }),
            WriterStep::Written(_) => return db.end(nth, true),
            WriterStep::Ended => return,
        };
    }

    fn open(&self, state: &mut State, nth: usize) {
        let Some(hold) = &mut state.processes[nth].hold else {
            return;
        };
        let drawn = if self.keeps(Rule::DrawnWitnessed) {
            hold.progress.drawn()
        } else {
            state.db.drawn
        };
        if hold.epoch != state.db.cursor.epoch && self.keeps(Rule::EpochCompared) {
            return self.stop(state, nth);
        }
        let s2 = state.db.snapshot();
        hold.progress.opened(s2.clone(), drawn);
        hold.stage = Stage::Ready;
        if self.keeps(Rule::WindowPersisted) {
            state.db.cursor.s2 = Some((s2, drawn));
            state.db.cursor.last_position = 0;
        } else {
            // Only how far it came is written down, so that is where it goes on.
            hold.progress.advanced(state.db.cursor.last_position);
        }
        state.db.cursor.leased = true;
        state.db.own_commit();
    }

    fn read(&self, state: &mut State, nth: usize) {
        let process = &mut state.processes[nth];
        let Some(hold) = &mut process.hold else {
            return;
        };
        let in_window = |row: &&Row| match hold.progress.window() {
            Some((window, after)) => row.position > after && window.contains(row.xact),
            None => row.position > state.db.cursor.last_position,
        };
        let mut rows: Vec<Row> = state.db.outbox.iter().filter(in_window).cloned().collect();
        if !self.keeps(Rule::OrderByPosition) {
            rows.sort_by_key(|row| row.xact);
        }
        let more = rows.len() > self.page;
        rows.truncate(self.page);
        let Some(last) = rows.last().map(|row| row.position) else {
            if hold.progress.window().is_some() {
                self.finish(state, nth);
            }
            return;
        };
        hold.stage = Stage::Publishing { last, more };
        process.on_their_way = rows
            .into_iter()
            .map(|row| Sent {
                row,
                fate: Fate::UnderWay,
            })
            .collect();
    }

    fn answered(&self, state: &mut State, nth: usize) {
        let Some(hold) = &state.processes[nth].hold else {
            return;
        };
        let Stage::Publishing { last, more } = hold.stage else {
            return;
        };
        let sent = &state.processes[nth].on_their_way;
        let failed = sent.iter().position(|sent| sent.fate.is_failure());
        if let Some(failed) = failed
            && self.keeps(Rule::NeverPass)
        {
            // What is acknowledged before it is written down, and the next start begins at the refused one.
            if let Some(before) = failed.checked_sub(1) {
                let position = sent[before].row.position;
                if !self.advance(state, nth, position) {
                    return;
                }
            }
            if state.processes[nth]
                .hold
                .as_ref()
                .is_some_and(|hold| hold.epoch == state.db.cursor.epoch)
            {
                state.db.cursor.leased = false;
            }
            return self.stop(state, nth);
        }
        state.processes[nth].on_their_way.clear();
        // Without windows there is none to be finished.
        match after_page(Some(last), more || !self.keeps(Rule::Visibility)) {
            Next::Advance(position) => {
                self.advance(state, nth, position);
            }
            Next::Finish => self.finish(state, nth),
        }
    }

    /// Whether the cursor was ours.
    fn advance(&self, state: &mut State, nth: usize, position: i64) -> bool {
        let Some(hold) = &mut state.processes[nth].hold else {
            return false;
        };
        if hold.epoch != state.db.cursor.epoch && self.keeps(Rule::EpochCompared) {
            self.stop(state, nth);
            return false;
        }
        hold.progress.advanced(position);
        hold.stage = Stage::Ready;
        state.db.cursor.last_position = position;
        state.db.cursor.leased = true;
        state.db.own_commit();
        true
    }

    fn finish(&self, state: &mut State, nth: usize) {
        let Some(hold) = &mut state.processes[nth].hold else {
            return;
        };
        if hold.epoch != state.db.cursor.epoch && self.keeps(Rule::EpochCompared) {
            return self.stop(state, nth);
        }
        let Some(s1) = hold.progress.finishes_at().cloned() else {
            return;
        };
        hold.progress.finished();
        hold.stage = Stage::Ready;
        state.db.cursor.s1 = s1;
        state.db.cursor.s2 = None;
        state.db.cursor.last_position = 0;
        state.db.cursor.leased = true;
        state.db.own_commit();
    }

    fn recycle(&self, state: &mut State, nth: usize) {
        let Some(hold) = &state.processes[nth].hold else {
            return;
        };
        state.left.recyclings -= 1;
        let bound = if self.keeps(Rule::DropBehindCursor) {
            hold.progress.floor()
        } else {
            state.db.drawn
        };
        // Looked at again under the lock of the table.
        if hold.epoch == state.db.cursor.epoch {
            state.db.outbox.retain(|row| row.position > bound);
        }
    }

    /// The relay lets go of the cursor. It begins anew with another producer.
    fn stop(&self, state: &mut State, nth: usize) {
        let process = &mut state.processes[nth];
        process.hold = None;
        let left = std::mem::take(&mut process.on_their_way);
        if !self.keeps(Rule::Purge) && left.iter().any(|sent| sent.fate == Fate::UnderWay) {
            process.strays = left;
        }
    }
}

fn claim(state: &mut State, nth: usize) {
    let cursor = &mut state.db.cursor;
    cursor.epoch += 1;
    cursor.leased = true;
    let s2 = cursor.s2.clone();
    let window = s2.map(|(s2, drawn)| Window::new(&cursor.s1, s2, drawn));
    let progress = Progress::claimed(
        cursor.s1.clone(),
        window,
        cursor.last_position,
        state.db.drawn,
    );
    state.processes[nth].hold = Some(Hold {
        epoch: cursor.epoch,
        progress,
        stage: Stage::Ready,
    });
    state.db.own_commit();
}

fn arrived(sent: &mut Sent) -> Row {
    sent.fate = Fate::Delivered;
    sent.row.clone()
}

fn deliver(state: &mut State, row: &Row) {
    let booking = usize::from(row.booking);
    if row.sequence > state.db.sequences[booking] {
        state.uncommitted = true;
    }
    let delivered = &mut state.delivered[booking];
    if row.sequence == *delivered + 1 {
        *delivered = row.sequence;
    } else if row.sequence > *delivered {
        state.out_of_order = true;
    }
}

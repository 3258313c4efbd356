//! What can happen, and what comes of it.

use boxoffice_saga::refund::RefundStanding;

use super::{
    AttemptRow, CALL_S, GatewayRefund, Grip, Hand, LEASE_S, Lease, Made, Mood, Outcome, Request,
    Rule, Said, State, Step, TICKS,
};

/// Something that happens. Workers are named by their place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Time passes: the nth of [`TICKS`].
    Tick(usize),
    /// A worker leases a task.
    Lease(usize),
    /// It reads the rows and decides what to begin with.
    Begin(usize),
    /// It looks up what the gateway has.
    LookUp(usize),
    /// It asks how the known refund stands.
    Follow(usize),
    /// The gateway will not answer that question.
    Refused(usize),
    /// It sends the request.
    Send(usize),
    /// The nth request arrives at a gateway in this mood.
    Arrive(usize, Mood),
    /// It will have no answer.
    NoAnswer(usize),
    /// It brings its answer back.
    Bring(usize),
    /// The worker is no more.
    Crash(usize),
    /// The gateway finishes its nth refund, or it comes back.
    Finish(usize, GatewayRefund),
    /// An operator has it made again.
    Retry,
    /// A webhook about the nth refund is decided.
    Webhook(usize),
}

impl Lease {
    pub(super) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        actions.extend(
            (0..TICKS.len())
                .filter(|nth| left.ticks[*nth] > 0)
                .map(Action::Tick),
        );
        for (nth, hand) in state.hands.iter().enumerate() {
            if left.crashes > 0 && *hand != Hand::Free {
                actions.push(Action::Crash(nth));
            }
            match hand {
                Hand::Free => {
                    // Workers without work are alike.
                    let first = state.hands.iter().position(|hand| *hand == Hand::Free);
                    if first == Some(nth) && state.due().is_some() {
                        actions.push(Action::Lease(nth));
                    }
                }
                Hand::Leased(_) => actions.push(Action::Begin(nth)),
                Hand::Next(_, Step::Answer(_)) => actions.push(Action::Bring(nth)),
                Hand::Next(grip, step) => {
                    let in_time =
                        state.now <= grip.deadline || !self.keeps(Rule::DeadlineBeforeCall);
                    if in_time {
                        actions.push(match step {
                            Step::LookUp => Action::LookUp(nth),
                            Step::Follow => Action::Follow(nth),
                            Step::Ask | Step::Answer(_) => Action::Send(nth),
                        });
                        if left.refused > 0 && *step != Step::Ask {
                            actions.push(Action::Refused(nth));
                        }
                        if left.lost > 0 && *step != Step::Ask {
                            actions.push(Action::NoAnswer(nth));
                        }
                    } else {
                        // It gives up, and says nothing: the lease runs out.
                        actions.push(Action::Crash(nth));
                    }
                }
                Hand::Waiting(grip) => {
                    if left.lost > 0 || state.now > grip.deadline {
                        actions.push(Action::NoAnswer(nth));
                    }
                }
            }
        }
        if left.retries > 0 && state.books.refund.standing == RefundStanding::WithOperator {
            actions.push(Action::Retry);
        }
        for (nth, request) in state.wire.iter().enumerate() {
            actions.push(Action::Arrive(nth, Mood::Does));
            if state.gateway.is_new(request.generation, state.now) {
                actions.push(Action::Arrive(nth, Mood::Accepts));
                if left.breaks > 0 {
                    actions.push(Action::Arrive(nth, Mood::BreaksBefore));
                    actions.push(Action::Arrive(nth, Mood::BreaksAfter));
                }
                if left.declines > 0 {
                    actions.push(Action::Arrive(nth, Mood::Declines));
                }
            }
        }
        for (nth, refund) in state.gateway.refunds.iter().enumerate() {
            if refund.state == GatewayRefund::Pending {
                actions.push(Action::Finish(nth, GatewayRefund::Succeeded));
            }
            if refund.state != GatewayRefund::Failed && left.failures > 0 {
                actions.push(Action::Finish(nth, GatewayRefund::Failed));
            }
            actions.push(Action::Webhook(nth));
        }
    }

    pub(super) fn act(&self, state: &mut State, action: Action) {
        let now = state.now;
        match action {
            Action::Tick(nth) => {
                state.left.ticks[nth] -= 1;
                state.now += TICKS[nth];
            }
            Action::Lease(nth) => self.lease(state, nth),
            Action::Begin(nth) => {
                if let Hand::Leased(grip) = take(state, nth) {
                    let step = self.begin(state, &grip);
                    state.hands[nth] = Hand::Next(grip, step);
                }
            }
            Action::LookUp(nth) => {
                if let Hand::Next(grip, _) = take(state, nth) {
                    let found = Some(state.gateway.refunds.as_slice());
                    let step = match state.books.looked_up(&self.told(&grip), found) {
                        // The look took its time.
                        Step::Ask => self.fenced(state, &grip),
                        step => step,
                    };
                    let step = match step {
                        Step::LookUp => Step::Ask,
                        step => step,
                    };
                    state.hands[nth] = Hand::Next(grip, step);
                }
            }
            Action::Follow(nth) => {
                if let (Hand::Next(grip, _), Some(known)) =
                    (take(state, nth), state.books.refund.known_as)
                {
                    let said = Said::Told(known, state.gateway.refunds[known]);
                    state.hands[nth] = Hand::Next(grip, Step::Answer(said));
                }
            }
            Action::Refused(nth) => {
                state.left.refused -= 1;
                if let Hand::Next(grip, step) = take(state, nth) {
                    let answer = match step {
                        _ if !self.keeps(Rule::RefusedQuestionIsNoAnswer) => {
                            Step::Answer(Said::Declined)
                        }
                        Step::LookUp => state.books.looked_up(&grip, None),
                        _ => state.books.followed_in_vain(),
                    };
                    state.hands[nth] = Hand::Next(grip, answer);
                }
            }
            Action::Send(nth) => {
                if let Hand::Next(grip, _) = take(state, nth) {
                    state.wire.push(Request {
                        generation: grip.generation,
                        token: grip.token,
                        until: if self.keeps(Rule::DeadlineBeforeCall) {
                            grip.deadline
                        } else {
                            now + self.call()
                        },
                    });
                    state.hands[nth] = Hand::Waiting(grip);
                }
            }
            Action::Arrive(nth, mood) => arrive(state, nth, mood),
            Action::NoAnswer(nth) => {
                state.left.lost = state.left.lost.saturating_sub(1);
                if let Hand::Next(grip, _) | Hand::Waiting(grip) = take(state, nth) {
                    state.hands[nth] = Hand::Next(grip, Step::Answer(Said::Unknown));
                }
            }
            Action::Bring(nth) => {
                if let Hand::Next(grip, Step::Answer(said)) = take(state, nth) {
                    self.bring(state, &grip, said);
                }
            }
            Action::Crash(nth) => {
                let late = matches!(&state.hands[nth], Hand::Next(grip, _) if now > grip.deadline);
                if !late {
                    state.left.crashes -= 1;
                }
                take(state, nth);
            }
            Action::Finish(nth, into) => {
                if into == GatewayRefund::Failed {
                    state.left.failures -= 1;
                }
                state.gateway.refunds[nth].state = into;
            }
            Action::Retry => {
                state.left.retries -= 1;
                state.books.retried(now);
            }
            Action::Webhook(nth) => {
                let refund = state.gateway.refunds[nth];
                state.books.told(now, nth, refund);
            }
        }
    }

    fn call(&self) -> u32 {
        if self.keeps(Rule::CallWithinLease) {
            CALL_S
        } else {
            LEASE_S * 2
        }
    }

    fn lease(&self, state: &mut State, nth: usize) {
        let Some(at) = state.due() else { return };
        let token = state.next_token;
        state.next_token += 1;
        let now = state.now;
        let task = &mut state.books.tasks[at];
        task.attempts += 1;
        task.lease = Some((token, now + LEASE_S));
        let (generation, attempt) = (task.generation, task.attempts);
        let before = |row: &&AttemptRow| (row.generation, row.attempt) < (generation, attempt);
        let earlier = state.books.attempts.iter().filter(before).cloned();
        let earlier = earlier.collect();
        let deadline = now + self.call();
        // One of an earlier go of the same name stays as it is.
        let is_new = |row: &AttemptRow| (row.generation, row.attempt) != (generation, attempt);
        if self.keeps(Rule::AttemptWritten) && state.books.attempts.iter().all(is_new) {
            state.books.attempts.push(AttemptRow {
                generation,
                attempt,
                started: now,
                deadline,
                answer: None,
            });
        }
        state.hands[nth] = Hand::Leased(Grip {
            generation,
            attempt,
            token,
            now,
            deadline,
            earlier: if attempt > 1 || self.keeps(Rule::EarlierGenerations) {
                earlier
            } else {
                Vec::new()
            },
        });
    }

    fn begin(&self, state: &State, grip: &Grip) -> Step {
        let step = self.fenced(state, grip);
        match step {
            // Every try has a key of its own.
            Step::LookUp if !self.keeps(Rule::NothingAlive) => {
                if grip.attempt > 1 {
                    Step::Answer(Said::NothingAlive)
                } else {
                    Step::Ask
                }
            }
            Step::LookUp => match state.books.looked_up(&self.told(grip), Some(&[])) {
                // What it would come to if nothing were found says what the look-up is for.
                Step::Ask if !self.keeps(Rule::LookUpBeforeRepeat) => Step::Ask,
                Step::Answer(Said::NothingAlive) if !self.keeps(Rule::LookUpBeforeNewKey) => {
                    Step::Answer(Said::NothingAlive)
                }
                _ => step,
            },
            _ => step,
        }
    }

    /// The fence, and what the try is to do next behind it.
    fn fenced(&self, state: &State, grip: &Grip) -> Step {
        let mut grip = grip.clone();
        if !self.keeps(Rule::DeadlineBeforeCall) {
            grip.deadline = u32::MAX;
        }
        if grip.generation > 1 && !self.keeps(Rule::EarlierGenerations) && grip.attempt == 1 {
            // As if it were the first.
            return Step::Ask;
        }
        match state
            .books
            .first(state.now, &grip, self.keeps(Rule::Current))
        {
            Step::Answer(Said::Declined) if !self.keeps(Rule::Stands) => Step::Ask,
            step => step,
        }
    }

    /// What a worker knows of earlier attempts, as far as rules are kept.
    fn told(&self, grip: &Grip) -> Grip {
        let mut grip = grip.clone();
        for attempt in &mut grip.earlier {
            if !self.keeps(Rule::EarlierDeadlines) {
                attempt.deadline = 0;
            }
            if !self.keeps(Rule::KeyLives) {
                attempt.started = grip.now;
            }
        }
        if !self.keeps(Rule::EarlierDeadlines) {
            grip.now = grip.now.max(1);
        }
        grip
    }

    fn bring(&self, state: &mut State, grip: &Grip, said: Said) {
        let named = |task: &&super::TaskRow| task.generation == grip.generation;
        let held = state
            .books
            .tasks
            .iter()
            .find(named)
            .is_some_and(|task| task.lease.is_some_and(|(token, _)| token == grip.token));
        if matches!(said, Said::Told(..)) && !held && !self.keeps(Rule::LateAnswerRecorded) {
            state.books.recorded(grip, said);
            return;
        }
        let held = held || !self.keeps(Rule::LeaseCompared);
        state.books.brought(state.now, grip, said, held);
    }
}

impl State {
    /// The task that is next, if one is due and in nobody's hand.
    fn due(&self) -> Option<usize> {
        self.books.tasks.iter().position(|task| {
            task.due <= self.now && task.lease.is_none_or(|(_, until)| until < self.now)
        })
    }
}

fn take(state: &mut State, nth: usize) -> Hand {
    std::mem::replace(&mut state.hands[nth], Hand::Free)
}

fn arrive(state: &mut State, nth: usize, mood: Mood) {
    match mood {
        Mood::BreaksBefore | Mood::BreaksAfter => state.left.breaks -= 1,
        Mood::Declines => state.left.declines -= 1,
        Mood::Does | Mood::Accepts => {}
    }
    let request = state.wire.remove(nth);
    let outcome = state.gateway.take(request.generation, mood, state.now);
    let said = match outcome {
        Outcome::Made(nth) => Said::Told(nth, state.gateway.refunds[nth]),
        Outcome::Broke => Said::Unknown,
        // A decline is believed only after a look at what there is.
        Outcome::Declined => {
            let alive = |made: &Made| made.state != GatewayRefund::Failed;
            match state.gateway.refunds.iter().position(alive) {
                Some(nth) => Said::Told(nth, state.gateway.refunds[nth]),
                None => Said::Declined,
            }
        }
    };
    for hand in &mut state.hands {
        if let Hand::Waiting(grip) = hand
            && grip.token == request.token
        {
            *hand = Hand::Next(grip.clone(), Step::Answer(said));
        }
    }
}

//! What can happen, and what comes of it.

use boxoffice_saga::booking::{BookingState, CancelledBy};
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId};
use boxoffice_saga::input::Input;
use boxoffice_saga::payment::{CaptureMode, DisputeStanding, PaymentStanding};
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::show_cancellation;
use boxoffice_saga::task::{TaskKey, TaskKind};

use super::gateway::Paid;
use super::rows::Turned;
use super::{GAPLESS, Hall, ONLY_ONCE, State, names, rows};

/// How the gateway takes a request for a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mood {
    /// It is done at once.
    Does,
    /// It is accepted and not finished.
    Accepts,
    /// It says no.
    Declines,
}

/// Something that happens. Bookings and attempts are named by their place in the [`Hall`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The clock moves on.
    Tick,
    /// A timer without a call is due.
    Timer(TaskKey),
    /// The gateway is called for a task.
    Call(TaskKey, Mood),
    /// The nth answer is brought back.
    Bring(usize),
    /// The nth answer is lost.
    Lose(usize),
    /// A call for a task has been without a usable answer for long.
    Unknown(TaskKey),
    /// A worker takes a requested refund on.
    TakeOn(RefundId),
    /// What a question has put into the topic is decided.
    Fetched(usize, PaymentState),
    /// The gateway finishes the nth attempt's refund.
    Finish(usize, usize, RefundState),
    /// A customer asks for the seats of the nth booking.
    Hold(usize),
    /// A customer begins the nth attempt to pay.
    Open(usize),
    /// A customer pays at the gateway; so much too little.
    Pay(usize, i64),
    /// The customer's bank declines.
    Decline(usize),
    /// An authorisation runs out.
    RunOut(usize),
    /// A webhook about a payment is decided.
    Webhook(usize, PaymentState),
    /// A webhook about a refund is decided.
    RefundWebhook(usize, usize, RefundState),
    /// A webhook about a dispute is decided.
    DisputeWebhook(usize, DisputeStanding),
    /// Somebody returns a payment on the gateway's dashboard.
    Dashboard(usize),
    /// The customer's bank disputes a payment, or decides about it.
    Dispute(usize, DisputeStanding),
    /// The nth booking is given up.
    Release(usize),
    /// The nth booking is cancelled.
    Cancel(usize, CancelledBy),
    /// The show is cancelled.
    CancelShow,
    /// An operator has a refund made again.
    Retry(RefundId),
    /// An operator sends its money by another way.
    OtherWay(RefundId),
    /// An operator has proof that it arrived.
    SettledElsewhere(RefundId),
    /// Open business is swept.
    Sweep(usize),
}

impl Hall {
    /// What happens by itself, as long as people work.
    pub(super) fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        if state.tick + 1 < self.ticks {
            actions.push(Action::Tick);
        }
        for key in &state.rows.tasks {
            match key.kind {
                TaskKind::HoldTimer | TaskKind::CancelBooking => {
                    actions.push(Action::Timer(key.clone()));
                }
                _ if state.answers.iter().any(|answer| answer.task == *key) => {}
                _ => actions.push(Action::Call(key.clone(), Mood::Does)),
            }
        }
        actions.extend((0..state.answers.len()).map(Action::Bring));
        let requested = state
            .rows
            .refunds
            .values()
            .filter(|row| row.standing == RefundStanding::Requested);
        actions.extend(requested.map(|row| Action::TakeOn(row.id)));
        let fetched = state.fetched.iter();
        actions.extend(fetched.map(|(nth, fact)| Action::Fetched(*nth, *fact)));
        for (nth, paid) in state.paid() {
            for (back, row) in paid.refunds.iter().enumerate() {
                if row.state == RefundState::Pending {
                    actions.push(Action::Finish(nth, back, RefundState::Succeeded));
                }
            }
        }
    }

    /// What others do, and what goes wrong.
    pub(super) fn happenings(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        for nth in 0..self.bookings.len() {
            match state.rows.bookings.get(&names::booking(nth)) {
                None => actions.push(Action::Hold(nth)),
                Some(row) if left.cancelled > 0 => {
                    if row.state == BookingState::Held {
                        actions.push(Action::Release(nth));
                    }
                    if matches!(row.state, BookingState::Held | BookingState::Confirmed) {
                        actions.push(Action::Cancel(nth, CancelledBy::Customer));
                        actions.push(Action::Cancel(nth, CancelledBy::Operator));
                    }
                }
                Some(_) => {}
            }
            if left.sweeps > 0 {
                actions.push(Action::Sweep(nth));
            }
        }
        if left.show_cancelled > 0 && !state.rows.bookings.is_empty() {
            actions.push(Action::CancelShow);
        }
        if left.lost > 0 {
            actions.extend((0..state.answers.len()).map(Action::Lose));
        }
        for (nth, (of, _)) in self.attempts.iter().enumerate() {
            match &state.gateway[nth] {
                None if state.rows.bookings.contains_key(&names::booking(*of)) => {
                    actions.push(Action::Open(nth));
                }
                None => {}
                Some(paid) => self.at_gateway(state, nth, paid, actions),
            }
        }
        for key in &state.rows.tasks {
            let calls = key.kind.calls();
            if left.unknown > 0 && calls {
                actions.push(Action::Unknown(key.clone()));
            }
            let refund = matches!(key.kind, TaskKind::Refund | TaskKind::MassRefund);
            if refund && !state.answers.iter().any(|answer| answer.task == *key) {
                if left.refund_slow > 0 {
                    actions.push(Action::Call(key.clone(), Mood::Accepts));
                }
                if left.refund_declined > 0 {
                    actions.push(Action::Call(key.clone(), Mood::Declines));
                }
            }
        }
        if left.by_hand > 0 {
            for row in state.rows.refunds.values() {
                if row.standing == RefundStanding::WithOperator {
                    actions.push(Action::Retry(row.id));
                    actions.push(Action::OtherWay(row.id));
                    actions.push(Action::SettledElsewhere(row.id));
                }
            }
        }
    }

    fn at_gateway(&self, state: &State, nth: usize, paid: &Paid, actions: &mut Vec<Action>) {
        let left = &state.left;
        match paid.state {
            PaymentState::Open => {
                actions.push(Action::Pay(nth, 0));
                if left.wrong_amounts > 0 {
                    actions.push(Action::Pay(nth, 1));
                }
                if left.declined > 0 {
                    actions.push(Action::Decline(nth));
                }
            }
            PaymentState::Authorised if left.run_out > 0 => actions.push(Action::RunOut(nth)),
            PaymentState::Captured => {
                if left.dashboard > 0 && paid.left() == paid.captured {
                    actions.push(Action::Dashboard(nth));
                }
                match &paid.dispute {
                    None if left.disputes > 0 => {
                        actions.push(Action::Dispute(nth, DisputeStanding::Opened));
                    }
                    Some((DisputeStanding::Opened, _)) => {
                        actions.push(Action::Dispute(nth, DisputeStanding::Won));
                        actions.push(Action::Dispute(nth, DisputeStanding::Lost));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        actions.extend(paid.told.iter().map(|told| Action::Webhook(nth, *told)));
        for (back, row) in paid.refunds.iter().enumerate() {
            if row.is_alive() && left.refund_failed > 0 {
                actions.push(Action::Finish(nth, back, RefundState::Failed));
            }
            let told = row.told.iter();
            actions.extend(told.map(|told| Action::RefundWebhook(nth, back, *told)));
        }
        if let Some((_, told)) = &paid.dispute {
            let told = told.iter();
            actions.extend(told.map(|told| Action::DisputeWebhook(nth, *told)));
        }
    }

    pub(super) fn act(&self, state: &mut State, action: Action) {
        match action {
            Action::Tick => state.tick += 1,
            Action::Timer(key) => {
                let Some(booking) = state.booking_of(&key) else {
                    return;
                };
                if key.kind == TaskKind::HoldTimer {
                    state.apply(booking, Input::HoldTimer);
                } else {
                    let now = rows::moment(state.tick);
                    let turned = state.rows.turn(now, |world| {
                        show_cancellation::cancel_booking(booking, world);
                    });
                    state.note(turned);
                }
            }
            Action::Call(key, mood) => {
                match mood {
                    Mood::Does => {}
                    Mood::Accepts => state.left.refund_slow -= 1,
                    Mood::Declines => state.left.refund_declined -= 1,
                }
                self.call(state, &key, mood);
            }
            Action::Bring(nth) => {
                let answer = state.answers.remove(nth);
                self.bring(state, &answer);
            }
            Action::Lose(nth) => {
                state.left.lost -= 1;
                state.answers.remove(nth);
            }
            Action::Unknown(key) => {
                state.left.unknown -= 1;
                self.unknown(state, &key);
            }
            Action::TakeOn(refund) => state.about(refund, Input::RefundTaken { refund }),
            Action::Fetched(nth, fact) => {
                state.fetched.remove(&(nth, fact));
                self.told(state, nth, fact);
            }
            Action::Webhook(nth, fact) => self.told(state, nth, fact),
            Action::RefundWebhook(nth, back, told) => state.refund_told(nth, back, told),
            Action::DisputeWebhook(nth, standing) => self.dispute_told(state, nth, standing),
            Action::Hold(nth) => {
                let input = names::hold(nth, &self.bookings[nth]);
                state.apply(names::booking(nth), input);
            }
            Action::Open(nth) => {
                let (of, capture) = self.attempts[nth];
                let input = Input::OpenAttempt {
                    payment: names::payment(nth),
                    account: names::account(),
                    terms: names::terms(),
                    capture,
                };
                state.apply(names::booking(of), input);
                if state.rows.payments.contains_key(&names::payment(nth)) {
                    state.gateway[nth] = Some(Paid::open());
                }
            }
            Action::Release(nth) => {
                state.left.cancelled -= 1;
                state.apply(names::booking(nth), Input::Release);
            }
            Action::Cancel(nth, by) => {
                state.left.cancelled -= 1;
                state.apply(names::booking(nth), Input::Cancel { by });
            }
            Action::CancelShow => {
                state.left.show_cancelled -= 1;
                state.rows.cancel_show();
            }
            Action::Retry(refund) => {
                state.left.by_hand -= 1;
                state.about(refund, Input::RefundRetried { refund });
            }
            Action::OtherWay(refund) => {
                state.left.by_hand -= 1;
                let means = "bank".to_owned();
                state.about(refund, Input::RefundOtherWay { refund, means });
            }
            Action::SettledElsewhere(refund) => {
                state.left.by_hand -= 1;
                let proof = "receipt".to_owned();
                state.about(refund, Input::RefundSettledElsewhere { refund, proof });
            }
            Action::Sweep(nth) => {
                state.left.sweeps -= 1;
                state.apply(names::booking(nth), Input::Swept);
            }
            action => self.elsewhere(state, &action),
        }
    }

    /// What happens at the gateway and is ours to hear of.
    fn elsewhere(&self, state: &mut State, action: &Action) {
        let price = |state: &State, nth: usize| {
            let (of, _) = self.attempts[nth];
            state.price(names::booking(of))
        };
        let (Action::Pay(nth, _)
        | Action::Decline(nth)
        | Action::RunOut(nth)
        | Action::Dashboard(nth)
        | Action::Dispute(nth, _)
        | Action::Finish(nth, _, _)) = *action
        else {
            return;
        };
        let price = price(state, nth);
        let State { gateway, left, .. } = state;
        let Some(paid) = &mut gateway[nth] else {
            return;
        };
        match *action {
            Action::Pay(_, less) => {
                left.wrong_amounts -= u8::from(less > 0);
                if self.attempts[nth].1 == CaptureMode::AfterSeats {
                    paid.becomes(PaymentState::Authorised);
                } else {
                    paid.captured = price - less;
                    paid.becomes(PaymentState::Captured);
                }
            }
            Action::Decline(_) => {
                left.declined -= 1;
                paid.told.insert(PaymentState::Failed);
            }
            Action::RunOut(_) => {
                left.run_out -= 1;
                paid.becomes(PaymentState::Cancelled);
            }
            Action::Dashboard(_) => {
                left.dashboard -= 1;
                paid.refund(None, 0, paid.captured, RefundState::Succeeded);
            }
            Action::Dispute(_, standing) => match &mut paid.dispute {
                None => {
                    left.disputes -= 1;
                    paid.dispute = Some((standing, vec![standing]));
                }
                Some((now, told)) => {
                    *now = standing;
                    told.push(standing);
                }
            },
            Action::Finish(_, back, into) => {
                if into == RefundState::Failed {
                    left.refund_failed -= 1;
                }
                paid.refunds[back].becomes(into);
            }
            _ => {}
        }
    }

    fn told(&self, state: &mut State, nth: usize, fact: PaymentState) {
        let booking = names::booking(self.attempts[nth].0);
        let price = state.price(booking);
        let Some(paid) = &state.gateway[nth] else {
            return;
        };
        let fact = names::payment_fact(nth, booking, paid, fact, price);
        state.hear(booking, Input::Payment(fact));
    }

    fn dispute_told(&self, state: &mut State, nth: usize, standing: DisputeStanding) {
        let booking = names::booking(self.attempts[nth].0);
        let Some(paid) = &state.gateway[nth] else {
            return;
        };
        let fact = names::dispute_fact(nth, paid, standing);
        // Its consumer finds the booking by the gateway's payment id, and until then it is parked.
        if state.knows(nth) {
            state.apply(booking, Input::Dispute(fact));
        }
    }
}

impl State {
    /// What the booking costs.
    pub(super) fn price(&self, booking: BookingId) -> i64 {
        self.rows
            .bookings
            .get(&booking)
            .map_or(0, |row| row.amount.minor)
    }

    /// Whether we know the gateway's id of the nth attempt.
    fn knows(&self, nth: usize) -> bool {
        self.rows
            .payments
            .get(&names::payment(nth))
            .is_some_and(|row| row.standing == PaymentStanding::Captured)
    }

    fn refund_told(&mut self, nth: usize, back: usize, told: RefundState) {
        let Some(row) = self.gateway[nth].as_ref().map(|paid| &paid.refunds[back]) else {
            return;
        };
        let fact = names::refund_fact(nth, back, row, told);
        let booking = self
            .rows
            .payments
            .get(&names::payment(nth))
            .map(|row| row.booking);
        if let Some(booking) = booking.filter(|_| self.knows(nth)) {
            if told == RefundState::Failed {
                self.heard_failed(&fact.gateway_payment_id, &fact.gateway_refund_id);
            }
            self.hear(booking, Input::Refund(fact));
        }
    }

    pub(super) fn heard_failed(&mut self, payment: &str, refund: &str) {
        let paid = names::back(payment).and_then(|nth| self.gateway.get_mut(nth)?.as_mut());
        let back = names::back(refund).and_then(|back| paid?.refunds.get_mut(back));
        if let Some(back) = back {
            back.heard_failed = true;
        }
    }

    /// The booking that a task's turn locks.
    pub(super) fn booking_of(&self, task: &TaskKey) -> Option<BookingId> {
        match task.kind {
            TaskKind::HoldTimer | TaskKind::CancelBooking => BookingId::try_from(task.subject).ok(),
            TaskKind::Refund | TaskKind::MassRefund => {
                let refund = self.rows.refunds.get(&RefundId::from(task.subject));
                refund.map(|row| row.booking)
            }
            _ => {
                let payment = self.rows.payments.get(&PaymentId::from(task.subject));
                payment.map(|row| row.booking)
            }
        }
    }

    fn about(&mut self, refund: RefundId, input: Input) {
        if let Some(booking) = self.rows.refunds.get(&refund).map(|row| row.booking) {
            self.apply(booking, input);
        }
    }

    pub(super) fn apply(&mut self, booking: BookingId, input: Input) {
        let now = rows::moment(self.tick);
        let turned = self.rows.turn(now, |world| {
            world.apply(booking, input);
        });
        self.note(turned);
    }

    /// A fact, which comes again at once: then nothing comes of it.
    fn hear(&mut self, booking: BookingId, input: Input) {
        self.apply(booking, input.clone());
        let now = rows::moment(self.tick);
        let again = self.rows.clone().turn(now, |world| {
            world.apply(booking, input);
        });
        if again.spoke {
            self.wrong = Some(ONLY_ONCE);
        }
    }

    pub(super) fn note(&mut self, turned: Turned) {
        if turned.gap {
            self.wrong = Some(GAPLESS);
        }
    }
}

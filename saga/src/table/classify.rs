//! Which cell an input meets. It looks, and decides nothing.

use std::cmp::Ordering;

use crate::booking::{Booking, BookingState, CancelledBy};
use crate::fact::{DisputeFact, PaymentFact, PaymentState, RefundFact, RefundState};
use crate::identity::{BookingId, PaymentId, RefundId, SeatName, UserId};
use crate::input::{CallAnswer, CaptureAnswer, Input, RefundAnswer, VoidAnswer};
use crate::ledger::Account;
use crate::payment::{CaptureMode, DisputeStanding, Payment, PaymentStanding};
use crate::refund::{Refund, RefundStanding};
use crate::seat::{SeatKey, SeatState, Standing};
use crate::steps::{capture, hint, refund, void};
use crate::table::Cell;
use crate::world::World;

/// The cell that `input` meets in `world`, before it is applied.
pub fn cell(world: &World, booking: BookingId, input: &Input) -> Cell {
    if let Input::Hold { user, seats, .. } = input {
        return hold(world, booking, user, seats, input);
    }
    let Some(row) = world.bookings.get(&booking) else {
        return Cell::NoSuchBooking;
    };
    let here = Here { world, row };
    match input {
        Input::Hold { .. } => Cell::HoldThatCannotBe,
        Input::Release => here.release(),
        Input::Replaced { .. } if row.state == BookingState::Held => Cell::HoldReplacingAnEarlier,
        Input::Replaced { .. } => Cell::ReleaseOfNoHold,
        Input::Cancel { by } => here.cancel(*by),
        Input::HoldTimer => here.timer(),
        Input::OpenAttempt { payment, .. } => here.attempt(*payment),
        Input::AttemptCreated { payment, .. } => here.created(*payment),
        Input::AttemptDeclined { payment } => here.declined(*payment),
        Input::Hint { payment } => here.hint(*payment),
        Input::Payment(fact) => here.payment(fact),
        Input::Refund(fact) => here.refund(fact),
        Input::Dispute(fact) => here.dispute(fact),
        Input::VerifyAnswered {
            payment, answer, ..
        } => here.verified(*payment, answer),
        Input::CaptureAnswered {
            payment,
            attempt,
            answer,
        } => here.captured(*payment, *attempt, answer),
        Input::VoidAnswered {
            payment,
            attempt,
            answer,
            ..
        } => here.voided(*payment, *attempt, answer),
        Input::RefundTaken { refund } => here.taken(*refund),
        Input::RefundRetried { refund } => here.by_hand(*refund, Cell::RefundRetried),
        Input::RefundOtherWay { refund, .. } => here.by_hand(*refund, Cell::RefundOtherWay),
        Input::RefundSettledElsewhere { refund, .. } => {
            here.by_hand(*refund, Cell::RefundSettledElsewhere)
        }
        Input::Swept => Cell::Swept,
        Input::RefundAnswered {
            refund,
            generation,
            attempt,
            answer,
        } => here.refund_answered(*refund, *generation, *attempt, answer),
    }
}

fn hold(world: &World, id: BookingId, user: &UserId, seats: &[SeatName], input: &Input) -> Cell {
    let show = id.show();
    let limit = match input {
        Input::Hold { terms, .. } => usize::from(terms.seat_limit),
        _ => 0,
    };
    let row = |name: &SeatName| {
        world.seats.get(&SeatKey {
            show,
            seat: name.clone(),
        })
    };
    let mut names: Vec<_> = seats.iter().collect();
    names.sort();
    names.dedup();
    if world.bookings.contains_key(&id)
        || seats.is_empty()
        || seats.len() > limit
        || names.len() < seats.len()
        || seats.iter().any(|name| row(name).is_none())
    {
        return Cell::HoldThatCannotBe;
    }
    let earlier = world
        .slots
        .get(&(show, user.clone()))
        .and_then(|booking| world.bookings.get(booking))
        .filter(|booking| booking.state == BookingState::Held);
    if earlier.is_some_and(|row| world.attempt_open(row.id) && world.now < row.reclaim_at) {
        return Cell::HoldWhilePaying;
    }
    let own = |seat: &crate::seat::Seat| {
        earlier.is_some_and(|row| seat.standing(row.id, world.now) == Standing::Mine)
    };
    let mut rows = seats.iter().filter_map(row);
    if rows.any(|seat| seat.standing(id, world.now) == Standing::Taken && !own(seat)) {
        return Cell::HoldOfTakenSeats;
    }
    if earlier.is_some() {
        return Cell::HoldReplacingAnEarlier;
    }
    let mut rows = seats.iter().filter_map(row);
    if rows.any(|seat| seat.state == SeatState::Held) {
        Cell::HoldOfReclaimableSeats
    } else {
        Cell::HoldOfFreeSeats
    }
}

/// One booking in its world.
struct Here<'a> {
    world: &'a World,
    row: &'a Booking,
}

impl Here<'_> {
    fn release(&self) -> Cell {
        match self.row.state {
            BookingState::Held if self.world.attempt_open(self.row.id) => Cell::ReleaseWhilePaying,
            BookingState::Held => Cell::ReleaseOfAHold,
            _ => Cell::ReleaseOfNoHold,
        }
    }

    fn cancel(&self, by: CancelledBy) -> Cell {
        match (self.row.state, by) {
            (BookingState::Held, _) if self.world.attempt_open(self.row.id) => {
                Cell::CancelWhilePaying
            }
            (BookingState::Held, _) => Cell::CancelOfAHold,
            (BookingState::Confirmed, CancelledBy::Customer) if self.row.cancel_fee_bp > 0 => {
                Cell::CustomerCancelsPaidWithFee
            }
            (BookingState::Confirmed, CancelledBy::Customer) => Cell::CustomerCancelsPaid,
            (BookingState::Confirmed, CancelledBy::Operator) => Cell::OperatorCancelsPaid,
            (BookingState::Confirmed, CancelledBy::Show) => Cell::ShowCancelsPaid,
            (BookingState::Cancelled, _) => Cell::CancelAgain,
            _ => Cell::CancelOfALapsed,
        }
    }

    fn timer(&self) -> Cell {
        let now = self.world.now;
        if self.row.state != BookingState::Held {
            Cell::TimerOfNoHold
        } else if now >= self.row.reclaim_at {
            if self.world.attempt_open(self.row.id) {
                Cell::HoldRanOutWhilePaying
            } else {
                Cell::HoldRanOut
            }
        } else if now < self.row.expires_at {
            Cell::WarningDue
        } else {
            Cell::TimerTooEarly
        }
    }

    fn attempt(&self, payment: PaymentId) -> Cell {
        if self.world.payments.contains_key(&payment) {
            Cell::AttemptToldAgain
        } else if self.row.state == BookingState::Confirmed {
            Cell::AttemptOnAPaidBooking
        } else if !self.row.hold_alive(self.world.now) {
            Cell::AttemptAfterTheHold
        } else if self.row.waiting_since.is_some() {
            Cell::FurtherAttempt
        } else {
            Cell::FirstAttempt
        }
    }

    fn created(&self, payment: PaymentId) -> Cell {
        match self.world.payments.get(&payment) {
            Some(row) if row.gateway_payment_id.is_some() => Cell::AttemptHasAnIdAgain,
            None => Cell::AttemptHasAnIdAgain,
            Some(row) if row.standing == PaymentStanding::Closed => Cell::AttemptHasAnIdAfterAll,
            Some(_) if self.row.state == BookingState::Held => Cell::AttemptHasAnId,
            Some(_) => Cell::AttemptHasAnIdTooLate,
        }
    }

    fn declined(&self, payment: PaymentId) -> Cell {
        match self.world.payments.get(&payment) {
            Some(row) if row.gateway_payment_id.is_none() && row.undecided() => {
                Cell::AttemptDeclined
            }
            _ => Cell::AttemptDeclinedButThere,
        }
    }

    fn hint(&self, payment: PaymentId) -> Cell {
        let Some(attempt) = self.world.payments.get(&payment).filter(|attempt| {
            attempt.booking == self.row.id
                && matches!(
                    attempt.standing,
                    PaymentStanding::Open | PaymentStanding::Declined
                )
        }) else {
            return Cell::HintOfNoUse;
        };
        if hint::wait(self.row, attempt, self.world.now) > time::Duration::ZERO {
            Cell::HintTooSoon
        } else {
            Cell::HintListenedTo
        }
    }

    /// The payment that a fact is about, if it is written down.
    fn known(&self, fact: &PaymentFact) -> Option<&Payment> {
        crate::steps::money::find(self.world, self.row.id, fact)
            .and_then(|id| self.world.payments.get(&id))
    }

    fn payment(&self, fact: &PaymentFact) -> Cell {
        let of_another = self
            .world
            .payment_at_gateway(&fact.account, &fact.gateway_payment_id)
            .and_then(|id| self.world.payments.get(&id))
            .is_some_and(|row| row.booking != self.row.id);
        if of_another {
            return Cell::ToldOfAnothersPayment;
        }
        let known = self.known(fact);
        let standing = known.map(|payment| payment.standing);
        let paid = standing == Some(PaymentStanding::Captured);
        match fact.state {
            PaymentState::Captured => match known.filter(|_| paid) {
                Some(payment) => self.paid_again(payment, fact),
                None => self.paid(known, fact),
            },
            PaymentState::Failed if paid => Cell::DeclinedAfterPaid,
            PaymentState::Failed => match standing {
                None | Some(PaymentStanding::Open) => Cell::Declined,
                Some(_) => Cell::DeclinedOldNews,
            },
            PaymentState::Cancelled if paid => Cell::CancelledAfterPaid,
            PaymentState::Cancelled if standing == Some(PaymentStanding::Closed) => {
                Cell::CancelledOldNews
            }
            PaymentState::Cancelled => Cell::CancelledAtGateway,
            PaymentState::Authorised => self.reserved(known, fact),
            PaymentState::Open | PaymentState::Processing => Cell::NothingNew,
        }
    }

    fn paid_again(&self, payment: &Payment, fact: &PaymentFact) -> Cell {
        if payment.captured != Some(fact.amount) {
            Cell::PaidToldWithOtherAmount
        } else if self.world.refunds_of_payment(payment.id).next().is_some() {
            Cell::PaidToldAgainAfterReturn
        } else {
            Cell::PaidToldAgain
        }
    }

    fn paid(&self, known: Option<&Payment>, fact: &PaymentFact) -> Cell {
        let row = self.row;
        match row.state {
            BookingState::Confirmed => {
                let same = self
                    .world
                    .payments_of(row.id)
                    .filter(|payment| payment.captured.is_some())
                    .any(|payment| payment.account == fact.account);
                return if same {
                    Cell::PaidTwiceSameGateway
                } else {
                    Cell::PaidTwiceOtherGateway
                };
            }
            BookingState::Cancelled => return Cell::PaidCancelled,
            _ => {}
        }
        if fact.amount.currency != row.amount.currency {
            return Cell::PaidOtherCurrency;
        }
        match fact.amount.minor.cmp(&row.amount.minor) {
            Ordering::Less => return Cell::PaidTooLittle,
            Ordering::Greater => return Cell::PaidTooMuch,
            Ordering::Equal => {}
        }
        let lost = self.world.seats_lost(row).len();
        let all = lost == row.seats.len();
        if self.show_cancelled() {
            return Cell::PaidShowCancelled;
        }
        match (row.state, lost) {
            (BookingState::Held, 0) if self.world.now >= row.expires_at => Cell::PaidLateSeatsKept,
            (BookingState::Held, 0) => match known.map(|payment| payment.standing) {
                None => Cell::PaidUnseen,
                Some(PaymentStanding::Declined) => Cell::PaidAfterADecline,
                Some(_) => Cell::PaidInTime,
            },
            (BookingState::Held, _) => Cell::PaidLateSeatsTaken,
            (BookingState::Released, 0) => Cell::PaidReleasedSeatsFree,
            (BookingState::Released, _) => Cell::PaidReleasedSeatsTaken,
            (BookingState::Replaced, 0) => Cell::PaidReplacedSeatsFree,
            (BookingState::Replaced, _) => Cell::PaidReplacedSeatsTaken,
            (BookingState::SeatsLost, 0) => Cell::PaidLostSeatsFree,
            (BookingState::SeatsLost, _) => Cell::PaidLostSeatsTaken,
            (_, 0) => Cell::PaidExpiredSeatsFree,
            (_, _) if all => Cell::PaidExpiredAllSeatsTaken,
            (_, _) => Cell::PaidExpiredSomeSeatsTaken,
        }
    }

    fn show_cancelled(&self) -> bool {
        self.row.seats.iter().any(|name| {
            let key = SeatKey {
                show: self.row.show(),
                seat: name.clone(),
            };
            self.world
                .seats
                .get(&key)
                .is_some_and(|seat| seat.state == SeatState::Cancelled)
        })
    }

    fn reserved(&self, known: Option<&Payment>, fact: &PaymentFact) -> Cell {
        let mode = known.map_or(CaptureMode::Automatic, |payment| payment.capture);
        let standing = known.map(|payment| payment.standing);
        if let Some(
            PaymentStanding::Captured | PaymentStanding::Authorised | PaymentStanding::GivingUp,
        ) = standing
        {
            return Cell::ReservedToldAgain;
        }
        if mode == CaptureMode::Automatic {
            return if self.row.state == BookingState::Held {
                Cell::ReservedByItself
            } else {
                Cell::ReservedForNothing
            };
        }
        match self.row.state {
            BookingState::Confirmed => return Cell::ReservedTwice,
            BookingState::Cancelled => return Cell::ReservedCancelled,
            _ => {}
        }
        if fact.amount != self.row.amount {
            Cell::ReservedOtherAmount
        } else if !self.world.seats_lost(self.row).is_empty() {
            Cell::ReservedSeatsTaken
        } else if self.row.state == BookingState::Held {
            Cell::ReservedSeatsKept
        } else {
            Cell::ReservedSeatsFree
        }
    }

    fn standing(&self, payment: PaymentId) -> Option<PaymentStanding> {
        self.world.payments.get(&payment).map(|row| row.standing)
    }

    fn verified(&self, payment: PaymentId, answer: &CallAnswer) -> Cell {
        match (self.standing(payment), answer) {
            (_, CallAnswer::Unknown { .. }) => Cell::AskedInVain,
            (
                Some(PaymentStanding::Captured),
                CallAnswer::Answered {
                    state: Some(PaymentState::Captured),
                },
            ) => Cell::DoubtConfirmed,
            (Some(PaymentStanding::Captured), CallAnswer::Answered { .. }) => Cell::DoubtJustified,
            (_, CallAnswer::Answered { .. }) => Cell::AskedAndAnswered,
        }
    }

    fn captured(&self, payment: PaymentId, attempt: u32, answer: &CaptureAnswer) -> Cell {
        let waiting = self.standing(payment) == Some(PaymentStanding::Authorised);
        match answer {
            CaptureAnswer::Taken { fact } => self.payment(fact),
            _ if !waiting => Cell::TakingAnsweredLate,
            CaptureAnswer::Declined { .. } => Cell::TakingDeclined,
            CaptureAnswer::RetryLater { .. } => Cell::TakingLater,
            CaptureAnswer::Unknown { .. } if attempt < capture::PATIENCE => Cell::TakingUnknown,
            CaptureAnswer::Unknown { .. } => Cell::TakingUnknownForLong,
        }
    }

    fn voided(&self, payment: PaymentId, attempt: u32, answer: &VoidAnswer) -> Cell {
        let decided = matches!(
            self.standing(payment),
            None | Some(PaymentStanding::Captured | PaymentStanding::Closed)
        );
        match answer {
            VoidAnswer::AlreadyPaid { fact } => self.payment(fact),
            _ if decided => Cell::VoidAnsweredLate,
            VoidAnswer::NothingTaken => Cell::VoidedNothingTaken,
            VoidAnswer::NotPossible { .. } => Cell::VoidNotPossible,
            VoidAnswer::Unknown { .. } if attempt < void::PATIENCE => Cell::VoidUnknown,
            VoidAnswer::Unknown { .. } => Cell::VoidUnknownForLong,
        }
    }

    fn taken(&self, refund: RefundId) -> Cell {
        match self.world.refunds.get(&refund).map(|row| row.standing) {
            Some(RefundStanding::Requested) => Cell::RefundTaken,
            _ => Cell::RefundTakenAgain,
        }
    }

    fn by_hand(&self, refund: RefundId, cell: Cell) -> Cell {
        match self.world.refunds.get(&refund) {
            Some(row)
                if row.standing == RefundStanding::WithOperator
                    && (cell != Cell::RefundRetried || row.other_way.is_none()) =>
            {
                cell
            }
            _ => Cell::RefundVerbRefused,
        }
    }

    fn refund_answered(
        &self,
        id: RefundId,
        generation: u32,
        attempt: u32,
        answer: &RefundAnswer,
    ) -> Cell {
        let Some(row) = self.world.refunds.get(&id) else {
            return Cell::RefundAnsweredLate;
        };
        let current = row.generation == generation && row.gateway_should_act();
        match answer {
            RefundAnswer::Told { fact }
                if fact.state == RefundState::Pending
                    && row.gateway_should_act()
                    && self.world.now - row.requested_at >= refund::SLOW =>
            {
                Cell::RefundAcceptedForDays
            }
            RefundAnswer::Told { fact } => self.refund(fact),
            _ if !current => Cell::RefundAnsweredLate,
            RefundAnswer::Declined { .. } if self.returned_already(row) => {
                Cell::RefundDeclinedReturnedAlready
            }
            RefundAnswer::Declined { .. } => Cell::RefundDeclined,
            RefundAnswer::RetryLater { .. } if attempt < refund::PATIENCE => Cell::RefundNotNow,
            RefundAnswer::Unknown { .. } if attempt < refund::PATIENCE => Cell::RefundUnknown,
            RefundAnswer::RetryLater { .. } | RefundAnswer::Unknown { .. } => {
                Cell::RefundUnknownForLong
            }
            RefundAnswer::NothingAlive => Cell::RefundNothingAlive,
        }
    }

    fn returned_already(&self, row: &Refund) -> bool {
        self.world.purse(row.payment).balance(Account::Loss) < 0
    }

    fn refund(&self, fact: &RefundFact) -> Cell {
        let Some(row) = refund::recognise(self.world, self.row.id, fact)
            .and_then(|id| self.world.refunds.get(&id))
        else {
            return self.foreign(fact);
        };
        let earlier = fact
            .generation
            .is_some_and(|generation| generation < row.generation);
        let same = row.gateway_refund_id.as_ref() == Some(&fact.gateway_refund_id);
        if fact.state == RefundState::Failed && earlier && !same {
            return Cell::RefundToldAgain;
        }
        if fact.amount != row.amount {
            return Cell::RefundOfOtherAmount;
        }
        if row.proof.is_some()
            || row.standing == RefundStanding::Withdrawn
            || (row.other_way.is_some() && fact.state == RefundState::Succeeded)
        {
            return Cell::RefundAfterAll;
        }
        let another = row
            .gateway_refund_id
            .as_ref()
            .is_some_and(|known| *known != fact.gateway_refund_id);
        if row.standing == RefundStanding::Done && another {
            return self.foreign(fact);
        }
        let by_hand = fact.refund.is_none() && row.gateway_refund_id.is_none();
        match (fact.state, row.standing) {
            (RefundState::Succeeded, RefundStanding::Done) => Cell::RefundToldAgain,
            (RefundState::Pending, RefundStanding::Requested) if same => Cell::RefundToldAgain,
            (RefundState::Succeeded, _) if by_hand => Cell::RefundMadeByHand,
            (RefundState::Succeeded, _) => Cell::RefundDone,
            (RefundState::Pending, RefundStanding::Requested | RefundStanding::UnderWay) => {
                Cell::RefundAccepted
            }
            (RefundState::Pending, _) => Cell::RefundToldAgain,
            (RefundState::Failed, RefundStanding::WithOperator) => Cell::RefundToldAgain,
            (RefundState::Failed, RefundStanding::Done) => Cell::RefundFailedAfterDone,
            (RefundState::Failed, _) if self.returned_already(row) => {
                Cell::RefundDeclinedReturnedAlready
            }
            (RefundState::Failed, _) => Cell::RefundFailed,
        }
    }

    fn foreign(&self, fact: &RefundFact) -> Cell {
        let payment = self
            .world
            .payment_at_gateway(&fact.account, &fact.gateway_payment_id)
            .and_then(|id| self.world.payments.get(&id))
            .filter(|payment| {
                payment.captured.unwrap_or(payment.expected).currency == fact.amount.currency
            });
        let Some(payment) = payment.filter(|_| fact.amount.minor > 0) else {
            return Cell::ForeignUnknownPayment;
        };
        if payment.captured.is_none() {
            return Cell::ForeignBeforeItsPayment;
        }
        let id = RefundId::not_asked_for(payment.id, &fact.gateway_refund_id);
        let before = self.world.refunds.get(&id).map(|row| row.standing);
        let ours = self.world.purse(payment.id).balance(Account::Applied);
        match (before, fact.state) {
            (Some(RefundStanding::Withdrawn), _)
            | (None, RefundState::Failed)
            | (Some(RefundStanding::Done), RefundState::Succeeded | RefundState::Pending)
            | (Some(RefundStanding::Pending), RefundState::Pending) => Cell::ForeignToldAgain,
            (Some(_), RefundState::Failed) => Cell::ForeignFailed,
            (None, RefundState::Pending) => Cell::ForeignPending,
            (Some(_), _) if self.world.purse(payment.id).balance(Account::Loss) < 0 => {
                Cell::ForeignBesideOurs
            }
            (Some(_), _) if ours > 0 => Cell::ForeignPart,
            (Some(_), _) => Cell::ForeignWhole,
            (None, _) if fact.amount.minor > ours => Cell::ForeignBesideOurs,
            (None, _) if fact.amount.minor == ours => Cell::ForeignWhole,
            (None, _) => Cell::ForeignPart,
        }
    }

    fn dispute(&self, fact: &DisputeFact) -> Cell {
        let Some(payment) = self
            .world
            .payment_at_gateway(&fact.account, &fact.gateway_payment_id)
            .and_then(|id| self.world.payments.get(&id))
        else {
            return Cell::DisputeUnknownPayment;
        };
        let before = payment
            .disputes
            .iter()
            .find(|dispute| dispute.gateway_dispute_id == fact.gateway_dispute_id)
            .map(|dispute| dispute.standing);
        let ours = self.world.purse(payment.id).balance(Account::Applied);
        match (before, fact.standing) {
            (Some(_), DisputeStanding::Opened) => Cell::DisputeToldAgain,
            (Some(before), now) if before == now => Cell::DisputeToldAgain,
            (None, DisputeStanding::Opened) => Cell::DisputeOpened,
            (Some(DisputeStanding::Lost), DisputeStanding::Won) => Cell::DisputeWonAfterLost,
            (_, DisputeStanding::Won) => Cell::DisputeWon,
            (_, DisputeStanding::Lost) if payment.captured.is_none() => Cell::DisputeLost,
            (_, DisputeStanding::Lost) if fact.amount.minor > ours => Cell::DisputeLostBeyond,
            (_, DisputeStanding::Lost) => Cell::DisputeLost,
        }
    }
}

//! The saga's inputs and outcomes in words. Every match is exhaustive: what is new in the saga gets its words here
//! before it compiles.

use boxoffice_saga::booking::CancelledBy;
use boxoffice_saga::fact::{DisputeFact, PaymentFact, PaymentState, RefundFact, RefundState};
use boxoffice_saga::input::{CallAnswer, CaptureAnswer, Input, Outcome, RefundAnswer, VoidAnswer};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::{CaptureMode, DisputeStanding, Verdict};
use boxoffice_saga::task::TaskKind;

/// Minor units and the currency.
pub fn amount(money: Money) -> String {
    format!("{} {}", money.minor, money.currency)
}

/// What happened.
pub fn input(input: &Input) -> String {
    match input {
        Input::Hold { seats, terms, .. } => format!(
            "seats {} held for {} and a grace of {}",
            seats.join(", "),
            seconds(terms.hold_ms),
            seconds(terms.grace_ms)
        ),
        Input::Release => "the customer gives the hold up".to_owned(),
        Input::Replaced { by } => format!("the customer's newer hold {by} takes its place"),
        Input::Cancel { by } => match by {
            CancelledBy::Customer => "cancelled by the customer",
            CancelledBy::Operator => "cancelled by an operator",
            CancelledBy::Show => "cancelled with its show",
        }
        .to_owned(),
        Input::HoldTimer => "the hold's timer fires".to_owned(),
        Input::OpenAttempt {
            payment,
            account,
            capture,
            ..
        } => {
            let capture = match capture {
                CaptureMode::Automatic => "",
                CaptureMode::AfterSeats => ", to be taken when the seats are the customer's",
            };
            format!("payment {payment} opened at {account}{capture}")
        }
        Input::AttemptCreated {
            payment,
            gateway_payment_id,
        } => format!("the gateway calls payment {payment} {gateway_payment_id}"),
        Input::AttemptDeclined { payment } => {
            format!("the gateway would not open payment {payment}")
        }
        Input::Hint { payment } => format!("the browser says that it has paid {payment}"),
        Input::Payment(fact) => payment_told(fact),
        Input::Refund(fact) => refund_told(fact),
        Input::Dispute(fact) => dispute_told(fact),
        Input::VerifyAnswered {
            payment,
            generation,
            answer,
        } => {
            let answer = match answer {
                CallAnswer::Answered { state: None } => "answered".to_owned(),
                CallAnswer::Answered { state: Some(state) } => {
                    format!("answered, it is {}", payment_state(*state))
                }
                CallAnswer::Unknown { why } => no_usable_answer(why),
            };
            format!("question {generation} how payment {payment} stands: {answer}")
        }
        Input::VoidAnswered {
            payment,
            attempt,
            answer,
            ..
        } => {
            let answer = match answer {
                VoidAnswer::NothingTaken => "cancelled, nothing was taken".to_owned(),
                VoidAnswer::AlreadyPaid { fact } => format!("too late: {}", payment_told(fact)),
                VoidAnswer::NotPossible { why } => format!("not possible: {why}"),
                VoidAnswer::Unknown { why } => no_usable_answer(why),
            };
            format!("try {attempt} to cancel payment {payment} at the gateway: {answer}")
        }
        Input::CaptureAnswered {
            payment,
            attempt,
            answer,
        } => {
            let answer = match answer {
                CaptureAnswer::Taken { fact } => payment_told(fact),
                CaptureAnswer::Declined { why } => format!("declined: {why}"),
                CaptureAnswer::RetryLater { why, .. } => to_be_asked_again(why),
                CaptureAnswer::Unknown { why } => no_usable_answer(why),
            };
            format!("try {attempt} to take the money of payment {payment}: {answer}")
        }
        Input::RefundRetried { refund } => {
            format!("an operator has refund {refund} made at the gateway again")
        }
        Input::RefundOtherWay { refund, means } => {
            format!("an operator sends the money of refund {refund} by another way: {means}")
        }
        Input::RefundSettledElsewhere { refund, proof } => {
            format!("an operator has proof that refund {refund} is with the customer: {proof}")
        }
        Input::Swept => "found open with nobody at work on it".to_owned(),
        Input::RefundTaken { refund } => format!("a worker takes refund {refund} on"),
        Input::RefundAnswered {
            refund,
            generation,
            attempt,
            answer,
        } => {
            let answer = match answer {
                RefundAnswer::Told { fact } => refund_told(fact),
                RefundAnswer::Declined { why } => format!("declined: {why}"),
                RefundAnswer::RetryLater { why, .. } => to_be_asked_again(why),
                RefundAnswer::Unknown { why } => no_usable_answer(why),
                RefundAnswer::NothingAlive => {
                    "nothing of it is at the gateway, and its key is spent".to_owned()
                }
            };
            format!("refund {refund}, generation {generation}, try {attempt}: {answer}")
        }
    }
}

fn seconds(ms: i64) -> String {
    match (ms / 1_000, ms % 1_000) {
        (seconds, 0) => format!("{seconds} s"),
        (seconds, rest) => format!("{seconds}.{rest:03} s"),
    }
}

fn to_be_asked_again(why: &str) -> String {
    format!("not done, to be asked again: {why}")
}

fn no_usable_answer(why: &str) -> String {
    format!("no usable answer: {why}")
}

const fn payment_state(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Open => "open",
        PaymentState::Processing => "being processed",
        PaymentState::Failed => "declined",
        PaymentState::Authorised => "authorised",
        PaymentState::Cancelled => "cancelled",
        PaymentState::Captured => "captured",
    }
}

fn payment_told(fact: &PaymentFact) -> String {
    told(
        &format!("payment {}", fact.gateway_payment_id),
        payment_state(fact.state),
        &fact.account.to_string(),
        fact.amount,
        fact.live,
        fact.reason.as_deref(),
    )
}

fn refund_told(fact: &RefundFact) -> String {
    let state = match fact.state {
        RefundState::Pending => "pending",
        RefundState::Succeeded => "done",
        RefundState::Failed => "failed",
    };
    told(
        &format!(
            "refund {} of {}",
            fact.gateway_refund_id, fact.gateway_payment_id
        ),
        state,
        &fact.account.to_string(),
        fact.amount,
        fact.live,
        fact.reason.as_deref(),
    )
}

/// Where a dispute stands.
pub const fn dispute(standing: DisputeStanding) -> &'static str {
    match standing {
        DisputeStanding::Opened => "opened",
        DisputeStanding::Won => "won",
        DisputeStanding::Lost => "lost",
    }
}

fn dispute_told(fact: &DisputeFact) -> String {
    told(
        &format!(
            "dispute {} about {}",
            fact.gateway_dispute_id, fact.gateway_payment_id
        ),
        dispute(fact.standing),
        &fact.account.to_string(),
        fact.amount,
        fact.live,
        fact.reason.as_deref(),
    )
}

fn told(
    what: &str,
    state: &str,
    account: &str,
    money: Money,
    live: bool,
    reason: Option<&str>,
) -> String {
    let mode = if live { "" } else { ", in test mode" };
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    format!(
        "{account} tells that {what} is {state}{reason}, {}{mode}",
        amount(money)
    )
}

/// What came of it.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Decided {
            verdict,
            seats_lost,
        } => {
            let why = match verdict {
                Verdict::Applied => "it pays for the booking".to_owned(),
                Verdict::SeatsLost => format!(
                    "it goes back, for {} belonged to somebody else",
                    seats_lost.join(", ")
                ),
                Verdict::SecondPayment => "it goes back, for the booking is paid".to_owned(),
                Verdict::WrongAmount => {
                    "it goes back, for it is not what the booking costs".to_owned()
                }
                Verdict::WrongCurrency => {
                    "it goes back, for it is not the booking's currency".to_owned()
                }
                Verdict::Cancelled => "it goes back, for the booking is cancelled".to_owned(),
            };
            format!("{}: {why}", verdict.name())
        }
        Outcome::AlreadyKnown => "known already, nothing changed".to_owned(),
        Outcome::Postponed => "set again for later".to_owned(),
        Outcome::NeedsPerson => "put on the operators' list".to_owned(),
        Outcome::Refused(_) => "refused".to_owned(),
    }
}

/// What a task is to do.
pub fn task(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::HoldTimer => "to end the hold, or to warn of its end",
        TaskKind::Verify => "to ask the gateway how a payment stands",
        TaskKind::Void => "to cancel a payment at the gateway",
        TaskKind::Capture => "to take authorised money",
        TaskKind::Trace => "to find out whose a parked record is",
        TaskKind::Refund => "to return money",
        TaskKind::MassRefund => "to return the money of a cancelled show",
        TaskKind::CancelShow => "to name the bookings of a cancelled show",
        TaskKind::CancelBooking => "to cancel a booking of a cancelled show",
        TaskKind::Mail => "to send a letter",
        TaskKind::Sms => "to send a text message",
        TaskKind::Push => "to send a notification to the customer's devices",
    }
}

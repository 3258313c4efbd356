//! Everything that can happen to a booking, and what came of it. Both go into the journal, so that a later
//! build can be asked whether it would decide the same.

use serde::{Deserialize, Serialize};

use crate::booking::{CancelledBy, Contact, Terms};
use crate::fact::{DisputeFact, PaymentFact, PaymentState, RefundFact};
use crate::identity::{BookingId, GatewayAccount, PaymentId, RefundId, SeatName, UserId};
use crate::payment::{CaptureMode, Verdict};

/// Something that happens to one booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "input")]
pub enum Input {
    /// A customer asks for seats.
    Hold {
        /// Who asks.
        user: UserId,
        /// Which seats.
        seats: Vec<SeatName>,
        /// How to reach them. Personal, so the journal goes without.
        #[serde(skip)]
        contact: Contact,
        /// The show's rules at this moment.
        terms: Terms,
    },
    /// The customer gives the hold up.
    Release,
    /// A newer hold of the customer for the same show takes this one's place. It happens in the turn of that hold, before it.
    Replaced {
        /// The newer hold.
        by: BookingId,
    },
    /// The booking is cancelled, held or paid.
    Cancel {
        /// By whom. A show is cancelled first, with its seats, and then its bookings.
        by: CancelledBy,
    },
    /// The hold's timer fires.
    HoldTimer,
    /// The customer wants to pay.
    OpenAttempt {
        /// The fresh attempt's id.
        payment: PaymentId,
        /// Where they will pay.
        account: GatewayAccount,
        /// The show's rules at this moment.
        terms: Terms,
        /// When the money is to be taken.
        #[serde(default)]
        capture: CaptureMode,
    },
    /// The gateway gave the attempt an id.
    AttemptCreated {
        /// The attempt.
        payment: PaymentId,
        /// The gateway's id for it.
        gateway_payment_id: String,
    },
    /// The gateway will not open the attempt: nothing was taken.
    AttemptDeclined {
        /// The attempt.
        payment: PaymentId,
    },
    /// The customer's browser says that it has paid. A reason to ask the gateway, and no more.
    Hint {
        /// The attempt.
        payment: PaymentId,
    },
    /// The gateway says how a payment stands: a webhook, or its answer when asked.
    Payment(PaymentFact),
    /// The gateway says how a refund stands.
    Refund(RefundFact),
    /// The gateway says how a dispute stands.
    Dispute(DisputeFact),
    /// A verify task has its answer. What the gateway said, if anything is new, travels by Kafka.
    VerifyAnswered {
        /// The attempt.
        payment: PaymentId,
        /// Which go, from 1.
        generation: u32,
        /// What came of it.
        answer: CallAnswer,
    },
    /// A capture task has its answer.
    CaptureAnswered {
        /// The attempt.
        payment: PaymentId,
        /// How many tries this task has had.
        attempt: u32,
        /// What came of it.
        answer: CaptureAnswer,
    },
    /// A void task has its answer.
    VoidAnswered {
        /// The attempt.
        payment: PaymentId,
        /// Which go, from 1.
        generation: u32,
        /// How many tries this task has had.
        attempt: u32,
        /// What came of it.
        answer: VoidAnswer,
    },
    /// The refund worker takes a requested refund on.
    RefundTaken {
        /// Which.
        refund: RefundId,
    },
    /// An operator has a failed refund made at the gateway again.
    RefundRetried {
        /// Which.
        refund: RefundId,
    },
    /// An operator sends a failed refund's money by another way than the gateway.
    RefundOtherWay {
        /// Which.
        refund: RefundId,
        /// By which way, for people.
        means: String,
    },
    /// An operator has proof that a failed refund's money is with the customer.
    RefundSettledElsewhere {
        /// Which.
        refund: RefundId,
        /// The proof, for people: a bank's reference, a receipt.
        proof: String,
    },
    /// Nobody is at work on what is open here, though somebody should be: a task or an event was lost.
    Swept,
    /// A refund task has its answer.
    RefundAnswered {
        /// Which.
        refund: RefundId,
        /// The generation whose key was used.
        generation: u32,
        /// How many tries this task has had.
        attempt: u32,
        /// What came of it.
        answer: RefundAnswer,
    },
}

/// How a question to the gateway ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum CallAnswer {
    /// It answered.
    Answered {
        /// Where the payment stands there; nothing, if it knows no such payment.
        #[serde(default)]
        state: Option<PaymentState>,
    },
    /// No usable answer: neither success nor failure.
    Unknown {
        /// Why, for people.
        why: String,
    },
}

/// How a request to take authorised money ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum CaptureAnswer {
    /// It is taken: a captured fact.
    Taken {
        /// As the gateway tells it.
        fact: PaymentFact,
    },
    /// It is not taken and cannot be: the authorisation ran out or was given up.
    Declined {
        /// Why, for people.
        why: String,
    },
    /// Certainly not done; or accepted, by a gateway that tells later what became of it. Ask again.
    RetryLater {
        /// Not before this many milliseconds, if the gateway says so.
        after_ms: Option<i64>,
        /// Why, for people.
        why: String,
    },
    /// No usable answer: it may be taken. Asking again under the same key is safe.
    Unknown {
        /// Why, for people.
        why: String,
    },
}

/// How a request to cancel a payment attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum VoidAnswer {
    /// Cancelled, nothing taken.
    NothingTaken,
    /// It is paid: a captured fact.
    AlreadyPaid {
        /// As the gateway tells it.
        fact: PaymentFact,
    },
    /// This gateway cannot cancel it. Late money stays expected.
    NotPossible {
        /// Why, for people.
        why: String,
    },
    /// No usable answer: neither cancelled nor not.
    Unknown {
        /// Why, for people.
        why: String,
    },
}

/// How a request to return money ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum RefundAnswer {
    /// The gateway has it, in this state.
    Told {
        /// As the gateway tells it.
        fact: RefundFact,
    },
    /// The gateway will not make it.
    Declined {
        /// Why, for people.
        why: String,
    },
    /// Certainly not done; ask again.
    RetryLater {
        /// Not before this many milliseconds, if the gateway says so.
        after_ms: Option<i64>,
        /// Why, for people.
        why: String,
    },
    /// No usable answer: it may be done. To be looked up before it is asked for again.
    Unknown {
        /// Why, for people.
        why: String,
    },
    /// Looked up: nothing of this refund is alive at the gateway, every earlier try's deadline has passed,
    /// and the key can no longer be used. Only this raises the generation.
    NothingAlive,
}

/// What came of an [`Input`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// Done as asked.
    Done,
    /// Money was decided. The verdict and what the seats were at that moment.
    Decided {
        /// The verdict.
        verdict: Verdict,
        /// Seats that belonged to somebody else.
        seats_lost: Vec<SeatName>,
    },
    /// Known already; nothing changed. A redelivery, or news that is older than what we know.
    AlreadyKnown,
    /// Not now: the timer or task was set again for later.
    Postponed,
    /// On the operators' list.
    NeedsPerson,
    /// No: and why.
    Refused(Refusal),
}

/// Why a request is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "refusal")]
pub enum Refusal {
    /// There is no such booking.
    NoSuchBooking,
    /// No seat was named.
    NoSeats,
    /// More seats than the show allows in one hold.
    TooManySeats {
        /// The limit.
        limit: u16,
    },
    /// A seat was named twice.
    SeatTwice {
        /// Which.
        seat: SeatName,
    },
    /// The show has no such seats.
    UnknownSeats {
        /// Which.
        seats: Vec<SeatName>,
    },
    /// Somebody else has these.
    SeatsTaken {
        /// Which.
        seats: Vec<SeatName>,
    },
    /// The customer's earlier hold for the show has an open payment.
    PaymentInProgress,
    /// The hold is over.
    HoldOver,
    /// The booking is paid.
    AlreadyPaid,
    /// The booking has no such payment attempt.
    NoSuchPayment,
    /// The booking has no such refund.
    NoSuchRefund,
    /// The refund does not wait for a person.
    NotWithOperator,
    /// A person sends this money by another way already.
    SentAnotherWay {
        /// By which.
        means: String,
    },
    /// The browser's last hint is too fresh.
    TooSoon {
        /// When the next one is listened to, in whole seconds from now, at least 1.
        after_s: u32,
    },
    /// Another booking has this id: draw another.
    IdTaken,
}

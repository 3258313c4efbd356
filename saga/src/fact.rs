//! What a gateway says, in our words: the neutral form into which every gateway's webhooks and answers are
//! read. Facts about money only grow: captured stays captured.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::identity::{BookingId, GatewayAccount, PaymentId, RefundId};
use crate::money::Money;
use crate::payment::DisputeStanding;

/// Our reference, as the gateway carried it for us in its metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// None of ours: the money belongs to another product on the same gateway account. Left alone.
    Absent,
    /// A `booking_id` is there but is none that we could have given out. Ours to look into: a person must.
    Malformed {
        /// What stood there, cut to 64 characters.
        found: String,
    },
    /// A booking of ours.
    Booking {
        /// The booking.
        booking: BookingId,
        /// The attempt, where the metadata names one.
        payment: Option<PaymentId>,
    },
}

/// Where a payment stands at its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Created, and the customer has not finished.
    Open,
    /// The customer has finished, the bank has not.
    Processing,
    /// Declined; the customer may try again on the same payment, so it may still be captured.
    Failed,
    /// Reserved but not taken.
    Authorised,
    /// Cancelled with nothing taken. Final at the gateway.
    Cancelled,
    /// The money is taken. Final: refunds are facts of their own.
    Captured,
}

/// A payment as its gateway tells it, by webhook or when asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFact {
    /// Who says so.
    pub account: GatewayAccount,
    /// The gateway's own id of the payment (Stripe: `pi_…`).
    pub gateway_payment_id: String,
    /// The gateway's id of what it was opened as, where that is another thing than the payment and may come to
    /// several payments (Razorpay: `order_…`, with a `pay_…` for each try).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_as: Option<String>,
    /// Our reference in its metadata.
    pub reference: Reference,
    /// Where it stands.
    pub state: PaymentState,
    /// What was captured when `state` is captured, else what is asked for.
    pub amount: Money,
    /// Real money or the gateway's test mode.
    pub live: bool,
    /// Why it failed or was cancelled, in the gateway's words (a code, not prose), if it says.
    pub reason: Option<String>,
}

impl PaymentFact {
    /// Whether the bank has given money for it: reserved or taken. Such a payment is one of its own, whatever it was
    /// opened as.
    pub const fn bears_money(&self) -> bool {
        matches!(
            self.state,
            PaymentState::Authorised | PaymentState::Captured
        )
    }
}

/// Where a refund stands at its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Accepted, not yet done.
    Pending,
    /// Done, as far as the gateway knows.
    Succeeded,
    /// It did not happen, or came back: the money is with the gateway again.
    Failed,
}

/// A refund as its gateway tells it, by webhook or when asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundFact {
    /// Who says so.
    pub account: GatewayAccount,
    /// The gateway's own id of the refund (Stripe: `re_…`).
    pub gateway_refund_id: String,
    /// The payment that it returns, by the gateway's id.
    pub gateway_payment_id: String,
    /// Our reference in the refund's own metadata; often absent.
    pub reference: Reference,
    /// Our refund, where its metadata names one. A refund without is not of our making.
    pub refund: Option<RefundId>,
    /// Which go at our refund it is, where its metadata says.
    #[serde(default)]
    pub generation: Option<u32>,
    /// Where it stands.
    pub state: RefundState,
    /// How much of the payment it returns.
    pub amount: Money,
    /// Real money or the gateway's test mode.
    pub live: bool,
    /// Why it failed, in the gateway's words, if it says.
    pub reason: Option<String>,
}

/// A dispute (charge-back) as its gateway tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeFact {
    /// Who says so.
    pub account: GatewayAccount,
    /// The gateway's own id of the dispute (Stripe: `dp_…`).
    pub gateway_dispute_id: String,
    /// The payment that it is about, by the gateway's id.
    pub gateway_payment_id: String,
    /// Our reference, where the gateway carries it; usually absent.
    pub reference: Reference,
    /// Where it stands. A payment that the bank reverses without asking is one that is lost at once.
    pub standing: DisputeStanding,
    /// How much of the payment it is about.
    pub amount: Money,
    /// Real money or the gateway's test mode.
    pub live: bool,
    /// What the customer's bank says (a code, not prose), if anything.
    pub reason: Option<String>,
}

/// That something happened to a payment, as somebody says whose word is no proof: a webhook that nobody signed. It
/// decides nothing; the gateway is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintFact {
    /// Whose payment it is said to be.
    pub account: GatewayAccount,
    /// The payment, by the id under which the gateway can be asked.
    pub gateway_payment_id: String,
    /// Our reference, where the message bears one.
    pub reference: Reference,
}

/// What one webhook says about money, if anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub enum Fact {
    /// A payment changed.
    Payment(PaymentFact),
    /// A refund changed.
    Refund(RefundFact),
    /// A dispute changed.
    Dispute(DisputeFact),
    /// Something may have changed: the gateway must be asked.
    Hint(HintFact),
    /// Genuine, but of no interest to the saga (a kind that we do not act on). Recorded and counted.
    Nothing,
}

/// A verified webhook, read: its id and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The gateway's id of the event, unique per gateway account; where the gateway gives none, derived from
    /// the body's SHA-256.
    pub event_id: String,
    /// The gateway's name for the kind of event, for example `payment_intent.succeeded`.
    pub kind: String,
    /// When the gateway says it happened, if it says. Never compared with our clock: for people to read.
    pub occurred_at: Option<OffsetDateTime>,
    /// What it says.
    pub fact: Fact,
}

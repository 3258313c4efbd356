//! What the simulator can be told to do with a payment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The calls of the API, as behaviours and the books name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `POST /v1/payment_intents`; Razorpay's `POST /v1/orders`
    Create,
    /// `GET /v1/payment_intents/{id}`; Razorpay's `GET /v1/payments/{id}`
    Fetch,
    /// `GET /v1/payment_intents`; Razorpay's `GET /v1/payments`
    List,
    /// `POST /v1/payment_intents/{id}/confirm`; at Razorpay, the customer on its page
    Confirm,
    /// `POST /v1/payment_intents/{id}/cancel`
    Cancel,
    /// `POST /v1/payment_intents/{id}/capture`; Razorpay's `POST /v1/payments/{id}/capture`
    Capture,
    /// `POST /v1/refunds`; Razorpay's `POST /v1/payments/{id}/refund`
    Refund,
    /// `GET /v1/refunds/{id}`
    FetchRefund,
    /// `GET /v1/refunds`; Razorpay's `GET /v1/payments/{id}/refunds` too
    ListRefunds,
    /// `GET /v1/events`
    ListEvents,
    /// Razorpay's `GET /v1/orders/{id}`
    FetchOrder,
    /// Razorpay's `GET /v1/orders`
    ListOrders,
    /// Razorpay's `GET /v1/orders/{id}/payments`
    ListOrderPayments,
}

/// How the simulator treats one payment. All fields are optional; the default is to behave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// What happens to its webhooks.
    pub webhook: WebhookBehaviour,
    /// The next call of this kind acts, and its answer is lost. Once.
    pub lose_answer: Option<Call>,
    /// How the answer is lost.
    pub lose_how: LoseHow,
    /// Calls that are refused without effect, each so many times.
    pub refuse: BTreeMap<Call, Refusal>,
    /// What becomes of its refunds.
    pub refund: RefundFate,
    /// Every answer comes so much later than its effect, in real milliseconds.
    pub hold_answer_ms: u64,
    /// The effect of such a call comes so much later, in real milliseconds, even if the caller has given up
    /// by then.
    pub act_after_ms: BTreeMap<Call, u64>,
    /// A good card leads to `processing`; `/_sim/payments/{id}/settle` ends it.
    pub bank_is_slow: bool,
    /// Capture this many minor units instead of what was asked for.
    pub amount_received: Option<i64>,
    /// Capture so many minor units more (or less, below zero) than that, but at least one.
    pub amount_off_by: i64,
    /// Capture in this currency (ISO 4217, lower case) instead of the one that was asked for.
    pub currency_received: Option<String>,
}

/// What happens to a payment's webhooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookBehaviour {
    /// Only webhooks of these kinds are treated so. Empty: all.
    pub only: Vec<String>,
    /// The first attempt comes this much later, by the movable clock, in milliseconds.
    pub delay_ms: u64,
    /// So many further deliveries of the same event.
    pub duplicates: u32,
    /// Never sent. `GET /v1/events?delivery_success=false` still shows it.
    pub lose: bool,
    /// Held back until the payment's next event has been sent, or for two seconds.
    pub reorder: bool,
}

/// How an answer is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoseHow {
    /// The connection breaks.
    #[default]
    Drop,
    /// No answer ever comes.
    Hang,
    /// A 500, which is kept under the idempotency key and replayed.
    Status500,
}

/// A refusal without effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// How often from now on.
    pub times: u32,
    /// With which status. 5xx is kept under the idempotency key, as Stripe does; 409 and 429 are not.
    pub status: u16,
    /// Stripe's code. Default: what Stripe sends with that status.
    #[serde(default)]
    pub code: Option<String>,
    /// `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

/// What becomes of a refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundFate {
    /// Succeeds at once.
    #[default]
    Succeeds,
    /// Stays pending until `/_sim/refunds/{id}` says otherwise.
    Pending,
    /// Is pending in the answer, and fails right after it.
    Fails,
}

impl WebhookBehaviour {
    /// This behaviour, if it is for events of `kind`; else none in particular.
    pub(crate) fn for_kind(&self, kind: &str) -> Self {
        if self.only.is_empty() || self.only.iter().any(|only| only == kind) {
            self.clone()
        } else {
            Self::default()
        }
    }
}

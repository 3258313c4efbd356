//! The simulator's books: everything it knows, and all that is written to the state file.

use std::collections::{BTreeMap, HashMap};

use rand::RngExt;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call};
use crate::script::Script;
use crate::wire::Wire;

/// Stripe forgets idempotency keys after a day. Razorpay does not say; here it forgets them as soon.
pub(crate) const KEYS_LIVE_SECONDS: i64 = 24 * 3_600;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Books {
    pub(crate) clock_ahead_ms: i64,
    pub(crate) payments: HashMap<String, Payment>,
    /// Ids in the order of creation. A payment's `place` is its place here.
    pub(crate) payment_order: Vec<String>,
    /// Orders and payment links, by id.
    pub(crate) orders: BTreeMap<String, Order>,
    pub(crate) refunds: HashMap<String, Refund>,
    /// Likewise.
    pub(crate) refund_order: Vec<String>,
    pub(crate) events: Vec<Event>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) keys: HashMap<String, KeptAnswer>,
    /// As told, by whatever id they were told under.
    pub(crate) behaviours: HashMap<String, Behaviour>,
    /// Of payments that nobody told anything: the defaults at first contact, less what is used up.
    pub(crate) untold: HashMap<String, Behaviour>,
    pub(crate) defaults: Behaviour,
    /// Draws the behaviours of payments that nobody told anything, instead of the defaults.
    pub(crate) script: Option<Script>,
    /// Calls about no payment that is known here.
    pub(crate) other_calls: Vec<CallRecord>,
    /// Whether Cashfree only reserves, and takes by a call of its own.
    #[serde(skip)]
    pub(crate) cashfree_reserves: bool,
    /// While set, every call is answered with this status and has no effect.
    pub(crate) outage: Option<u16>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) wire: Wire,
    /// Razorpay's order, of which it is one try.
    #[serde(default)]
    pub(crate) order: Option<String>,
    /// What the page in the browser gave along for this try, at Razorpay.
    #[serde(default)]
    pub(crate) own_notes: BTreeMap<String, String>,
    pub(crate) place: usize,
    pub(crate) amount: i64,
    pub(crate) received: i64,
    pub(crate) currency: String,
    pub(crate) status: PaymentStatus,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    pub(crate) client_secret: String,
    /// Unix seconds.
    pub(crate) created: i64,
    /// Whether the last card was declined.
    pub(crate) declined: bool,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) charge: Option<String>,
    /// Its money is taken by a call of its own.
    #[serde(default)]
    pub(crate) manual: bool,
    #[serde(default)]
    pub(crate) disputes: Vec<Dispute>,
    pub(crate) refunds: Vec<String>,
    pub(crate) calls: Vec<CallRecord>,
}

/// An order of Razorpay's or Cashfree's, a payment link of Adyen's: any number of tries to pay, each a payment.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) receipt: Option<String>,
    pub(crate) notes: BTreeMap<String, String>,
    /// Its payments are taken by a call of their own.
    pub(crate) manual: bool,
    /// Nobody can pay it any more: Cashfree's orders and Adyen's links can be ended.
    #[serde(default)]
    pub(crate) ended: bool,
    /// Unix seconds.
    pub(crate) created: i64,
    pub(crate) payments: Vec<String>,
    pub(crate) calls: Vec<CallRecord>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    RequiresPaymentMethod,
    /// Reserved; taken by a call, or given up.
    RequiresCapture,
    Processing,
    Canceled,
    Succeeded,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) place: usize,
    pub(crate) payment: String,
    pub(crate) charge: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) status: RefundStatus,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) receipt: Option<String>,
    /// Unix seconds.
    pub(crate) created: i64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) status: DisputeStatus,
    /// Unix seconds.
    pub(crate) created: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisputeStatus {
    NeedsResponse,
    Won,
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) wire: Wire,
    pub(crate) kind: String,
    pub(crate) payment: String,
    /// Unix seconds.
    pub(crate) created: i64,
    /// As sent, and as listed.
    pub(crate) body: Value,
    /// Numbers of its deliveries.
    pub(crate) deliveries: Vec<usize>,
}

/// One sending of one event, repeated until it is taken.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// The event's place in [`Books::events`].
    pub(crate) event: usize,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) due: OffsetDateTime,
    /// Told never to be sent.
    pub(crate) lost: bool,
    /// Taken with a 2xx, or given up.
    pub(crate) over: bool,
    pub(crate) attempts: Vec<Attempt>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Attempt {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    /// None: no answer.
    pub(crate) status: Option<u16>,
}

/// A call as received, whatever came of it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    pub(crate) call: Call,
    pub(crate) key: Option<String>,
    pub(crate) status: u16,
    /// Answered from memory, without effect.
    pub(crate) replayed: bool,
    /// The caller never saw this answer.
    pub(crate) answer_lost: bool,
}

/// What was first answered under an idempotency key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeptAnswer {
    /// Path and parameters.
    pub(crate) asked: String,
    pub(crate) answer: Answer,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
}

impl Books {
    /// The payment that a refund returns, or the payment itself.
    pub(crate) fn payment_of(&self, id: &str) -> Option<&Payment> {
        self.payments
            .get(id)
            .or_else(|| self.payments.get(&self.refunds.get(id)?.payment))
    }

    /// Whose payment it is.
    pub(crate) fn wire_of(&self, payment: &str) -> Wire {
        self.payments
            .get(payment)
            .map_or(Wire::default(), |payment| payment.wire)
    }

    /// The payment or order that `id` names or belongs to: its own id, and our metadata in it.
    pub(crate) fn subject(&self, id: &str) -> Option<(&str, &BTreeMap<String, String>)> {
        if let Some(payment) = self.payment_of(id) {
            return Some((&payment.id, &payment.metadata));
        }
        let order = self.orders.get(id)?;
        Some((&order.id, &order.notes))
    }

    /// Where the calls about it are written down.
    pub(crate) fn calls_about(&mut self, id: Option<&str>) -> &mut Vec<CallRecord> {
        let id = id
            .and_then(|id| self.subject(id))
            .map(|(id, _)| id.to_owned());
        let Some(id) = id else {
            return &mut self.other_calls;
        };
        if let Some(payment) = self.payments.get_mut(&id) {
            return &mut payment.calls;
        }
        match self.orders.get_mut(&id) {
            Some(order) => &mut order.calls,
            None => &mut self.other_calls,
        }
    }

    /// What of a payment went back or is on its way back.
    pub(crate) fn refunded(&self, payment: &Payment) -> i64 {
        self.refunds_of(payment)
            .filter(|refund| refund.status != RefundStatus::Failed)
            .map(|r| r.amount)
            .sum()
    }

    pub(crate) fn refunds_of<'a>(
        &'a self,
        payment: &'a Payment,
    ) -> impl Iterator<Item = &'a Refund> {
        payment.refunds.iter().filter_map(|id| self.refunds.get(id))
    }

    /// The name under which this payment's behaviour is kept: as it was told, or else its own id.
    pub(crate) fn behaviour_name(&self, id: &str, metadata: &BTreeMap<String, String>) -> String {
        let told = [
            Some(id),
            metadata.get("payment_id").map(String::as_str),
            metadata.get("booking_id").map(String::as_str),
        ];
        told.into_iter()
            .flatten()
            .find(|name| self.behaviours.contains_key(*name))
            .unwrap_or(id)
            .to_owned()
    }

    /// The behaviour of that name. One that was not told starts as the script draws it, or as the defaults are now.
    pub(crate) fn behaviour(&mut self, name: &str) -> &mut Behaviour {
        if self.behaviours.contains_key(name) {
            return self.behaviours.entry(name.to_owned()).or_default();
        }
        if !self.untold.contains_key(name) {
            let fresh = match &self.script {
                // Drawn by our own id of the attempt, if it bears one, so that an order and its payments draw the same.
                Some(script) => {
                    let metadata = self.subject(name).map(|(_, metadata)| metadata);
                    let attempt = metadata.and_then(|metadata| metadata.get("payment_id"));
                    script.draw(attempt.map_or(name, String::as_str), &self.defaults)
                }
                None => self.defaults.clone(),
            };
            self.untold.insert(name.to_owned(), fresh);
        }
        self.untold.entry(name.to_owned()).or_default()
    }

    /// Whether the event was taken by its receiver.
    pub(crate) fn delivered(&self, event: &Event) -> bool {
        event
            .deliveries
            .iter()
            .filter_map(|&number| self.deliveries.get(number))
            .any(|delivery| {
                delivery
                    .attempts
                    .iter()
                    .any(|attempt| attempt.status.is_some_and(|s| (200..300).contains(&s)))
            })
    }
}

/// A fresh id such as `pi_…`, with 24 random letters and digits.
pub(crate) fn fresh_id(prefix: &str) -> String {
    let random: String = rand::rng()
        .sample_iter(Alphanumeric)
        .take(24)
        .map(char::from)
        .collect();
    format!("{prefix}_{random}")
}

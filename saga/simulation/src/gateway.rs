//! The payment gateway, with books of its own: what it is asked, what its customers do, and what it tells.
//!
//! It is an adversary within what real gateways do. It remembers idempotency keys for a day and replays a
//! first answer even if that was an error; it may let a refund through that takes a payment below zero.

use std::collections::BTreeMap;

use boxoffice_gateways::{CallError, CreatePayment, Created, RefundOrder, VoidAnswer};
use boxoffice_saga::fact::{
    DisputeFact, Fact, PaymentFact, PaymentState, Reference, RefundFact, RefundState,
};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, RefundId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::{CaptureMode, DisputeStanding};
use time::{Duration, OffsetDateTime};

/// How long it remembers an idempotency key.
const KEYS_LIVE: Duration = Duration::hours(24);

/// What it is asked.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Open a payment.
    Create(CreatePayment),
    /// How does a payment stand?
    Fetch(String),
    /// Cancel a payment.
    Void(String),
    /// Take a reserved payment.
    Capture(String),
    /// Return money.
    Refund(RefundOrder),
    /// How does a refund stand?
    FetchRefund(String),
    /// Which refunds has a payment?
    RefundsOf(String),
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Created(Created),
    Payment(PaymentFact),
    Void(VoidAnswer),
    Refund(RefundFact),
    Refunds(Vec<RefundFact>),
}

/// How it feels about a request that reaches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mood {
    /// It says no, for good.
    pub declines: bool,
    /// A refund is accepted and not finished.
    pub slow: bool,
    /// It breaks with an error: after the effect (`true`) or before it, and remembers that under the key.
    pub breaks: Option<bool>,
}

/// A payment in its books.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    pub account: GatewayAccount,
    pub reference: Reference,
    pub asked: Money,
    pub captured: Option<Money>,
    pub state: PaymentState,
    pub live: bool,
    /// Its money is only reserved when the customer pays.
    pub after_seats: bool,
    /// It would not be cancelled when we asked: money may come, and only a webhook tells.
    pub void_refused: bool,
}

/// A dispute in its books.
#[derive(Clone, Debug)]
pub(crate) struct Disputed {
    pub payment: String,
    pub amount: Money,
    pub standing: DisputeStanding,
}

/// A refund in its books.
#[derive(Clone, Debug)]
pub(crate) struct Returned {
    pub payment: String,
    /// Ours, as its metadata says. `None`: somebody made it on the dashboard.
    pub refund: Option<RefundId>,
    /// Which go at it, as its metadata says.
    pub generation: Option<u32>,
    pub amount: Money,
    pub state: RefundState,
}

#[derive(Clone, Debug)]
enum Remembered {
    Payment(String),
    Refund(String),
    Error,
}

/// A webhook that it wants to deliver.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub event_id: String,
    pub fact: Fact,
}

/// Its books.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gateway {
    pub payments: BTreeMap<String, Paid>,
    pub refunds: BTreeMap<String, Returned>,
    pub disputes: BTreeMap<String, Disputed>,
    keys: BTreeMap<String, (OffsetDateTime, Remembered)>,
    /// Webhooks not yet delivered, oldest first.
    pub notices: Vec<Notice>,
    /// Webhooks that were lost on the way.
    pub lost: Vec<Notice>,
    /// Lets more be returned than was captured.
    lenient: bool,
    /// How many ids were given out.
    given: u64,
}

impl Gateway {
    /// Empty books.
    pub fn new(lenient: bool) -> Self {
        Self {
            lenient,
            ..Self::default()
        }
    }

    fn id(&mut self, kind: &str) -> String {
        self.given += 1;
        format!("{kind}_{}", self.given)
    }

    /// Does what it is asked.
    pub fn asked(
        &mut self,
        account: &GatewayAccount,
        request: &Request,
        mood: Mood,
        now: OffsetDateTime,
    ) -> Result<Reply, CallError> {
        match request {
            Request::Create(order) => self.create(account, order, mood, now),
            Request::Fetch(id) => {
                let fact = self.payment_fact(id).ok_or(CallError::NotFound)?;
                Ok(Reply::Payment(fact))
            }
            Request::Void(id) => self.void(id, mood),
            Request::Capture(id) => self.capture(id, mood),
            Request::Refund(order) => self.refund(order, mood, now),
            Request::FetchRefund(id) => {
                let fact = self.refund_fact(id).ok_or(CallError::NotFound)?;
                Ok(Reply::Refund(fact))
            }
            Request::RefundsOf(payment) => Ok(Reply::Refunds(self.refunds_of(payment))),
        }
    }

    fn remembered(&self, key: &str, now: OffsetDateTime) -> Option<&Remembered> {
        let (since, what) = self.keys.get(key)?;
        (now - *since < KEYS_LIVE).then_some(what)
    }

    fn create(
        &mut self,
        account: &GatewayAccount,
        order: &CreatePayment,
        mood: Mood,
        now: OffsetDateTime,
    ) -> Result<Reply, CallError> {
        let key = order.payment.to_string();
        match self.remembered(&key, now) {
            Some(Remembered::Payment(id)) => return Ok(created(id)),
            Some(_) => return Err(broken()),
            None => {}
        }
        if mood.declines {
            return Err(declined("account_invalid"));
        }
        if mood.breaks == Some(false) {
            self.keys.insert(key, (now, Remembered::Error));
            return Err(broken());
        }
        let id = self.id("pi");
        let paid = Paid {
            account: account.clone(),
            reference: Reference::Booking {
                booking: order.booking,
                payment: Some(order.payment),
            },
            asked: order.amount,
            captured: None,
            state: PaymentState::Open,
            live: true,
            after_seats: order.capture == CaptureMode::AfterSeats,
            void_refused: false,
        };
        self.payments.insert(id.clone(), paid);
        if mood.breaks == Some(true) {
            self.keys.insert(key, (now, Remembered::Error));
            return Err(broken());
        }
        let answer = created(&id);
        self.keys.insert(key, (now, Remembered::Payment(id)));
        Ok(answer)
    }

    fn void(&mut self, id: &str, mood: Mood) -> Result<Reply, CallError> {
        let fact = self.payment_fact(id).ok_or(CallError::NotFound)?;
        let answer = match fact.state {
            PaymentState::Captured => VoidAnswer::AlreadyPaid(fact),
            PaymentState::Cancelled => VoidAnswer::Cancelled,
            _ if mood.declines => {
                if let Some(paid) = self.payments.get_mut(id) {
                    paid.void_refused = true;
                }
                VoidAnswer::NotPossible {
                    why: "this payment cannot be cancelled".to_owned(),
                }
            }
            _ => {
                self.cancel(id);
                VoidAnswer::Cancelled
            }
        };
        if mood.breaks.is_some() {
            return Err(broken());
        }
        Ok(Reply::Void(answer))
    }

    fn capture(&mut self, id: &str, mood: Mood) -> Result<Reply, CallError> {
        let fact = self.payment_fact(id).ok_or(CallError::NotFound)?;
        match fact.state {
            PaymentState::Captured => {}
            _ if mood.breaks == Some(false) => return Err(broken()),
            PaymentState::Authorised if !mood.declines => {
                let asked = fact.amount;
                self.captures_now(id, asked);
            }
            PaymentState::Authorised => {
                // A decline is final: what was reserved is free again.
                self.cancel(id);
                return Err(declined("capture_declined"));
            }
            _ => return Err(declined("payment_not_authorised")),
        }
        if mood.breaks.is_some() {
            return Err(broken());
        }
        let fact = self.payment_fact(id).ok_or(CallError::NotFound)?;
        Ok(Reply::Payment(fact))
    }

    fn refund(
        &mut self,
        order: &RefundOrder,
        mood: Mood,
        now: OffsetDateTime,
    ) -> Result<Reply, CallError> {
        match self.remembered(&order.key, now) {
            Some(Remembered::Refund(id)) => {
                let fact = self.refund_fact(id).ok_or(CallError::NotFound)?;
                return Ok(Reply::Refund(fact));
            }
            Some(_) => return Err(broken()),
            None => {}
        }
        let captured = self
            .payments
            .get(&order.gateway_payment_id)
            .and_then(|paid| paid.captured)
            .ok_or_else(|| declined("charge_not_captured"))?;
        let returned = self.returned(&order.gateway_payment_id);
        if mood.breaks == Some(false) {
            self.keys
                .insert(order.key.clone(), (now, Remembered::Error));
            return Err(broken());
        }
        let too_much = returned + order.amount.minor > captured.minor && !self.lenient;
        if mood.declines || too_much {
            // As the port demands: a decline is believed only after a look at the payment's refunds.
            let there = self.refunds_of(&order.gateway_payment_id);
            let alive = |fact: &RefundFact| {
                fact.refund == Some(order.refund) && fact.state != RefundState::Failed
            };
            return there
                .into_iter()
                .find(alive)
                .map(Reply::Refund)
                .ok_or_else(|| declined("charge_not_refundable"));
        }
        let state = if mood.slow {
            RefundState::Pending
        } else {
            RefundState::Succeeded
        };
        let id = self.returns(
            &order.gateway_payment_id,
            Some((order.refund, order.generation)),
            order.amount,
            state,
        );
        if mood.breaks == Some(true) {
            self.keys
                .insert(order.key.clone(), (now, Remembered::Error));
            return Err(broken());
        }
        self.keys
            .insert(order.key.clone(), (now, Remembered::Refund(id.clone())));
        let fact = self.refund_fact(&id).ok_or(CallError::NotFound)?;
        Ok(Reply::Refund(fact))
    }

    /// What of a payment is back, or on its way back, in minor units.
    pub fn returned(&self, payment: &str) -> i64 {
        self.refunds
            .values()
            .filter(|row| row.payment == payment && row.state != RefundState::Failed)
            .map(|row| row.amount.minor)
            .sum()
    }

    fn refunds_of(&self, payment: &str) -> Vec<RefundFact> {
        self.refunds
            .iter()
            .filter(|(_, row)| row.payment == payment)
            .filter_map(|(id, _)| self.refund_fact(id))
            .collect()
    }

    pub fn payment_fact(&self, id: &str) -> Option<PaymentFact> {
        let paid = self.payments.get(id)?;
        Some(PaymentFact {
            account: paid.account.clone(),
            gateway_payment_id: id.to_owned(),
            reference: paid.reference.clone(),
            state: paid.state,
            amount: paid.captured.unwrap_or(paid.asked),
            live: paid.live,
            reason: (paid.state == PaymentState::Failed).then(|| "card_declined".to_owned()),
        })
    }

    pub fn refund_fact(&self, id: &str) -> Option<RefundFact> {
        let row = self.refunds.get(id)?;
        let paid = self.payments.get(&row.payment)?;
        Some(RefundFact {
            account: paid.account.clone(),
            gateway_refund_id: id.to_owned(),
            gateway_payment_id: row.payment.clone(),
            reference: match (&paid.reference, row.refund) {
                (Reference::Booking { booking, payment }, Some(_)) => Reference::Booking {
                    booking: *booking,
                    payment: *payment,
                },
                _ => Reference::Absent,
            },
            refund: row.refund,
            generation: row.generation,
            state: row.state,
            amount: row.amount,
            live: paid.live,
            reason: (row.state == RefundState::Failed).then(|| "bank_rejected".to_owned()),
        })
    }

    fn tell_payment(&mut self, id: &str) {
        if let Some(fact) = self.payment_fact(id) {
            self.tell(Fact::Payment(fact));
        }
    }

    fn tell_refund(&mut self, id: &str) {
        if let Some(fact) = self.refund_fact(id) {
            self.tell(Fact::Refund(fact));
        }
    }

    /// Tells something that happened.
    pub fn tell(&mut self, fact: Fact) {
        let event_id = self.id("evt");
        self.notices.push(Notice { event_id, fact });
    }

    /// Tells the same again under another event id, as it stands now.
    pub fn tells_again(&mut self, fact: Fact) {
        let now = match &fact {
            Fact::Refund(fact) => self.refund_fact(&fact.gateway_refund_id).map(Fact::Refund),
            _ => None,
        };
        self.tell(now.unwrap_or(fact));
    }

    /// A payment that we never opened: by a link, at another desk, for another product.
    pub fn opens(
        &mut self,
        account: &GatewayAccount,
        reference: Reference,
        asked: Money,
    ) -> String {
        let id = self.id("pi");
        let paid = Paid {
            account: account.clone(),
            reference,
            asked,
            captured: None,
            state: PaymentState::Open,
            live: true,
            after_seats: false,
            void_refused: false,
        };
        self.payments.insert(id.clone(), paid);
        id
    }

    /// A customer pays. A payment that is over cannot be paid any more. Where the money is to be taken later, it is
    /// reserved.
    pub fn captures(&mut self, id: &str, amount: Money) -> bool {
        let Some(paid) = self.payments.get_mut(id).filter(|paid| payable(paid.state)) else {
            return false;
        };
        if paid.after_seats {
            paid.asked = amount;
            return self.reserves(id);
        }
        self.captures_now(id, amount);
        true
    }

    fn captures_now(&mut self, id: &str, amount: Money) {
        if let Some(paid) = self.payments.get_mut(id) {
            paid.state = PaymentState::Captured;
            paid.captured = Some(amount);
            self.tell_payment(id);
        }
    }

    /// The bank reserves the money.
    pub fn reserves(&mut self, id: &str) -> bool {
        let Some(paid) = self.payments.get_mut(id).filter(|paid| unpaid(paid.state)) else {
            return false;
        };
        paid.state = PaymentState::Authorised;
        self.tell_payment(id);
        true
    }

    /// It gives a payment up by itself: it was not paid in time, or not taken.
    pub fn lapses(&mut self, id: &str) -> bool {
        let open = self
            .payments
            .get(id)
            .is_some_and(|paid| payable(paid.state));
        if open {
            self.cancel(id);
        }
        open
    }

    /// A bank disputes a payment.
    pub fn disputed(&mut self, payment: &str, amount: Money) -> bool {
        let id = self.id("dp");
        let row = Disputed {
            payment: payment.to_owned(),
            amount,
            standing: DisputeStanding::Opened,
        };
        self.disputes.insert(id.clone(), row);
        self.tell_dispute(&id);
        true
    }

    /// The `nth` of the open disputes ends.
    pub fn dispute_ends(&mut self, nth: usize, won: bool) -> bool {
        let open: Vec<String> = self
            .disputes
            .iter()
            .filter(|(_, row)| row.standing == DisputeStanding::Opened)
            .map(|(id, _)| id.clone())
            .collect();
        let Some(id) = nth.checked_rem(open.len()).and_then(|nth| open.get(nth)) else {
            return false;
        };
        if let Some(row) = self.disputes.get_mut(id) {
            row.standing = if won {
                DisputeStanding::Won
            } else {
                DisputeStanding::Lost
            };
        }
        self.tell_dispute(id);
        true
    }

    fn tell_dispute(&mut self, id: &str) {
        let fact = self.disputes.get(id).and_then(|row| {
            let paid = self.payments.get(&row.payment)?;
            Some(DisputeFact {
                account: paid.account.clone(),
                gateway_dispute_id: id.to_owned(),
                gateway_payment_id: row.payment.clone(),
                reference: Reference::Absent,
                standing: row.standing,
                amount: row.amount,
                live: paid.live,
                reason: None,
            })
        });
        if let Some(fact) = fact {
            self.tell(Fact::Dispute(fact));
        }
    }

    /// A customer's card is refused.
    pub fn fails(&mut self, id: &str) -> bool {
        let Some(paid) = self.payments.get_mut(id).filter(|paid| unpaid(paid.state)) else {
            return false;
        };
        paid.state = PaymentState::Failed;
        self.tell_payment(id);
        true
    }

    /// The customer has finished and the bank has not.
    pub fn processes(&mut self, id: &str) -> bool {
        let Some(paid) = self.payments.get_mut(id).filter(|paid| unpaid(paid.state)) else {
            return false;
        };
        paid.state = PaymentState::Processing;
        self.tell_payment(id);
        true
    }

    fn cancel(&mut self, id: &str) {
        if let Some(paid) = self.payments.get_mut(id) {
            paid.state = PaymentState::Cancelled;
            self.tell_payment(id);
        }
    }

    /// Money goes back, by whomever.
    pub fn returns(
        &mut self,
        payment: &str,
        ours: Option<(RefundId, u32)>,
        amount: Money,
        state: RefundState,
    ) -> String {
        let id = self.id("re");
        let row = Returned {
            payment: payment.to_owned(),
            refund: ours.map(|(refund, _)| refund),
            generation: ours.map(|(_, generation)| generation),
            amount,
            state,
        };
        self.refunds.insert(id.clone(), row);
        self.tell_refund(&id);
        id
    }

    /// A refund ends, or comes back after all.
    pub fn refund_becomes(&mut self, id: &str, state: RefundState) {
        if let Some(row) = self.refunds.get_mut(id) {
            row.state = state;
            self.tell_refund(id);
        }
    }
}

/// The customer has not finished.
const fn unpaid(state: PaymentState) -> bool {
    matches!(
        state,
        PaymentState::Open | PaymentState::Processing | PaymentState::Failed
    )
}

const fn payable(state: PaymentState) -> bool {
    !matches!(state, PaymentState::Captured | PaymentState::Cancelled)
}

fn created(id: &str) -> Reply {
    Reply::Created(Created {
        gateway_payment_id: id.to_owned(),
        client_secret: None,
        checkout_url: None,
    })
}

fn broken() -> CallError {
    CallError::unknown("the gateway broke")
}

fn declined(code: &str) -> CallError {
    CallError::Declined {
        code: code.to_owned(),
        message: String::new(),
    }
}

/// Whose attempt a payment is, where its metadata says so.
pub(crate) fn attempt_of(reference: &Reference) -> Option<(BookingId, Option<PaymentId>)> {
    match reference {
        Reference::Booking { booking, payment } => Some((*booking, *payment)),
        Reference::Absent | Reference::Malformed { .. } => None,
    }
}

impl Gateway {
    /// Refunds of ours that were made more than once.
    pub fn refunded_twice(&self) -> Vec<String> {
        let mut alive: BTreeMap<RefundId, Vec<&str>> = BTreeMap::new();
        for (id, row) in &self.refunds {
            if let (Some(refund), true) = (row.refund, row.state != RefundState::Failed) {
                alive.entry(refund).or_default().push(id);
            }
        }
        alive
            .into_iter()
            .filter(|(_, ids)| ids.len() > 1)
            .map(|(refund, ids)| {
                format!("MONEY-2: refund {refund} was made twice at the gateway: {ids:?}")
            })
            .collect()
    }
}

//! The payment gateway, with books of its own: what it is asked, what its customers do, and what it tells.
//!
//! It is an adversary within what real gateways do. It remembers idempotency keys for a day and replays a
//! first answer even if that was an error; it may let a refund through that takes a payment below zero.

use std::collections::BTreeMap;

use boxoffice_gateways::{CreatePayment, Created, RefundOrder, VoidAnswer};
use boxoffice_saga::fact::{
    DisputeFact, Fact, PaymentFact, PaymentState, Reference, RefundFact, RefundState,
};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, RefundId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::DisputeStanding;
use time::OffsetDateTime;

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
    /// It bears our reference.
    pub named: bool,
    pub payment: String,
    pub amount: Money,
    pub standing: DisputeStanding,
}

/// A refund in its books.
#[derive(Clone, Debug)]
pub(crate) struct Returned {
    /// We asked for it.
    pub ours: bool,
    pub payment: String,
    /// Ours, as its metadata says. `None`: somebody made it on the dashboard.
    pub refund: Option<RefundId>,
    /// Which go at it, as its metadata says.
    pub generation: Option<u32>,
    pub amount: Money,
    pub state: RefundState,
}

/// What it gives back under a key.
#[derive(Clone, Debug)]
pub(crate) enum Remembered {
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
    pub keys: BTreeMap<String, (OffsetDateTime, Remembered)>,
    /// Webhooks not yet delivered, oldest first.
    pub notices: Vec<Notice>,
    /// Webhooks that were lost on the way.
    pub lost: Vec<Notice>,
    /// Lets more be returned than was captured.
    pub lenient: bool,
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

    pub fn id(&mut self, kind: &str) -> String {
        self.given += 1;
        format!("{kind}_{}", self.given)
    }

    /// What of a payment is back, or on its way back, in minor units.
    pub fn returned(&self, payment: &str) -> i64 {
        self.refunds
            .values()
            .filter(|row| row.payment == payment && row.state != RefundState::Failed)
            .map(|row| row.amount.minor)
            .sum()
    }

    pub fn refunds_of(&self, payment: &str) -> Vec<RefundFact> {
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
            opened_as: None,
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
            Fact::Dispute(fact) => self
                .dispute_fact(&fact.gateway_dispute_id)
                .map(Fact::Dispute),
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

    pub fn captures_now(&mut self, id: &str, amount: Money) {
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
        let named = self.given.is_multiple_of(3);
        let row = Disputed {
            named,
            payment: payment.to_owned(),
            amount,
            standing: DisputeStanding::Opened,
        };
        self.disputes.insert(id.clone(), row);
        self.tell_dispute(&id);
        true
    }

    /// The `nth` of the open disputes ends; those that we know to be `lost` have a second instance.
    pub fn dispute_ends(&mut self, nth: usize, won: bool, lost: &[String]) -> bool {
        let open: Vec<String> = self
            .disputes
            .iter()
            .filter(|(id, row)| match row.standing {
                DisputeStanding::Opened => true,
                DisputeStanding::Lost => won && lost.contains(id),
                DisputeStanding::Won => false,
            })
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

    fn dispute_fact(&self, id: &str) -> Option<DisputeFact> {
        let row = self.disputes.get(id)?;
        let paid = self.payments.get(&row.payment)?;
        Some(DisputeFact {
            account: paid.account.clone(),
            gateway_dispute_id: id.to_owned(),
            gateway_payment_id: row.payment.clone(),
            reference: match row.named {
                true => paid.reference.clone(),
                false => Reference::Absent,
            },
            standing: row.standing,
            amount: row.amount,
            live: paid.live,
            reason: None,
        })
    }

    fn tell_dispute(&mut self, id: &str) {
        if let Some(fact) = self.dispute_fact(id) {
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

    pub fn cancel(&mut self, id: &str) {
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
            ours: false,
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

/// Whose attempt a payment is, where its metadata says so.
pub(crate) fn attempt_of(reference: &Reference) -> Option<(BookingId, Option<PaymentId>)> {
    match reference {
        Reference::Booking { booking, payment } => Some((*booking, *payment)),
        Reference::Absent | Reference::Malformed { .. } => None,
    }
}

impl Gateway {
    /// Refunds of ours that were made more than once, by us.
    pub fn refunded_twice(&self) -> Vec<String> {
        let mut alive: BTreeMap<RefundId, Vec<&str>> = BTreeMap::new();
        for (id, row) in &self.refunds {
            if let (Some(refund), true, true) =
                (row.refund, row.ours, row.state != RefundState::Failed)
            {
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

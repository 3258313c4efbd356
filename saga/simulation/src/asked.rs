//! What the gateway does when it is asked.

use boxoffice_gateways::{CallError, CreatePayment, Created, RefundOrder, VoidAnswer};
use boxoffice_saga::fact::{PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::CaptureMode;
use time::{Duration, OffsetDateTime};

use crate::gateway::{Gateway, Mood, Paid, Remembered, Reply, Request};

/// How long it remembers an idempotency key.
const KEYS_LIVE: Duration = Duration::hours(24);

impl Gateway {
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
        if let Some(row) = self.refunds.get_mut(&id) {
            row.ours = true;
        }
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

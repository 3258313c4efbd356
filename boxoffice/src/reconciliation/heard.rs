//! What a gateway says has changed, gathered by payment.

use std::collections::BTreeMap;

use boxoffice_gateways::{CallError, GatewayClient, Window};
use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reference, RefundFact, RefundState};

use crate::audit::gateway::compare::Theirs;
use crate::audit::gateway::look::patiently;

/// More pages than a window has; a gateway that never ends a list is broken.
const MOST_PAGES: usize = 10_000;

/// What was heard about one payment, in whatever order.
#[derive(Clone, Debug, Default)]
pub struct Hearsay {
    payments: Vec<PaymentFact>,
    refunds: BTreeMap<String, RefundFact>,
}

impl Hearsay {
    fn refund(&mut self, fact: RefundFact) {
        // A failure is final, and a success is only followed by one.
        let rank = |state: RefundState| match state {
            RefundState::Pending => 0,
            RefundState::Succeeded => 1,
            RefundState::Failed => 2,
        };
        let known = self.refunds.get(&fact.gateway_refund_id);
        if known.is_none_or(|known| rank(known.state) < rank(fact.state)) {
            self.refunds.insert(fact.gateway_refund_id.clone(), fact);
        }
    }

    /// What can be told of it without asking. None: it went to and fro, and only the gateway knows how it stands.
    pub fn settled(&self) -> Option<Theirs> {
        // Captured is final, whatever came before it.
        let captured = self
            .payments
            .iter()
            .find(|fact| fact.state == PaymentState::Captured);
        let alike = |fact: &PaymentFact| {
            self.payments.iter().all(|other| {
                (other.state, other.amount) == (fact.state, fact.amount)
                    || captured.is_some() && other.state != PaymentState::Captured
            })
        };
        let payment = captured.or(self.payments.first());
        if payment.is_some_and(|fact| !alike(fact)) {
            return None;
        }
        Some(Theirs {
            payment: payment.cloned(),
            refunds: self.refunds.values().cloned().collect(),
            only_told: false,
        })
    }

    /// Whose it is, as far as anything that was heard says so.
    pub fn reference(&self) -> Reference {
        let said = self.payments.iter().map(|fact| &fact.reference);
        let said = said.chain(self.refunds.values().map(|fact| &fact.reference));
        let mut found = Reference::Absent;
        for reference in said {
            match reference {
                Reference::Booking { .. } => return reference.clone(),
                Reference::Malformed { .. } => found = reference.clone(),
                Reference::Absent => {}
            }
        }
        found
    }

    /// Whether the payment itself was told of, and not only a refund of it.
    pub const fn names_payment(&self) -> bool {
        !self.payments.is_empty()
    }

    /// Whether the payment is one of several of something that was opened, which may say whose it is where the payment
    /// does not.
    pub fn opened_as_another_thing(&self) -> bool {
        self.payments.iter().any(|fact| fact.opened_as.is_some())
    }

    /// Whether money may be taken or reserved, or nobody can say without asking.
    pub fn may_be_money(&self) -> bool {
        self.payments.is_empty()
            || self.payments.iter().any(|fact| {
                matches!(
                    fact.state,
                    PaymentState::Captured | PaymentState::Authorised
                )
            })
    }
}

/// What came of listening.
#[derive(Debug)]
pub enum Listened {
    /// Everything that changed, by the gateway's id of the payment.
    Heard(BTreeMap<String, Hearsay>),
    /// More payments have changed than were to be kept.
    TooMuch,
    /// This gateway has no listing.
    NoListing,
}

/// Everything that changed within `window`, unless that is about more than `most` payments.
///
/// # Errors
/// The last one of a few tries for a page.
pub async fn listen(
    client: &dyn GatewayClient,
    window: &Window,
    most: usize,
) -> Result<Listened, CallError> {
    let mut heard: BTreeMap<String, Hearsay> = BTreeMap::new();
    let mut page: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let told = match patiently(|| client.changes(window, page.as_deref())).await {
            Err(error) if error.is_no_listing() => return Ok(Listened::NoListing),
            told => told?,
        };
        for fact in told.facts {
            match fact {
                Fact::Payment(fact) => {
                    let about = heard.entry(fact.gateway_payment_id.clone()).or_default();
                    // Events repeat what the list says.
                    if !about.payments.contains(&fact) {
                        about.payments.push(fact);
                    }
                }
                Fact::Refund(fact) => {
                    let about = heard.entry(fact.gateway_payment_id.clone()).or_default();
                    about.refund(fact);
                }
                _ => {}
            }
        }
        if heard.len() > most {
            return Ok(Listened::TooMuch);
        }
        page = told.next;
        if page.is_none() {
            return Ok(Listened::Heard(heard));
        }
    }
    Err(CallError::unknown(
        "the list of what has changed does not end",
    ))
}

#[cfg(test)]
mod tests {
    use boxoffice_saga::identity::GatewayAccount;
    use boxoffice_saga::money::Money;

    use super::*;

    fn payment(state: PaymentState, minor: i64) -> PaymentFact {
        PaymentFact {
            account: GatewayAccount::new("stripe", "default"),
            gateway_payment_id: "pi_1".into(),
            opened_as: None,
            reference: Reference::Absent,
            state,
            amount: Money::new(minor, "INR".parse().unwrap()),
            live: false,
            reason: None,
        }
    }

    fn hearsay(payments: &[(PaymentState, i64)]) -> Hearsay {
        Hearsay {
            payments: payments
                .iter()
                .map(|(state, minor)| payment(*state, *minor))
                .collect(),
            ..Hearsay::default()
        }
    }

    #[test]
    fn captured_is_final_and_anything_else_that_changed_is_asked_for() {
        use PaymentState::{Authorised, Captured, Failed, Open};
        let told = |payments: &[(PaymentState, i64)]| {
            let settled = hearsay(payments).settled()?;
            settled.payment.map(|fact| fact.state)
        };
        assert_eq!(
            told(&[(Failed, 5), (Captured, 5), (Open, 5)]),
            Some(Captured)
        );
        assert_eq!(told(&[(Failed, 5), (Failed, 5)]), Some(Failed));
        assert_eq!(told(&[(Authorised, 5), (Failed, 5)]), None);
        assert_eq!(told(&[(Captured, 5), (Captured, 4)]), None);
    }

    #[test]
    fn of_a_refund_the_last_word_counts_in_whatever_order_it_was_heard() {
        let refund = |state| RefundFact {
            account: GatewayAccount::new("stripe", "default"),
            gateway_refund_id: "re_1".into(),
            gateway_payment_id: "pi_1".into(),
            reference: Reference::Absent,
            refund: None,
            generation: None,
            state,
            amount: Money::new(5, "INR".parse().unwrap()),
            live: false,
            reason: None,
        };
        use RefundState::{Failed, Pending, Succeeded};
        for order in [[Pending, Succeeded, Failed], [Failed, Pending, Succeeded]] {
            let mut hearsay = Hearsay::default();
            for state in order {
                hearsay.refund(refund(state));
            }
            let told = hearsay.settled().unwrap();
            assert_eq!(told.refunds.len(), 1);
            assert_eq!(told.refunds[0].state, Failed);
            assert!(!hearsay.names_payment() && hearsay.may_be_money());
        }
    }
}

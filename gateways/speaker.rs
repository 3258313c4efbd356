//! Who says something, and in which mode: what the facts of all webhooks of an account have in common.

use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::money::Money;

use crate::config::AccountConfig;
use crate::legible;
use crate::port::Unreadable;
use crate::reference::Metadata;

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 100;

/// An account whose gateway's webhooks are read.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) account: GatewayAccount,
    pub(crate) live: bool,
}

impl Speaker {
    pub(crate) fn new(config: &AccountConfig) -> Self {
        Self {
            account: config.gateway_account(),
            live: config.live,
        }
    }

    /// A payment, by the gateway's id of it.
    pub(crate) fn payment(
        &self,
        id: &str,
        reference: Reference,
        state: PaymentState,
        amount: Money,
        reason: Option<&str>,
    ) -> Result<Fact, Unreadable> {
        Ok(Fact::Payment(PaymentFact {
            account: self.account.clone(),
            gateway_payment_id: legible::id(id, "the payment's id")?,
            opened_as: None,
            reference,
            state,
            amount,
            live: self.live,
            reason: reason.map(|reason| legible::words(reason, LONGEST_REASON)),
        }))
    }

    /// A refund of a payment, by the gateway's ids of both.
    pub(crate) fn refund(
        &self,
        id: &str,
        payment: &str,
        metadata: &Metadata<'_>,
        state: RefundState,
        amount: Money,
    ) -> Result<Fact, Unreadable> {
        Ok(Fact::Refund(RefundFact {
            account: self.account.clone(),
            gateway_refund_id: legible::id(id, "the refund's id")?,
            gateway_payment_id: legible::id(payment, "the refund's payment")?,
            reference: metadata.reference(),
            refund: metadata.refund(),
            generation: metadata.generation(),
            state,
            amount,
            live: self.live,
            reason: None,
        }))
    }

    /// Money of the other mode than the account's is no money here.
    pub(crate) fn in_mode(&self, said: Option<bool>) -> Result<(), Unreadable> {
        match said {
            Some(live) if live != self.live => Err(Unreadable::WrongMode { live }),
            _ => Ok(()),
        }
    }
}

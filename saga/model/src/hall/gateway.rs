//! The gateway: payments that customers make there, refunds, disputes; and everything that it has ever told.

use std::collections::BTreeSet;

use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::RefundId;
use boxoffice_saga::payment::DisputeStanding;

/// A payment at the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Paid {
    /// How it stands.
    pub state: PaymentState,
    /// Everything that was ever so about it: each may be told at any time, as often as it likes.
    pub told: BTreeSet<PaymentState>,
    /// What was captured, in minor units.
    pub captured: i64,
    /// Its refunds.
    pub refunds: Vec<Back>,
    /// A dispute: how it stands, and what was ever so.
    pub dispute: Option<(DisputeStanding, Vec<DisputeStanding>)>,
}

/// A refund at the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Back {
    /// Ours, as its metadata says; `None`: made on the dashboard.
    pub ours: Option<RefundId>,
    /// The generation that its key was made of; 0 on the dashboard.
    pub generation: u32,
    /// How it stands.
    pub state: RefundState,
    /// Everything that was ever so.
    pub told: Vec<RefundState>,
    /// How much, in minor units.
    pub amount: i64,
    /// Whether we were told that it failed.
    pub heard_failed: bool,
}

impl Paid {
    /// A fresh payment.
    pub fn open() -> Self {
        Self {
            state: PaymentState::Open,
            told: BTreeSet::new(),
            captured: 0,
            refunds: Vec::new(),
            dispute: None,
        }
    }

    /// It comes to stand so, and may tell it.
    pub fn becomes(&mut self, state: PaymentState) {
        self.state = state;
        self.told.insert(state);
    }

    /// What refunds have not taken of it.
    pub fn left(&self) -> i64 {
        let out: i64 = self
            .refunds
            .iter()
            .filter(|back| back.is_alive())
            .map(|back| back.amount)
            .sum();
        self.captured - out
    }

    /// Makes a refund, and says which it is.
    pub fn refund(
        &mut self,
        ours: Option<RefundId>,
        generation: u32,
        amount: i64,
        state: RefundState,
    ) -> usize {
        self.refunds.push(Back {
            ours,
            generation,
            state,
            told: vec![state],
            amount,
            heard_failed: false,
        });
        self.refunds.len() - 1
    }
}

impl Back {
    /// Made, and not come back.
    pub fn is_alive(&self) -> bool {
        self.state != RefundState::Failed
    }

    /// It comes to stand so, and may tell it.
    pub fn becomes(&mut self, state: RefundState) {
        self.state = state;
        if !self.told.contains(&state) {
            self.told.push(state);
        }
    }
}

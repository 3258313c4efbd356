//! What the journal of a booking says, held against its rows: each payment was decided once, by the verdict that
//! stands, and no refund was made twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::booking::{Booking, BookingState};
use crate::fact::{PaymentFact, PaymentState, RefundFact, RefundState};
use crate::identity::{GatewayAccount, RefundId};
use crate::input::{CaptureAnswer, Input, Outcome, RefundAnswer, VoidAnswer};
use crate::money::Money;
use crate::payment::{Payment, Verdict};
use crate::promises::{Promise, Violation};
use crate::refund::{Refund, RefundCause};

/// What the journal of one booking says. Made by [hearing](Testimony::hear) its entries in order.
#[derive(Clone, Debug, Default)]
pub struct Testimony {
    holds: u32,
    cancellations: u32,
    /// Captured money by the gateway's id, with each decision about it.
    decided: BTreeMap<(GatewayAccount, String), Vec<(Verdict, Money)>>,
    /// The gateway's refunds that were made in the name of one of ours, and whether they live.
    made: BTreeMap<RefundId, BTreeMap<String, bool>>,
}

/// The captured money that an input tells of, if it tells of any.
pub fn captured(input: &Input) -> Option<&PaymentFact> {
    let fact = match input {
        Input::Payment(fact)
        | Input::CaptureAnswered {
            answer: CaptureAnswer::Taken { fact },
            ..
        }
        | Input::VoidAnswered {
            answer: VoidAnswer::AlreadyPaid { fact },
            ..
        } => fact,
        _ => return None,
    };
    (fact.state == PaymentState::Captured).then_some(fact)
}

fn returned(input: &Input) -> Option<(RefundId, &RefundFact)> {
    match input {
        Input::Refund(fact) => fact.refund.map(|refund| (refund, fact)),
        Input::RefundAnswered {
            refund,
            answer: RefundAnswer::Told { fact },
            ..
        } => Some((*refund, fact)),
        _ => None,
    }
}

impl Testimony {
    /// Takes note of one entry.
    pub fn hear(&mut self, input: &Input, outcome: &Outcome) {
        match input {
            Input::Hold { .. } if *outcome == Outcome::Done => self.holds += 1,
            Input::Cancel { .. } if *outcome == Outcome::Done => self.cancellations += 1,
            _ => {}
        }
        if let (Some(fact), Outcome::Decided { verdict, .. }) = (captured(input), outcome) {
            self.decided
                .entry((fact.account.clone(), fact.gateway_payment_id.clone()))
                .or_default()
                .push((*verdict, fact.amount));
        }
        if let Some((refund, fact)) = returned(input) {
            let alive = self
                .made
                .entry(refund)
                .or_default()
                .entry(fact.gateway_refund_id.clone())
                .or_insert(true);
            // A refund that has failed at its gateway stays so.
            *alive &= fact.state != RefundState::Failed;
        }
    }

    /// Where the journal and the rows of `booking` disagree. `payments` and `refunds` are all of its.
    pub fn against<'a>(
        &self,
        booking: &Booking,
        payments: impl IntoIterator<Item = &'a Payment>,
        refunds: &[&Refund],
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut complain = |promise, what| found.push(Violation::over(promise, booking.id, what));
        if self.holds != 1 {
            complain(
                Promise::Saga1,
                format!(
                    "booking {} was held {} times, says the journal",
                    booking.id, self.holds
                ),
            );
        }
        let cancelled = u32::from(booking.state == BookingState::Cancelled);
        if self.cancellations != cancelled {
            complain(
                Promise::Saga1,
                format!(
                    "booking {} is {} and was cancelled {} times, says the journal",
                    booking.id,
                    booking.state.name(),
                    self.cancellations
                ),
            );
        }
        let mut standing = BTreeSet::new();
        for payment in payments {
            let (Some(captured), Some(verdict), Some(id)) = (
                payment.captured,
                payment.verdict,
                &payment.gateway_payment_id,
            ) else {
                continue;
            };
            let key = (payment.account.clone(), id.clone());
            let decided = self.decided.get(&key).map_or(&[][..], Vec::as_slice);
            if decided != [(verdict, captured)] {
                let said: Vec<String> = decided
                    .iter()
                    .map(|(verdict, amount)| format!("{} over {amount}", verdict.name()))
                    .collect();
                complain(
                    Promise::Saga1,
                    format!(
                        "payment {} stands as {} over {captured}, and the journal decided [{}]",
                        payment.id,
                        verdict.name(),
                        said.join(", ")
                    ),
                );
            }
            standing.insert(key);
        }
        for ((account, id), decided) in &self.decided {
            if !standing.contains(&(account.clone(), id.clone())) {
                complain(
                    Promise::Saga1,
                    format!(
                        "the journal decided {} times over payment {id} of {account}, and booking {} has no such \
                         captured payment",
                        decided.len(),
                        booking.id
                    ),
                );
            }
        }
        let counted_alone: BTreeSet<&str> = refunds
            .iter()
            .filter(|refund| refund.cause == RefundCause::NotAskedFor)
            .filter_map(|refund| refund.gateway_refund_id.as_deref())
            .collect();
        for (refund, made) in &self.made {
            let alive: Vec<&str> = made
                .iter()
                .filter(|(id, alive)| **alive && !counted_alone.contains(id.as_str()))
                .map(|(id, _)| id.as_str())
                .collect();
            if alive.len() > 1 {
                complain(
                    Promise::Money2,
                    format!(
                        "refund {refund} was made {} times at the gateway: {}",
                        alive.len(),
                        alive.join(", ")
                    ),
                );
            }
        }
        found
    }
}

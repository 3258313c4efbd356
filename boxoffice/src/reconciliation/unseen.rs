//! Payments of the gateway's of which we have no row: somebody else's, or ours and never heard of.

use boxoffice_gateways::{CallError, SignError};
use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundState};
use futures::{FutureExt, StreamExt};

use super::heard::Hearsay;
use super::tell::{News, Telling};
use super::walk::{Outcome, Walk, WalkError};
use crate::audit::gateway::compare::Theirs;
use crate::audit::gateway::look::{AT_ONCE, SETTLE, ask};

impl Walk<'_> {
    /// Payments of the gateway's that are none of our rows.
    pub(super) async fn unseen(
        &self,
        heard: &[(String, Hearsay)],
        outcome: &mut Outcome,
    ) -> Result<(), WalkError> {
        let Some(client) = self.gateways.client(self.account) else {
            return Ok(());
        };
        let mut to_ask = Vec::new();
        for (id, hearsay) in heard {
            let nobodys = hearsay.names_payment()
                && hearsay.reference() == Reference::Absent
                && !hearsay.opened_as_another_thing();
            if nobodys {
                outcome.tally.not_ours += 1;
            } else if hearsay.may_be_money() {
                to_ask.push((id, hearsay));
            } else {
                outcome.tally.matched += 1;
            }
        }
        let asked: Vec<_> = to_ask
            .into_iter()
            .map(|(id, hearsay)| {
                async move { (id, hearsay, ask(client.as_ref(), id, &[]).await) }.boxed()
            })
            .collect();
        let asked = futures::stream::iter(asked).buffer_unordered(AT_ONCE);
        let asked: Vec<_> = asked.collect().await;
        let mut tellings = Vec::new();
        for (id, hearsay, theirs) in asked {
            match theirs {
                Err(error) => outcome.missing(id.clone(), &error, None),
                Ok(Theirs { payment: None, .. }) => {
                    let error =
                        CallError::unknown("it is on a list, and asked for it is not known");
                    outcome.missing(id.clone(), &error, None);
                }
                Ok(theirs) => match self.tellings_of_unseen(&theirs, hearsay)? {
                    None => outcome.tally.not_ours += 1,
                    Some(of_it) if of_it.is_empty() => outcome.tally.matched += 1,
                    Some(of_it) => tellings.extend(of_it),
                },
            }
        }
        if tellings.is_empty() {
            return Ok(());
        }
        // Its webhook may be on its way all the same, or has come meanwhile.
        tokio::time::sleep(SETTLE).await;
        let known = self
            .known(
                tellings
                    .iter()
                    .map(|telling| telling.gateway_payment_id.clone())
                    .collect(),
            )
            .await?;
        let heard_before = self
            .in_inbox(
                tellings
                    .iter()
                    .map(|telling| self.gateways.inbox_key(&telling.record))
                    .collect(),
            )
            .await?;
        let before = tellings.len();
        tellings.retain(|telling| {
            !known.contains_key(&telling.gateway_payment_id)
                && !heard_before.contains(&telling.record.event_id)
        });
        outcome.tally.matched += before - tellings.len();
        let news = News {
            tellings,
            ..News::default()
        };
        self.tell(news, outcome).await
    }

    /// The records of a payment that we have no row of. None: it is not ours.
    fn tellings_of_unseen(
        &self,
        theirs: &Theirs,
        hearsay: &Hearsay,
    ) -> Result<Option<Vec<Telling>>, SignError> {
        let Some(fact) = &theirs.payment else {
            return Ok(None);
        };
        let reference = match &fact.reference {
            Reference::Absent => hearsay.reference(),
            said => said.clone(),
        };
        let booking = match &reference {
            Reference::Absent => return Ok(None),
            Reference::Malformed { .. } => None,
            Reference::Booking { booking, .. } => Some(*booking),
        };
        let id = &fact.gateway_payment_id;
        let mut tellings = Vec::new();
        let mut telling = |record, what| {
            tellings.push(Telling {
                record,
                booking,
                gateway_payment_id: id.clone(),
                what,
            });
        };
        if matches!(
            fact.state,
            PaymentState::Captured | PaymentState::Authorised
        ) {
            let what = format!(
                "payment {id} at {} is {:?} with {} there, and not known here",
                self.account, fact.state, fact.amount
            );
            let fact = PaymentFact {
                reference: reference.clone(),
                ..fact.clone()
            };
            telling(self.gateways.facts().payment(fact, 0, self.now)?, what);
        }
        for refund in &theirs.refunds {
            // Without its booking it is nobody's here.
            if refund.state == RefundState::Failed || booking.is_none() {
                continue;
            }
            let what = format!(
                "refund {} of {} for payment {id} at {} is {:?} there, and not known here",
                refund.gateway_refund_id, refund.amount, self.account, refund.state
            );
            let mut refund = refund.clone();
            if refund.reference == Reference::Absent {
                refund.reference = reference.clone();
            }
            telling(self.gateways.facts().refund(refund, self.now)?, what);
        }
        Ok(Some(tellings))
    }
}

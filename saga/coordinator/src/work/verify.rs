//! `verify`: asks the gateway how an attempt stands.
//!
//! What it says goes, signed by us, into `payments.webhooks.v1`, so that money has one way in. The answer
//! here only closes the question.

use boxoffice_gateways::record::WebhookRecord;
use boxoffice_saga::fact::{PaymentFact, PaymentState};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{CallAnswer, Input};
use boxoffice_saga::world::World;
use boxoffice_tasks::{HeldBack, Leased};
use boxoffice_turn::{Appends, Reads};

use super::{CoordinatorWork, gateway_id, made};
use crate::batch::fetched;

/// What came of asking.
#[derive(Debug)]
pub enum Verified {
    /// The gateway says how it stands.
    Told {
        /// As it tells it.
        fact: Box<PaymentFact>,
        /// The same, signed, if it is worth telling.
        record: Option<Box<WebhookRecord>>,
    },
    /// There is nobody to ask.
    NobodyToAsk,
    /// No usable answer.
    Unknown(String),
}

impl<S: Reads> CoordinatorWork<S> {
    pub(super) async fn verify(&self, task: &Leased) -> Result<Verified, HeldBack> {
        let (payment, client) = match self.payment(task).await {
            Ok(found) => found,
            Err(why) => return Ok(Verified::Unknown(why)),
        };
        let Some(client) = client else {
            return Ok(Verified::NobodyToAsk);
        };
        let asked = async {
            let id = gateway_id(&*client, &payment).await?;
            client.fetch_payment(&id).await
        };
        Ok(match made(asked.await)? {
            Ok(fact) => self.told(fact, task),
            Err(error) => Verified::Unknown(error.to_string()),
        })
    }

    fn told(&self, fact: PaymentFact, task: &Leased) -> Verified {
        // Open and processing are no news.
        let news = matches!(
            fact.state,
            PaymentState::Captured
                | PaymentState::Authorised
                | PaymentState::Failed
                | PaymentState::Cancelled
        );
        if !news {
            return Verified::Told {
                fact: Box::new(fact),
                record: None,
            };
        }
        match self.gateways.facts().payment(fact.clone(), 0, task.now) {
            Ok(record) => Verified::Told {
                fact: Box::new(fact),
                record: Some(Box::new(record)),
            },
            Err(error) => Verified::Unknown(error.to_string()),
        }
    }

    pub(super) fn apply_verified(
        &self,
        task: &Leased,
        booking: BookingId,
        verified: &Verified,
        held: bool,
        world: &mut World,
        appends: &mut Appends,
    ) -> String {
        let payment = task.key.subject.into();
        let (answer, recorded) = match verified {
            Verified::Told { fact, record } => {
                // Its creation was never answered, and this is the first that we hear of its id.
                if world
                    .payments
                    .get(&payment)
                    .is_some_and(|row| row.gateway_payment_id.is_none())
                {
                    let gateway_payment_id = fact.gateway_payment_id.clone();
                    world.apply(
                        booking,
                        Input::AttemptCreated {
                            payment,
                            gateway_payment_id,
                        },
                    );
                }
                if let Some(record) = record {
                    appends
                        .outgoing
                        .push(fetched(Some(booking), record, world.now));
                }
                (
                    CallAnswer::Answered {
                        state: Some(fact.state),
                    },
                    format!("{:?}", fact.state).to_lowercase(),
                )
            }
            Verified::NobodyToAsk => {
                let why = "nobody to ask".to_owned();
                (CallAnswer::Unknown { why: why.clone() }, why)
            }
            Verified::Unknown(why) => (
                CallAnswer::Unknown { why: why.clone() },
                format!("unknown: {why}"),
            ),
        };
        if held {
            world.apply(
                booking,
                Input::VerifyAnswered {
                    payment,
                    generation: task.key.generation,
                    answer,
                },
            );
        }
        recorded
    }
}

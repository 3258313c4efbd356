//! `void`: cancels an attempt at the gateway.

use boxoffice_gateways::{Attempt, CallError};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{Input, VoidAnswer};
use boxoffice_saga::world::World;
use boxoffice_tasks::{HeldBack, Leased};
use boxoffice_turn::Reads;

use super::{CoordinatorWork, gateway_id, made};

impl<S: Reads> CoordinatorWork<S> {
    pub(super) async fn void(&self, task: &Leased) -> Result<VoidAnswer, HeldBack> {
        let (payment, client) = match self.payment(task).await {
            Ok(found) => found,
            Err(why) => return Ok(VoidAnswer::Unknown { why }),
        };
        let Some(client) = client else {
            return Ok(VoidAnswer::NotPossible {
                why: "this gateway has no way to cancel".to_owned(),
            });
        };
        let asked = async {
            let attempt = Attempt::of(&payment, gateway_id(&*client, &payment).await?);
            client.void_payment(&attempt).await
        };
        Ok(match made(asked.await)? {
            Ok(boxoffice_gateways::VoidAnswer::Cancelled) => VoidAnswer::NothingTaken,
            Ok(boxoffice_gateways::VoidAnswer::AlreadyPaid(fact)) => {
                VoidAnswer::AlreadyPaid { fact }
            }
            Ok(boxoffice_gateways::VoidAnswer::UnderWay) => VoidAnswer::Unknown {
                why: "the gateway has accepted it, and tells by webhook".to_owned(),
            },
            Ok(boxoffice_gateways::VoidAnswer::NotPossible { why }) => {
                VoidAnswer::NotPossible { why }
            }
            // A decline is no answer to whether money was taken.
            Err(error @ (CallError::Declined { .. } | CallError::NotFound)) => {
                VoidAnswer::Unknown {
                    why: error.to_string(),
                }
            }
            Err(CallError::RetryLater { why, .. } | CallError::Unknown { why }) => {
                VoidAnswer::Unknown { why }
            }
        })
    }
}

pub(super) fn apply(
    task: &Leased,
    booking: BookingId,
    answer: &VoidAnswer,
    held: bool,
    world: &mut World,
) -> String {
    let recorded = match answer {
        VoidAnswer::NothingTaken => "nothing taken".to_owned(),
        VoidAnswer::AlreadyPaid { .. } => "already paid".to_owned(),
        VoidAnswer::NotPossible { why } => format!("not possible: {why}"),
        VoidAnswer::Unknown { why } => format!("unknown: {why}"),
    };
    // A late answer that settles something counts; a late "unknown" would only take the task from its
    // present holder.
    if held || !matches!(answer, VoidAnswer::Unknown { .. }) {
        world.apply(
            booking,
            Input::VoidAnswered {
                payment: task.key.subject.into(),
                generation: task.key.generation,
                attempt: task.attempt,
                answer: answer.clone(),
            },
        );
    }
    recorded
}

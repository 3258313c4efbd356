//! `capture`: takes authorised money, now that the seats are the customer's.

use boxoffice_gateways::{Attempt, CallError};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{CaptureAnswer, Input};
use boxoffice_saga::payment::PaymentStanding;
use boxoffice_saga::world::World;
use boxoffice_tasks::{HeldBack, Leased};
use boxoffice_turn::Reads;

use super::{CoordinatorWork, made};

/// How long to wait for the webhook before a gateway that has accepted a capture is asked again.
const WEBHOOK_COMES_MS: i64 = 60_000;

impl<S: Reads> CoordinatorWork<S> {
    pub(super) async fn capture(&self, task: &Leased) -> Result<CaptureAnswer, HeldBack> {
        let (payment, client) = match self.payment(task).await {
            Ok(found) => found,
            Err(why) => return Ok(CaptureAnswer::Unknown { why }),
        };
        // The fence: what is being given up is not taken.
        if payment.standing != PaymentStanding::Authorised {
            let why = format!("it is {}", payment.standing.name());
            return Ok(CaptureAnswer::RetryLater {
                after_ms: None,
                why,
            });
        }
        let (Some(client), Some(id)) = (client, &payment.gateway_payment_id) else {
            let why = "there is nobody to ask".to_owned();
            return Ok(CaptureAnswer::Unknown { why });
        };
        let attempt = Attempt::of(&payment, id.clone());
        Ok(match made(client.capture_payment(&attempt).await)? {
            Ok(boxoffice_gateways::CaptureAnswer::Taken(fact)) => CaptureAnswer::Taken { fact },
            Ok(boxoffice_gateways::CaptureAnswer::UnderWay) => CaptureAnswer::RetryLater {
                after_ms: Some(WEBHOOK_COMES_MS),
                why: "the gateway has accepted it, and tells by webhook".to_owned(),
            },
            Err(error @ CallError::Declined { .. }) => CaptureAnswer::Declined {
                why: error.to_string(),
            },
            Err(CallError::RetryLater { after, why, .. }) => CaptureAnswer::RetryLater {
                after_ms: after.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX)),
                why,
            },
            // That it knows no such payment, after telling of it, is no answer to whether money was taken.
            Err(error @ (CallError::NotFound | CallError::Unknown { .. })) => {
                CaptureAnswer::Unknown {
                    why: error.to_string(),
                }
            }
        })
    }
}

pub(super) fn apply(
    task: &Leased,
    booking: BookingId,
    answer: &CaptureAnswer,
    held: bool,
    world: &mut World,
) -> String {
    let recorded = match answer {
        CaptureAnswer::Taken { fact } => format!("taken: {}", fact.amount),
        CaptureAnswer::Declined { why } => format!("declined: {why}"),
        CaptureAnswer::RetryLater { why, .. } => format!("not now: {why}"),
        CaptureAnswer::Unknown { why } => format!("unknown: {why}"),
    };
    // Money that is taken is a fact, whenever it is learnt.
    if held || matches!(answer, CaptureAnswer::Taken { .. }) {
        world.apply(
            booking,
            Input::CaptureAnswered {
                payment: task.key.subject.into(),
                attempt: task.attempt,
                answer: answer.clone(),
            },
        );
    }
    recorded
}

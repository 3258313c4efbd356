//! The coordinator's tasks: the hold's timer, the bookings of a cancelled show, and the questions it asks the
//! gateways itself.

mod cancel;
mod capture;
mod trace;
mod verify;
mod void;

use std::sync::Arc;

use boxoffice_gateways::{CallError, CreatePayment, GatewayClient, Gateways};
use boxoffice_saga::input::Input;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::show_cancellation;
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_tasks::{HeldBack, Leased, Work};
use boxoffice_turn::{Appends, Reads};

pub use cancel::Listed;
pub use trace::Traced;
pub use verify::Verified;

/// What the coordinator works on.
pub struct CoordinatorWork<S> {
    store: S,
    gateways: Arc<Gateways>,
}

/// What came of a task.
#[derive(Debug)]
pub enum Answer {
    /// A timer is due.
    Due,
    /// A `verify` was answered.
    Verified(Verified),
    /// A `void` was answered.
    Voided(boxoffice_saga::input::VoidAnswer),
    /// A `capture` was answered.
    Captured(boxoffice_saga::input::CaptureAnswer),
    /// A `trace` was answered.
    Traced(Traced),
    /// A page of a cancelled show was read.
    Listed(Listed),
}

impl<S: Reads> CoordinatorWork<S> {
    /// Work over `store` and `gateways`.
    pub const fn new(store: S, gateways: Arc<Gateways>) -> Self {
        Self { store, gateways }
    }

    /// The payment that a task is about, with its gateway's client, as far as there is one.
    async fn payment(
        &self,
        task: &Leased,
    ) -> Result<(Payment, Option<Arc<dyn GatewayClient>>), String> {
        let booking = task.booking.ok_or("the task names no booking")?;
        let (_, cases) = self
            .store
            .cases(&[booking])
            .await
            .map_err(|error| error.to_string())?;
        let payment = cases
            .into_values()
            .flat_map(|case| case.payments)
            .find(|payment| payment.id.uuid() == task.key.subject)
            .ok_or("the payment is not there")?;
        let client = self.gateways.client(&payment.account).cloned();
        Ok((payment, client))
    }
}

/// Tells a call that was held back, and so never made, from everything else.
fn made<T>(answer: Result<T, CallError>) -> Result<Result<T, CallError>, HeldBack> {
    match answer.as_ref().err().and_then(CallError::held_back) {
        Some(after) => Err(HeldBack { after }),
        None => Ok(answer),
    }
}

/// The gateway's id of an attempt. One whose creation was never answered is created again under the same
/// idempotency key, which gives the same payment.
async fn gateway_id(client: &dyn GatewayClient, payment: &Payment) -> Result<String, CallError> {
    if let Some(id) = &payment.gateway_payment_id {
        return Ok(id.clone());
    }
    Ok(client
        .create_payment(&CreatePayment::new(
            payment.id,
            payment.booking,
            payment.expected,
            payment.capture,
        ))
        .await?
        .gateway_payment_id)
}

impl<S: Reads> Work for CoordinatorWork<S> {
    type Answer = Answer;

    const KINDS: &'static [TaskKind] = &[
        TaskKind::HoldTimer,
        TaskKind::Verify,
        TaskKind::Void,
        TaskKind::Capture,
        TaskKind::Trace,
        TaskKind::CancelShow,
        TaskKind::CancelBooking,
    ];

    fn held(&self) -> Vec<String> {
        self.gateways.shut().map(ToString::to_string).collect()
    }

    async fn call(&self, task: &Leased) -> Result<Answer, HeldBack> {
        Ok(match task.key.kind {
            TaskKind::Verify => Answer::Verified(self.verify(task).await?),
            TaskKind::Void => Answer::Voided(self.void(task).await?),
            TaskKind::Capture => Answer::Captured(self.capture(task).await?),
            TaskKind::Trace => Answer::Traced(self.trace(task).await?),
            TaskKind::CancelShow => Answer::Listed(self.list(task).await),
            TaskKind::HoldTimer
            | TaskKind::CancelBooking
            | TaskKind::Refund
            | TaskKind::MassRefund
            | TaskKind::Mail
            | TaskKind::Sms
            | TaskKind::Push => Answer::Due,
        })
    }

    fn cut_off(&self, task: &Leased) -> Option<Answer> {
        let why = || "the call took too long".to_owned();
        match task.key.kind {
            TaskKind::Verify => Some(Answer::Verified(Verified::Unknown(why()))),
            TaskKind::Void => Some(Answer::Voided(boxoffice_saga::input::VoidAnswer::Unknown {
                why: why(),
            })),
            _ => None,
        }
    }

    fn apply(
        &self,
        task: &Leased,
        answer: &Answer,
        held: bool,
        world: &mut World,
        appends: &mut Appends,
    ) -> String {
        match (answer, task.booking) {
            (Answer::Due, Some(booking)) => {
                if held && task.key.kind == TaskKind::CancelBooking {
                    show_cancellation::cancel_booking(booking, world);
                } else if held {
                    world.apply(booking, Input::HoldTimer);
                }
                String::new()
            }
            (Answer::Listed(listed), _) => {
                if held {
                    cancel::apply(task, listed, world);
                }
                String::new()
            }
            (Answer::Verified(verified), Some(booking)) => {
                self.apply_verified(task, booking, verified, held, world, appends)
            }
            (Answer::Voided(answer), Some(booking)) => {
                void::apply(task, booking, answer, held, world)
            }
            (Answer::Captured(answer), Some(booking)) => {
                capture::apply(task, booking, answer, held, world)
            }
            (Answer::Traced(traced), _) => trace::apply(task, traced, held, world, appends),
            (_, None) => "unknown: the task names no booking".to_owned(),
        }
    }
}

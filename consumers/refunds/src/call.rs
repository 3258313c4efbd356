//! Making a refund at the gateway, and never twice.

use std::marker::PhantomData;
use std::sync::Arc;

use boxoffice_gateways::{GatewayClient, Gateways, RefundNews, RefundOrder};
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::input::RefundAnswer;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_tasks::{HeldBack, Leased, Work};
use boxoffice_turn::{Appends, Reads};
use time::OffsetDateTime;

use crate::decide::{
    First, Next, after_look_up, apply, awaited, fence, first, followed, told, without_look_up,
};
use crate::lane::Lane;

/// The refund worker's tasks of one lane.
pub struct RefundWork<S, L> {
    store: S,
    gateways: Arc<Gateways>,
    lane: PhantomData<L>,
}

impl<S: Reads, L: Lane> RefundWork<S, L> {
    /// Work over `store` and `gateways`.
    pub const fn new(store: S, gateways: Arc<Gateways>) -> Self {
        Self {
            store,
            gateways,
            lane: PhantomData,
        }
    }

    async fn rows(
        &self,
        task: &Leased,
    ) -> Result<(OffsetDateTime, Refund, Payment, BookingState), String> {
        let booking = task.booking.ok_or("the task names no booking")?;
        let (now, mut cases) = self
            .store
            .cases(&[booking])
            .await
            .map_err(|error| error.to_string())?;
        let case = cases.remove(&booking).ok_or("the booking is not there")?;
        let refund = case
            .refunds
            .into_iter()
            .find(|refund| refund.id.uuid() == task.key.subject)
            .ok_or("the refund is not there")?;
        let payment = case
            .payments
            .into_iter()
            .find(|payment| payment.id == refund.payment)
            .ok_or("the refund's payment is not there")?;
        Ok((now, refund, payment, case.booking.state))
    }

    /// The refund with its payment, if it [may be asked for](fence) now.
    async fn fenced(&self, task: &Leased) -> Result<(Refund, Payment), RefundAnswer> {
        let (now, refund, payment, booking) = self
            .rows(task)
            .await
            .map_err(|why| RefundAnswer::Unknown { why })?;
        fence(now, &refund, &payment, booking, task).map_err(|answer| *answer)?;
        Ok((refund, payment))
    }

    async fn make(&self, task: &Leased) -> Result<RefundAnswer, HeldBack> {
        let (refund, payment) = match self.fenced(task).await {
            Ok(rows) => rows,
            Err(answer) => return Ok(answer),
        };
        let declined = |why: &str| {
            Ok(RefundAnswer::Declined {
                why: why.to_owned(),
            })
        };
        let Some(client) = L::client(&self.gateways, &payment.account) else {
            return declined("boxoffice cannot make refunds at this gateway");
        };
        let Some(gateway_payment_id) = &payment.gateway_payment_id else {
            return declined("the gateway's id of the payment is not known");
        };
        match first(&refund, task) {
            First::Follow(known) => {
                return follow(&**client, &refund, &payment, known).await;
            }
            First::LookUp => {
                let next = match client.refund_news() {
                    RefundNews::Asked => {
                        let goes =
                            client.goes_at(gateway_payment_id, refund.id, task.key.generation);
                        after_look_up(goes.await, &refund, task)?
                    }
                    RefundNews::Told { key_lives } => {
                        let lives = key_lives.try_into().unwrap_or(time::Duration::ZERO);
                        without_look_up(task, lives)
                    }
                };
                if let Next::Answer(answer) = next {
                    return Ok(*answer);
                }
                // The look took its time.
                match self.fenced(task).await {
                    Ok((refund, _)) => {
                        // Told meanwhile.
                        if let Some(known) = &refund.gateway_refund_id {
                            return follow(&**client, &refund, &payment, known).await;
                        }
                    }
                    Err(answer) => return Ok(answer),
                }
            }
            First::Ask => {}
        }
        let order = RefundOrder {
            refund: refund.id,
            generation: task.key.generation,
            key: refund.id.gateway_key(task.key.generation),
            gateway_payment_id: gateway_payment_id.clone(),
            amount: refund.amount,
            booking: refund.booking,
            payment: Some(payment.id),
            reason: refund.cause.name().to_lowercase(),
        };
        told(client.refund(&order).await)
    }
}

/// How a refund stands that the gateway has accepted.
async fn follow(
    client: &dyn GatewayClient,
    refund: &Refund,
    payment: &Payment,
    known: &str,
) -> Result<RefundAnswer, HeldBack> {
    match client.refund_news() {
        RefundNews::Asked => followed(client.fetch_refund(known).await),
        RefundNews::Told { .. } => Ok(awaited(refund, payment, known)),
    }
}

impl<S: Reads, L: Lane> Work for RefundWork<S, L> {
    type Answer = RefundAnswer;

    const KINDS: &'static [TaskKind] = L::KINDS;

    fn held(&self) -> Vec<String> {
        self.gateways.shut().map(ToString::to_string).collect()
    }

    async fn call(&self, task: &Leased) -> Result<RefundAnswer, HeldBack> {
        self.make(task).await
    }

    fn cut_off(&self, _: &Leased) -> Option<RefundAnswer> {
        let why = "the call took too long".to_owned();
        Some(RefundAnswer::Unknown { why })
    }

    fn apply(
        &self,
        task: &Leased,
        answer: &RefundAnswer,
        held: bool,
        world: &mut World,
        _: &mut Appends,
    ) -> String {
        apply(task, answer, held, world)
    }
}

//! What operators do about a refund that the gateway would not make. Who did it and why is recorded beside.

use crate::attention::{Attention, AttentionKind};
use crate::event::EventBody;
use crate::identity::{BookingId, RefundId};
use crate::input::{Outcome, Refusal};
use crate::refund::{Refund, RefundStanding};
use crate::steps::refund;
use crate::world::World;

/// Has it made at the gateway again, under a fresh key: under the old one the gateway would repeat its old answer. The
/// worker looks first what became of the earlier tries.
pub fn retry(world: &mut World, booking: BookingId, id: RefundId) -> Outcome {
    let row = match with_operator(world, booking, id) {
        Ok(row) => row,
        Err(outcome) => return outcome,
    };
    if let Some(means) = &row.other_way {
        // The customer would get it twice.
        let means = means.clone();
        return Outcome::Refused(Refusal::SentAnotherWay { means });
    }
    let (payment, amount) = (row.payment, row.amount);
    if let Some(row) = world.refund_mut(id) {
        row.standing = RefundStanding::Requested;
        row.generation += 1;
        row.gateway_refund_id = None;
    }
    refund::dismiss(world, id);
    world.emit(
        booking,
        EventBody::RefundReopened {
            refund_id: id,
            payment_id: payment,
            amount,
        },
    );
    Outcome::Done
}

/// A person sends the money by another way. The gateway is not asked again; the refund waits for the proof.
pub fn other_way(world: &mut World, booking: BookingId, id: RefundId, means: &str) -> Outcome {
    let row = match with_operator(world, booking, id) {
        Ok(row) => row,
        Err(outcome) => return outcome,
    };
    if row.other_way.as_deref() == Some(means) {
        return Outcome::AlreadyKnown;
    }
    let (payment, amount) = (row.payment, row.amount);
    if let Some(row) = world.refund_mut(id) {
        row.other_way = Some(means.to_owned());
    }
    refund::dismiss(world, id);
    world.call_person(Attention {
        kind: AttentionKind::RefundOtherWay,
        subject: id.uuid(),
        booking: Some(booking),
        payment: Some(payment),
        amount: Some(amount),
        reason: format!(
            "sent by another way ({means}); once it has arrived: refund settled-elsewhere, with the proof"
        ),
        at: world.now,
    });
    world.emit(
        booking,
        EventBody::RefundSentAnotherWay {
            refund_id: id,
            payment_id: payment,
            amount,
        },
    );
    Outcome::Done
}

/// There is proof that the money is with the customer.
pub fn settled_elsewhere(
    world: &mut World,
    booking: BookingId,
    id: RefundId,
    proof: &str,
) -> Outcome {
    let row = match with_operator(world, booking, id) {
        Ok(row) => row,
        Err(outcome) => return outcome,
    };
    let (payment, amount) = (row.payment, row.amount);
    let now = world.now;
    if let Some(row) = world.refund_mut(id) {
        row.standing = RefundStanding::Done;
        row.proof = Some(proof.to_owned());
        // What the gateway made of it failed. If it tells of a success after all, that is money of its own.
        row.gateway_refund_id = None;
        row.done_at = Some(now);
    }
    refund::dismiss(world, id);
    world.emit(
        booking,
        EventBody::RefundSettledElsewhere {
            refund_id: id,
            payment_id: payment,
            amount,
        },
    );
    Outcome::Done
}

/// The refund, if it waits for a person. One that was settled with proof is settled, however often it is said.
fn with_operator(world: &World, booking: BookingId, id: RefundId) -> Result<&Refund, Outcome> {
    let row = world
        .refunds
        .get(&id)
        .filter(|row| row.booking == booking)
        .ok_or(Outcome::Refused(Refusal::NoSuchRefund))?;
    match row.standing {
        RefundStanding::WithOperator => Ok(row),
        RefundStanding::Done if row.proof.is_some() => Err(Outcome::AlreadyKnown),
        _ => Err(Outcome::Refused(Refusal::NotWithOperator)),
    }
}

//! A refund that we did not ask for: somebody made it on the gateway's own dashboard. It happened, so it is counted;
//! whether the booking still stands is for a person to say.

use crate::attention::{Attention, AttentionKind};
use crate::event::EventBody;
use crate::fact::{RefundFact, RefundState};
use crate::identity::{BookingId, PaymentId, RefundId};
use crate::input::Outcome;
use crate::refund::{Refund, RefundCause, RefundStanding};
use crate::steps::refund;
use crate::world::World;

/// A gateway tells how such a refund stands. Told again in the same state, it is known.
pub fn told(world: &mut World, booking: BookingId, fact: &RefundFact) -> Outcome {
    let Some(payment) = world.payment_at_gateway(&fact.account, &fact.gateway_payment_id) else {
        return call(world, booking, None, fact);
    };
    // News of the refund may come before that of its payment: then it is money as soon as the payment is.
    let counts = world
        .payments
        .get(&payment)
        .is_some_and(|row| row.captured.unwrap_or(row.expected).currency == fact.amount.currency);
    if !counts || fact.amount.minor <= 0 {
        return call(world, booking, Some(payment), fact);
    }
    let id = RefundId::not_asked_for(payment, &fact.gateway_refund_id);
    let before = world.refunds.get(&id).map(|row| row.standing);
    let after = match fact.state {
        RefundState::Pending => RefundStanding::Pending,
        RefundState::Succeeded => RefundStanding::Done,
        // The money is ours again: it pays for the booking, or is left over.
        RefundState::Failed => RefundStanding::Withdrawn,
    };
    let news = match before {
        None => true,
        Some(before) if before == after => false,
        // A failure is final, and a success is only followed by one.
        Some(RefundStanding::Withdrawn) => false,
        Some(RefundStanding::Done) => fact.state == RefundState::Failed,
        Some(_) => true,
    };
    if !news {
        return Outcome::AlreadyKnown;
    }
    let now = world.now;
    let done_at = (after == RefundStanding::Done).then_some(now);
    if before.is_none() {
        world.add_refund(Refund {
            id,
            payment,
            booking,
            amount: fact.amount,
            cause: RefundCause::NotAskedFor,
            standing: after,
            generation: 1,
            gateway_refund_id: Some(fact.gateway_refund_id.clone()),
            other_way: None,
            proof: None,
            requested_at: now,
            done_at,
        });
    } else if let Some(row) = world.refund_mut(id) {
        row.standing = after;
        row.done_at = done_at;
    }
    if before.is_none() && fact.state == RefundState::Failed {
        // Nothing moved, and nothing will: that it once succeeded is older news, and may still come.
        return Outcome::Done;
    }
    refund::cover_loss(world, payment);
    let _ = world.booking_mut(booking);
    if after == RefundStanding::Done {
        world.emit(
            booking,
            EventBody::RefundCompleted {
                refund_id: id,
                payment_id: payment,
                amount: fact.amount,
                gateway_refund_id: fact.gateway_refund_id.clone(),
            },
        );
    }
    call(world, booking, Some(payment), fact)
}

/// The payment is known now: what was told before of refunds in another currency is not of this money. A person has been
/// told of them.
pub fn payment_is_known(world: &mut World, payment: PaymentId) {
    let captured = world.payments.get(&payment).and_then(|row| row.captured);
    let of_other_money: Vec<_> = world
        .refunds_of_payment(payment)
        .filter(|refund| captured.is_some_and(|money| money.currency != refund.amount.currency))
        .map(|refund| refund.id)
        .collect();
    for id in of_other_money {
        if let Some(row) = world.refund_mut(id) {
            row.standing = RefundStanding::Withdrawn;
            row.done_at = None;
        }
    }
}

fn call(
    world: &mut World,
    booking: BookingId,
    payment: Option<PaymentId>,
    fact: &RefundFact,
) -> Outcome {
    world.call_person(Attention {
        kind: AttentionKind::ForeignRefund,
        subject: uuid::Uuid::new_v5(&booking.uuid(), fact.gateway_refund_id.as_bytes()),
        booking: Some(booking),
        payment,
        amount: Some(fact.amount),
        reason: format!(
            "the gateway tells of refund {} that boxoffice did not ask for in this form; \
             find out who made it and whether the booking still stands",
            fact.gateway_refund_id
        ),
        at: world.now,
    });
    Outcome::NeedsPerson
}

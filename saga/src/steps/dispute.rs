//! The customer's bank disputes a payment, and wins or loses. What it takes comes from what is still ours; beyond
//! that it is a loss. Seats are never touched: whether the customer may come is for a person to say.

use crate::attention::{Attention, AttentionKind};
use crate::event::EventBody;
use crate::fact::DisputeFact;
use crate::identity::{BookingId, PaymentId};
use crate::input::Outcome;
use crate::ledger::Account;
use crate::payment::{Dispute, DisputeStanding};
use crate::steps::refund;
use crate::world::World;

/// A gateway tells how a dispute stands. Lost and won may follow one another (banks have second instances);
/// opened never follows either.
pub fn told(world: &mut World, booking: BookingId, fact: &DisputeFact) -> Outcome {
    let Some(payment) = world.payment_at_gateway(&fact.account, &fact.gateway_payment_id) else {
        // Without the payment there is nothing that it could move. It comes again, or a person finds it.
        return call(
            world,
            booking,
            None,
            fact,
            AttentionKind::DisputeOpened,
            "a dispute about a payment that boxoffice does not know; look at the gateway's dashboard",
        );
    };
    let before = world.payments.get(&payment).and_then(|row| {
        row.disputes
            .iter()
            .find(|dispute| dispute.gateway_dispute_id == fact.gateway_dispute_id)
            .map(|dispute| dispute.standing)
    });
    let news = match (before, fact.standing) {
        (None, _) => true,
        (Some(_), DisputeStanding::Opened) => false,
        (Some(before), now) => before != now,
    };
    if !news {
        return Outcome::AlreadyKnown;
    }
    if let Some(row) = world.payment_mut(payment) {
        row.disputes
            .retain(|dispute| dispute.gateway_dispute_id != fact.gateway_dispute_id);
        row.disputes.push(Dispute {
            gateway_dispute_id: fact.gateway_dispute_id.clone(),
            standing: fact.standing,
            amount_minor: fact.amount.minor,
        });
    }
    refund::cover_loss(world, payment);
    let (gateway_dispute_id, amount) = (fact.gateway_dispute_id.clone(), fact.amount);
    world.emit(
        booking,
        match fact.standing {
            DisputeStanding::Opened => EventBody::DisputeOpened {
                payment_id: payment,
                gateway_dispute_id,
                amount,
            },
            DisputeStanding::Won => EventBody::DisputeWon {
                payment_id: payment,
                gateway_dispute_id,
                amount,
            },
            DisputeStanding::Lost => EventBody::DisputeLost {
                payment_id: payment,
                gateway_dispute_id,
                amount,
            },
        },
    );
    let about = subject(booking, fact);
    match fact.standing {
        DisputeStanding::Won => {
            world.dismiss_person(
                &[AttentionKind::DisputeOpened, AttentionKind::DisputeLost],
                about,
            );
            Outcome::Done
        }
        DisputeStanding::Opened => call(
            world,
            booking,
            Some(payment),
            fact,
            AttentionKind::DisputeOpened,
            "the customer's bank disputes this payment; answer it at the gateway before its deadline",
        ),
        DisputeStanding::Lost => {
            world.dismiss_person(&[AttentionKind::DisputeOpened], about);
            let loss = -world.purse(payment).balance(Account::Loss);
            let reason = if loss > 0 {
                "the bank has taken this payment back, and some of it had left us before: that is a loss; \
                 see whether the booking still stands"
            } else {
                "the bank has taken this payment back; see whether the booking still stands"
            };
            call(
                world,
                booking,
                Some(payment),
                fact,
                AttentionKind::DisputeLost,
                reason,
            )
        }
    }
}

fn subject(booking: BookingId, fact: &DisputeFact) -> uuid::Uuid {
    uuid::Uuid::new_v5(&booking.uuid(), fact.gateway_dispute_id.as_bytes())
}

fn call(
    world: &mut World,
    booking: BookingId,
    payment: Option<PaymentId>,
    fact: &DisputeFact,
    kind: AttentionKind,
    reason: &str,
) -> Outcome {
    world.call_person(Attention {
        kind,
        subject: subject(booking, fact),
        booking: Some(booking),
        payment,
        amount: Some(fact.amount),
        reason: match &fact.reason {
            Some(why) => format!("{reason} (dispute {}: {why})", fact.gateway_dispute_id),
            None => format!("{reason} (dispute {})", fact.gateway_dispute_id),
        },
        at: world.now,
    });
    Outcome::NeedsPerson
}

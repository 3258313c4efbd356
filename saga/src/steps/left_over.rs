//! Money that would belong nowhere. A refund that was withdrawn, or a charge-back, can come back after the booking
//! that the money paid for is gone; then a person decides.

use crate::attention::{Attention, AttentionKind};
use crate::booking::BookingState;
use crate::event::EventBody;
use crate::identity::{PaymentId, RefundId};
use crate::ledger::Account;
use crate::money::Money;
use crate::payment::Verdict;
use crate::refund::{Refund, RefundCause, RefundStanding};
use crate::world::World;

/// Gives what of `payment` pays for no booking to a person. Runs after every input, for every payment that it
/// touched.
pub fn look_after(world: &mut World, payment: PaymentId) {
    let Some(row) = world.payments.get(&payment) else {
        return;
    };
    let confirmed = world
        .bookings
        .get(&row.booking)
        .is_some_and(|booking| booking.state == BookingState::Confirmed);
    let left = world.purse(payment).balance(Account::Applied);
    let Some(captured) = row.captured.filter(|_| left > 0) else {
        return;
    };
    if row.verdict == Some(Verdict::Applied) && confirmed {
        return;
    }
    let booking = row.booking;
    let amount = Money::new(left, captured.currency);
    let nth = u32::try_from(world.refunds_of_payment(payment).count() + 1).unwrap_or(u32::MAX);
    let id = RefundId::of(payment, nth);
    world.add_refund(Refund {
        id,
        payment,
        booking,
        amount,
        cause: RefundCause::LeftOver,
        standing: RefundStanding::WithOperator,
        generation: 1,
        gateway_refund_id: None,
        other_way: None,
        proof: None,
        requested_at: world.now,
        done_at: None,
    });
    let reason = "money came back from a refund or a dispute, and its booking is gone";
    world.emit(
        booking,
        EventBody::RefundFailed {
            refund_id: id,
            payment_id: payment,
            amount,
            reason: reason.to_owned(),
        },
    );
    world.call_person(Attention {
        kind: AttentionKind::RefundCameBack,
        subject: id.uuid(),
        booking: Some(booking),
        payment: Some(payment),
        amount: Some(amount),
        reason: format!("{reason}; return it: refund retry, other-way or settled-elsewhere"),
        at: world.now,
    });
}

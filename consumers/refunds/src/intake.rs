//! Booking events in: a requested refund is taken on.

use boxoffice_consumer_turns::Consumer;
use boxoffice_consumer_turns::events::TakesOn;
use boxoffice_saga::event::{Event, EventBody};
use boxoffice_saga::identity::{BookingId, RefundId};
use boxoffice_saga::input::Input;
use boxoffice_saga::world::World;

use crate::CONSUMER;

/// Takes on the refunds that events ask for.
pub struct RequestedRefunds;

/// What a booking that goes well says of itself: nothing goes back.
const PASSES_BY: [&str; 3] = ["HoldPlaced", "PaymentCompleted", "BookingConfirmed"];

/// The refunds that an event asks for. A refund's own row is the truth; an event can only point at it.
fn asked_for(body: &EventBody) -> Vec<RefundId> {
    match body {
        EventBody::BookingFailedInitiateRefund { money, .. }
        | EventBody::PaymentRejectedInitiateRefund { money } => vec![money.refund_id],
        EventBody::BookingCancelled { refunds, .. } => {
            refunds.iter().map(|money| money.refund_id).collect()
        }
        EventBody::RefundReopened { refund_id, .. } => vec![*refund_id],
        _ => Vec::new(),
    }
}

impl TakesOn for RequestedRefunds {
    const CONSUMER: Consumer = CONSUMER;
    const PASSES_BY: &'static [&'static str] = &PASSES_BY;

    fn locks(&self, event: &Event) -> Option<BookingId> {
        (!asked_for(&event.body).is_empty()).then_some(event.booking_id)
    }

    fn take_on(&self, event: &Event, world: &mut World) {
        for refund in asked_for(&event.body) {
            world.apply(event.booking_id, Input::RefundTaken { refund });
        }
    }
}

#[cfg(test)]
mod tests {
    use boxoffice_saga::identity::PaymentId;
    use boxoffice_saga::money::Money;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_passed_by_asks_for_no_refund() {
        let amount = Money::new(100, "INR".parse().unwrap());
        let payment_id = PaymentId::from(Uuid::nil());
        let seats = vec!["A-1".into()];
        let bodies = [
            EventBody::HoldPlaced {
                seats: seats.clone(),
                amount,
                expires_at: OffsetDateTime::UNIX_EPOCH,
            },
            EventBody::PaymentCompleted {
                payment_id,
                gateway: "stripe".into(),
                gateway_payment_id: "pi_1".into(),
                amount,
                late: true,
            },
            EventBody::BookingConfirmed {
                payment_id,
                seats,
                amount,
                reacquired: true,
            },
        ];
        assert_eq!(bodies.each_ref().map(EventBody::name), PASSES_BY);
        for body in bodies {
            assert_eq!(asked_for(&body), []);
        }
    }
}

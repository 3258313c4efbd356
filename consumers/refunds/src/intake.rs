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

/// The refunds that an event asks for. A refund's own row is the truth; an event can only point at it.
fn asked_for(event: &Event) -> Vec<RefundId> {
    match &event.body {
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

    fn locks(&self, event: &Event) -> Option<BookingId> {
        (!asked_for(event).is_empty()).then_some(event.booking_id)
    }

    fn take_on(&self, event: &Event, world: &mut World) {
        for refund in asked_for(event) {
            world.apply(event.booking_id, Input::RefundTaken { refund });
        }
    }
}

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

/// The refund that an event asks for. The refund's own row is the truth; an event can only point at it.
fn asked_for(event: &Event) -> Option<RefundId> {
    match &event.body {
        EventBody::BookingFailedInitiateRefund { money, .. }
        | EventBody::PaymentRejectedInitiateRefund { money } => Some(money.refund_id),
        _ => None,
    }
}

impl TakesOn for RequestedRefunds {
    const CONSUMER: Consumer = CONSUMER;

    fn locks(&self, event: &Event) -> Option<BookingId> {
        asked_for(event).map(|_| event.booking_id)
    }

    fn take_on(&self, event: &Event, world: &mut World) {
        if let Some(refund) = asked_for(event) {
            world.apply(event.booking_id, Input::RefundTaken { refund });
        }
    }
}

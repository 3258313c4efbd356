//! Booking events in: a requested refund is taken on.

use boxoffice_consumer_turns::Consumer;
use boxoffice_consumer_turns::events::TakesOn;
use boxoffice_saga::event::{Event, EventBody, Return};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::Input;
use boxoffice_saga::world::World;

use crate::CONSUMER;

/// Takes on the refunds that events ask for.
pub struct RequestedRefunds;

/// The refunds that an event asks for. A refund's own row is the truth; an event can only point at it.
fn asked_for(event: &Event) -> &[Return] {
    match &event.body {
        EventBody::BookingFailedInitiateRefund { money, .. }
        | EventBody::PaymentRejectedInitiateRefund { money } => std::slice::from_ref(money),
        EventBody::BookingCancelled { refunds, .. } => refunds,
        _ => &[],
    }
}

impl TakesOn for RequestedRefunds {
    const CONSUMER: Consumer = CONSUMER;

    fn locks(&self, event: &Event) -> Option<BookingId> {
        (!asked_for(event).is_empty()).then_some(event.booking_id)
    }

    fn take_on(&self, event: &Event, world: &mut World) {
        for money in asked_for(event) {
            let refund = money.refund_id;
            world.apply(event.booking_id, Input::RefundTaken { refund });
        }
    }
}

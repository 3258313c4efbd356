//! Nobody is at work on something open, though somebody should be: the event was lost on its way to a worker, or a
//! task was. Everything that could be missing is set again; what is there stays as it is.

use time::Duration;

use crate::booking::BookingState;
use crate::identity::BookingId;
use crate::input::Outcome;
use crate::payment::PaymentStanding;
use crate::refund::RefundStanding;
use crate::steps::{capture, hold_over, refund, void};
use crate::world::World;

/// Sets again what the booking's open business needs.
pub fn swept(world: &mut World, booking: BookingId) -> Outcome {
    let Some(row) = world.bookings.get(&booking) else {
        return Outcome::AlreadyKnown;
    };
    let (held, reclaim_at) = (row.state == BookingState::Held, row.reclaim_at);
    if held {
        hold_over::set_timer(world, booking, reclaim_at);
    }
    let waiting: Vec<_> = world
        .payments_of(booking)
        .filter(|payment| payment.undecided())
        .map(|payment| (payment.id, payment.standing))
        .collect();
    for (payment, standing) in waiting {
        match standing {
            PaymentStanding::Authorised => capture::request(world, booking, payment),
            // While the hold lives, its end will ask.
            PaymentStanding::Open if held => {}
            _ => void::request(world, booking, payment, Duration::ZERO),
        }
    }
    let refunds: Vec<_> = world
        .refunds_of(booking)
        .filter(|refund| refund.gateway_should_act())
        .map(|refund| (refund.id, refund.standing))
        .collect();
    for (id, standing) in refunds {
        if standing == RefundStanding::Requested {
            refund::taken(world, id);
        } else {
            refund::set_task(world, id, Duration::ZERO);
        }
    }
    Outcome::Done
}

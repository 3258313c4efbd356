//! Nobody is at work on something open, though somebody should be: the event was lost on its way to a worker, or a
//! task was. Everything that could be missing is set again; what is there stays as it is. And what has waited for
//! long is shown to a person, whatever it waits for: a gateway that is not called makes no tries that could be counted.

use time::Duration;

use crate::booking::BookingState;
use crate::identity::BookingId;
use crate::input::Outcome;
use crate::payment::PaymentStanding;
use crate::refund::RefundStanding;
use crate::steps::{capture, hold_over, refund, void};
use crate::world::World;

/// Money that is neither decided nor on its way after this time is shown to a person.
pub const LONG: Duration = Duration::hours(12);

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
        .map(|payment| (payment.id, payment.standing, payment.opened_at))
        .collect();
    for (payment, standing, since) in waiting {
        if !held && world.now - since >= LONG {
            void::call_by_age(world, booking, payment);
        }
        match standing {
            PaymentStanding::Authorised => capture::request(world, booking, payment),
            // While the hold lives, its end will ask.
            PaymentStanding::Open if held => {}
            _ => void::request(world, booking, payment),
        }
    }
    let refunds: Vec<_> = world
        .refunds_of(booking)
        .filter(|refund| refund.gateway_should_act())
        .map(|refund| (refund.id, refund.standing, refund.requested_at))
        .collect();
    for (id, standing, since) in refunds {
        if standing != RefundStanding::Pending && world.now - since >= LONG {
            refund::call_by_age(world, id);
        }
        if standing == RefundStanding::Requested {
            refund::taken(world, id);
        } else {
            refund::set_task(world, id);
        }
    }
    Outcome::Done
}

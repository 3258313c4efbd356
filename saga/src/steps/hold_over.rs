//! A hold ends: its time runs out, the customer gives it up, or a newer one takes its place.

use time::OffsetDateTime;

use crate::booking::BookingState;
use crate::event::EventBody;
use crate::identity::BookingId;
use crate::input::{Outcome, Refusal};
use crate::seat::SeatState;
use crate::steps::void;
use crate::task::{Task, TaskKey, TaskKind};
use crate::world::World;

/// The customer gives the hold up. Giving it up twice is giving it up once.
pub fn release(world: &mut World, booking: BookingId) -> Outcome {
    match world.bookings.get(&booking).map(|row| row.state) {
        Some(BookingState::Held) => {
            lapse(world, booking, BookingState::Released);
            Outcome::Done
        }
        Some(BookingState::Released | BookingState::Replaced) => Outcome::AlreadyKnown,
        Some(BookingState::Confirmed) => Outcome::Refused(Refusal::AlreadyPaid),
        Some(BookingState::Expired | BookingState::SeatsLost | BookingState::Cancelled) => {
            Outcome::Refused(Refusal::HoldOver)
        }
        None => Outcome::Refused(Refusal::NoSuchBooking),
    }
}

/// Sets the hold's timer to `due_at`, whether it is there or not.
pub fn set_timer(world: &mut World, booking: BookingId, due_at: OffsetDateTime) {
    let key = TaskKey {
        kind: TaskKind::HoldTimer,
        subject: booking.uuid(),
        generation: 1,
    };
    world.add_task(Task {
        key,
        booking: Some(booking),
        due_at,
        detail: None,
    });
}

/// The hold's timer fires: the warning, or the end. An extension since then only sets it again.
pub fn timer(world: &mut World, booking: BookingId) -> Outcome {
    let Some(row) = world.bookings.get(&booking) else {
        return Outcome::AlreadyKnown;
    };
    let (expires_at, reclaim_at) = (row.expires_at, row.reclaim_at);
    if row.state != BookingState::Held {
        world.remove_task(TaskKind::HoldTimer, booking.uuid(), 1);
        return Outcome::AlreadyKnown;
    }
    if world.now >= reclaim_at {
        lapse(world, booking, BookingState::Expired);
        return Outcome::Done;
    }
    let key = TaskKey {
        kind: TaskKind::HoldTimer,
        subject: booking.uuid(),
        generation: 1,
    };
    world.postpone_task(key, reclaim_at);
    if world.now < expires_at {
        // The first firing before the promised end is the warning; it is set for the end from here on.
        world.emit(booking, EventBody::HoldExpiring { expires_at });
        return Outcome::Done;
    }
    Outcome::Postponed
}

/// A newer hold of the same customer takes this one's place, unless its time was over anyway.
pub fn give_way(world: &mut World, booking: BookingId) -> Outcome {
    let Some(row) = world
        .bookings
        .get(&booking)
        .filter(|row| row.state == BookingState::Held)
    else {
        return Outcome::AlreadyKnown;
    };
    let into = if world.now >= row.reclaim_at {
        BookingState::Expired
    } else {
        BookingState::Replaced
    };
    lapse(world, booking, into);
    Outcome::Done
}

/// Ends a hold: frees the seats that are still its own, tells the world, and cancels what the customer may
/// still pay. From here on its money is late money.
pub fn lapse(world: &mut World, booking: BookingId, into: BookingState) {
    for key in world.own_seats(booking) {
        world.set_seat(&key, SeatState::Available, None, None);
    }
    let Some(row) = world.booking_mut(booking) else {
        return;
    };
    row.state = into;
    let seats = row.seats.clone();
    world.remove_task(TaskKind::HoldTimer, booking.uuid(), 1);
    match into {
        BookingState::Expired => world.emit(booking, EventBody::HoldExpired { seats }),
        BookingState::Released => {
            world.emit(
                booking,
                EventBody::HoldReleased {
                    seats,
                    replaced: false,
                },
            );
        }
        BookingState::Replaced => {
            world.emit(
                booking,
                EventBody::HoldReleased {
                    seats,
                    replaced: true,
                },
            );
        }
        // Told by the event that says why.
        BookingState::SeatsLost
        | BookingState::Cancelled
        | BookingState::Held
        | BookingState::Confirmed => {}
    }
    void::request_all(world, booking);
}

//! A customer asks for seats: all of them or none.

use time::Duration;

use crate::booking::{Booking, BookingState, Contact, Terms};
use crate::event::EventBody;
use crate::identity::{BookingId, SeatName, UserId};
use crate::input::{Input, Outcome, Refusal};
use crate::money::Money;
use crate::seat::{SeatKey, SeatState, Standing};
use crate::task::{Task, TaskKey, TaskKind};
use crate::world::World;

/// Places a hold. An earlier live hold of the same user for the show gives way to it, unless a payment is
/// open on that one; if the new hold fails, the earlier one stays.
pub fn place(
    world: &mut World,
    id: BookingId,
    user: &UserId,
    seats: &[SeatName],
    contact: &Contact,
    terms: &Terms,
) -> Outcome {
    let earlier = match allowed(world, id, user, seats, terms) {
        Ok(earlier) => earlier,
        Err(refusal) => return Outcome::Refused(refusal),
    };
    if let Some(earlier) = earlier {
        // An input of its own, so that the earlier booking's journal says why it ended.
        world.apply(earlier, Input::Replaced { by: id });
    }

    let show = id.show();
    let mut seats = seats.to_vec();
    seats.sort();
    let now = world.now;
    let expires_at = now + Duration::milliseconds(terms.hold_ms);
    let reclaim_at = expires_at + Duration::milliseconds(terms.grace_ms);
    let mut minor: i64 = 0;
    for seat in &seats {
        let key = SeatKey {
            show,
            seat: seat.clone(),
        };
        // Prices are checked when a show is created: a full hall cannot overflow.
        minor = minor.saturating_add(world.seats.get(&key).map_or(0, |seat| seat.price_minor));
        world.set_seat(&key, SeatState::Held, Some(id), Some(reclaim_at));
    }
    let amount = Money::new(minor, terms.currency);
    world.bookings.insert(
        id,
        Booking {
            id,
            user: user.clone(),
            seats: seats.clone(),
            amount,
            state: BookingState::Held,
            contact: contact.clone(),
            held_at: now,
            expires_at,
            reclaim_at,
            waiting_since: None,
            cancel_until_ms: terms.cancel_until_ms,
            cancel_fee_bp: terms.cancel_fee_bp,
            confirmed_at: None,
            sequence: 0,
            version: 0,
            updated_at: now,
        },
    );
    world.changes.bookings_created.insert(id);
    world.slots.insert((show, user.clone()), id);
    world.changes.slots_changed.insert((show, user.clone()));
    let warned = terms.warning_ms > 0 && terms.warning_ms < terms.hold_ms;
    world.add_task(Task {
        key: TaskKey {
            kind: TaskKind::HoldTimer,
            subject: id.uuid(),
            generation: 1,
        },
        booking: Some(id),
        due_at: if warned {
            expires_at - Duration::milliseconds(terms.warning_ms)
        } else {
            reclaim_at
        },
        detail: None,
    });
    world.emit(
        id,
        EventBody::HoldPlaced {
            seats,
            amount,
            expires_at,
        },
    );
    Outcome::Done
}

/// Checks everything before anything changes. Returns the live hold that must give way.
fn allowed(
    world: &World,
    id: BookingId,
    user: &UserId,
    seats: &[SeatName],
    terms: &Terms,
) -> Result<Option<BookingId>, Refusal> {
    if world.bookings.contains_key(&id) {
        return Err(Refusal::IdTaken);
    }
    if seats.is_empty() {
        return Err(Refusal::NoSeats);
    }
    if seats.len() > usize::from(terms.seat_limit) {
        return Err(Refusal::TooManySeats {
            limit: terms.seat_limit,
        });
    }
    let mut sorted: Vec<_> = seats.iter().collect();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Refusal::SeatTwice {
            seat: twice[0].clone(),
        });
    }
    let show = id.show();
    let row = |name: &SeatName| {
        world.seats.get(&SeatKey {
            show,
            seat: name.clone(),
        })
    };
    let unknown: Vec<_> = seats
        .iter()
        .filter(|name| row(name).is_none())
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(Refusal::UnknownSeats { seats: unknown });
    }

    let earlier = world
        .slots
        .get(&(show, user.clone()))
        .and_then(|booking| world.bookings.get(booking))
        .filter(|booking| booking.state == BookingState::Held);
    if let Some(earlier) = earlier
        && world.attempt_open(earlier.id)
        && world.now < earlier.reclaim_at
    {
        return Err(Refusal::PaymentInProgress);
    }
    let taken: Vec<_> = seats
        .iter()
        .filter(|name| {
            let mine = |seat: &crate::seat::Seat| {
                earlier
                    .is_some_and(|earlier| seat.standing(earlier.id, world.now) == Standing::Mine)
            };
            row(name)
                .is_some_and(|seat| seat.standing(id, world.now) == Standing::Taken && !mine(seat))
        })
        .cloned()
        .collect();
    if taken.is_empty() {
        Ok(earlier.map(|earlier| earlier.id))
    } else {
        Err(Refusal::SeatsTaken { seats: taken })
    }
}

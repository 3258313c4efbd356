//! A show, its seats and who asks for them, for the desk's tests.

use std::sync::Arc;

use boxoffice_saga::booking::{Contact, Terms};
use boxoffice_saga::identity::{ShowId, UserId};
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_turn::KeyClaim;

use super::HoldRequest;

/// The one show.
pub(super) fn show() -> ShowId {
    ShowId::try_from(7_u64).unwrap()
}

/// A seat of the show, in this state and of no booking.
pub(super) fn seat(name: &str, state: SeatState) -> Seat {
    let key = SeatKey {
        show: show(),
        seat: name.to_owned(),
    };
    Seat {
        key,
        state,
        booking: None,
        reclaim_at: None,
        price_minor: 100,
    }
}

/// `user` asks for `seats`.
pub(super) fn request(user: &str, seats: &[&str]) -> HoldRequest {
    HoldRequest {
        show: show(),
        user: UserId(user.into()),
        seats: seats.iter().map(|seat| (*seat).to_owned()).collect(),
        contact: Contact::default(),
        terms: Arc::new(Terms::usual("INR".parse().unwrap())),
        key: None,
    }
}

/// The same under an idempotency key.
pub(super) fn under_key(request: HoldRequest, key: &str) -> HoldRequest {
    let claim = KeyClaim {
        user: request.user.clone(),
        route: "POST /v1/shows/7/holds".into(),
        key: key.into(),
        request_hash: request.seats.concat().into_bytes(),
    };
    HoldRequest {
        key: Some(claim),
        ..request
    }
}

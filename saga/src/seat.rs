//! The seat row is the truth: it decides who owns a seat, and nothing else does.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::identity::{BookingId, SeatName, ShowId};

/// A seat of a show, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeatKey {
    /// The show.
    pub show: ShowId,
    /// The seat's name within the show.
    pub seat: SeatName,
}

/// What a seat row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SeatState {
    /// For sale.
    Available,
    /// Held by a booking until it may be reclaimed.
    Held,
    /// Sold to a confirmed booking.
    Booked,
    /// Not for sale.
    Blocked,
    /// The show is cancelled. The booking's id stays, so that its refund can be told from others.
    Cancelled,
}

impl SeatState {
    /// The name in the database and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Held => "HELD",
            Self::Booked => "BOOKED",
            Self::Blocked => "BLOCKED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Available,
            Self::Held,
            Self::Booked,
            Self::Blocked,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }

    /// The name that the public sees: a cancelled seat is shown as blocked.
    pub const fn public_name(self) -> &'static str {
        match self {
            Self::Cancelled => "BLOCKED",
            other => other.name(),
        }
    }
}

/// A seat row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seat {
    /// Which seat.
    pub key: SeatKey,
    /// What the row says.
    pub state: SeatState,
    /// Whom it belongs to while held or booked.
    pub booking: Option<BookingId>,
    /// While held: from when on another may take it.
    pub reclaim_at: Option<OffsetDateTime>,
    /// The price in minor units of the show's currency.
    pub price_minor: i64,
}

/// What a seat is to one booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Held by or sold to this booking.
    Mine,
    /// For sale, or held by another whose time is over.
    Free,
    /// Somebody else's, or not for sale.
    Taken,
}

impl Seat {
    /// May a hold on this seat be taken over at `now`? The only rule about seats in which time counts;
    /// `now` is the database's clock, read after the last lock.
    pub fn reclaimable(&self, now: OffsetDateTime) -> bool {
        self.state == SeatState::Held && self.reclaim_at.is_some_and(|at| now >= at)
    }

    /// What this seat is to `booking` at `now`.
    pub fn standing(&self, booking: BookingId, now: OffsetDateTime) -> Standing {
        match self.state {
            SeatState::Held | SeatState::Booked if self.booking == Some(booking) => Standing::Mine,
            SeatState::Available => Standing::Free,
            SeatState::Held if self.reclaimable(now) => Standing::Free,
            _ => Standing::Taken,
        }
    }
}

//! The occasions on which we write.

/// Which message it is. Its name is part of Message-IDs and task ids, so it must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Template {
    /// [`BookingConfirmed`](crate::letters::BookingConfirmed): the ticket.
    BookingConfirmed,
    /// [`BookingFailedRefunding`](crate::letters::BookingFailedRefunding): the money is on its way back.
    BookingFailedRefunding,
    /// [`Refunded`](crate::letters::Refunded): the money is back.
    Refunded,
    /// [`HoldExpiring`](crate::letters::HoldExpiring): the seats are held for a little longer.
    HoldExpiring,
    /// [`HoldExpired`](crate::letters::HoldExpired): the seats are no longer held.
    HoldExpired,
    /// [`BookingCancelled`](crate::letters::BookingCancelled): there is no booking any more.
    BookingCancelled,
}

impl Template {
    /// Every message there is.
    pub const ALL: [Self; 6] = [
        Self::BookingConfirmed,
        Self::BookingFailedRefunding,
        Self::Refunded,
        Self::HoldExpiring,
        Self::HoldExpired,
        Self::BookingCancelled,
    ];

    /// The name in Message-IDs, metrics and the database, and the `kind` that a provider is given.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BookingConfirmed => "booking_confirmed",
            Self::BookingFailedRefunding => "booking_failed_refunding",
            Self::Refunded => "refunded",
            Self::HoldExpiring => "hold_expiring",
            Self::HoldExpired => "hold_expired",
            Self::BookingCancelled => "booking_cancelled",
        }
    }

    /// Whether a person is told when its letter cannot be delivered. Not for a hold: by the time somebody
    /// looks, there is nothing left to be done about it.
    pub const fn worth_a_person(self) -> bool {
        !matches!(self, Self::HoldExpiring | Self::HoldExpired)
    }
}

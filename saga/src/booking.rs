//! A booking owns seats: held, then confirmed, or lapsed, or cancelled.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::identity::{BookingId, SeatName, ShowId, UserId};
use crate::money::{Currency, Money};

/// Where a booking stands with its seats. What has become of the money is told by its payments and refunds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BookingState {
    /// The seats are held for the customer until `reclaim_at`.
    Held,
    /// Paid, and the seats are the customer's.
    Confirmed,
    /// Lapsed: the hold's time ran out.
    Expired,
    /// Lapsed: the customer gave it up.
    Released,
    /// Lapsed: the customer made a newer hold for the show.
    Replaced,
    /// Lapsed: money came, but a seat belonged to somebody else by then.
    SeatsLost,
    /// Cancelled, and it stays so: money that comes later goes back.
    Cancelled,
}

/// Who cancelled a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelledBy {
    /// The customer.
    Customer,
    /// An operator, for this booking.
    Operator,
    /// Nobody for this booking: its show was cancelled.
    Show,
}

impl BookingState {
    const ALL: [Self; 7] = [
        Self::Held,
        Self::Confirmed,
        Self::Expired,
        Self::Released,
        Self::Replaced,
        Self::SeatsLost,
        Self::Cancelled,
    ];

    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Confirmed => "CONFIRMED",
            Self::Expired => "EXPIRED",
            Self::Released => "RELEASED",
            Self::Replaced => "REPLACED",
            Self::SeatsLost => "SEATS_LOST",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Over without a ticket. Late money may still reopen it.
    pub const fn lapsed(self) -> bool {
        matches!(
            self,
            Self::Expired | Self::Released | Self::Replaced | Self::SeatsLost
        )
    }
}

/// How to reach the customer. Personal data: in the bookings table only, never in events, journal or logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Contact {
    /// An e-mail address.
    #[serde(default)]
    pub email: String,
    /// A phone number, as the customer wrote it.
    #[serde(default)]
    pub phone: Option<String>,
    /// A BCP 47 language tag.
    #[serde(default)]
    pub language: Option<String>,
}

/// The rules under which a show is sold. Milliseconds throughout; 0 is allowed for all but the hold's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Terms {
    /// The currency of all prices of the show.
    pub currency: Currency,
    /// How long a hold lives, as promised to the customer.
    pub hold_ms: i64,
    /// How much longer nobody else gets the seats, for payments on their way.
    pub grace_ms: i64,
    /// Opening a payment attempt keeps the seats at least this long from then on …
    pub extension_ms: i64,
    /// … but never longer than this after the promised end.
    pub extension_limit_ms: i64,
    /// How long before the promised end the customer is warned; 0: not at all.
    pub warning_ms: i64,
    /// At most this many seats in one hold.
    pub seat_limit: u16,
    /// Until how long before the beginning a customer may cancel what is paid; 0: until it begins.
    #[serde(default)]
    pub cancel_until_ms: i64,
    /// What is kept of the price when a customer cancels, in hundredths of a percent (0 to 10,000), rounded
    /// down to the minor unit.
    #[serde(default)]
    pub cancel_fee_bp: u16,
}

impl Terms {
    /// The defaults: 10 minutes, 30 seconds of grace, extension to 5 minutes and at most 10 past the end, a
    /// warning 2 minutes ahead, 10 seats, cancelling without a fee until the beginning.
    pub const fn usual(currency: Currency) -> Self {
        Self {
            currency,
            hold_ms: 600_000,
            grace_ms: 30_000,
            extension_ms: 300_000,
            extension_limit_ms: 600_000,
            warning_ms: 120_000,
            seat_limit: 10,
            cancel_until_ms: 0,
            cancel_fee_bp: 0,
        }
    }
}

/// A booking's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Booking {
    /// Its id, which names the show.
    pub id: BookingId,
    /// Whose it is.
    pub user: UserId,
    /// Its seats, sorted.
    pub seats: Vec<SeatName>,
    /// What they cost together.
    pub amount: Money,
    /// Where it stands.
    pub state: BookingState,
    /// How to reach the customer.
    pub contact: Contact,
    /// When the hold was placed.
    pub held_at: OffsetDateTime,
    /// The end of the hold, as promised to the customer.
    pub expires_at: OffsetDateTime,
    /// From when on others may take the seats: the promised end, the grace, an extension.
    pub reclaim_at: OffsetDateTime,
    /// The customer's last step: the latest of attempt opened and hint accepted. Polling schedules count
    /// from here.
    pub waiting_since: Option<OffsetDateTime>,
    /// Until how long before the beginning its customer may cancel it, in milliseconds. As agreed with the hold.
    pub cancel_until_ms: i64,
    /// What is kept when its customer cancels, in hundredths of a percent. As agreed with the hold.
    pub cancel_fee_bp: u16,
    /// When it was confirmed. Also the ticket's date of issue.
    pub confirmed_at: Option<OffsetDateTime>,
    /// The `sequence` of its last event; gapless from 1.
    pub sequence: u32,
    /// Counts what the status document shows; never goes back.
    pub version: u64,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

impl Booking {
    /// The show that it belongs to.
    pub fn show(&self) -> ShowId {
        self.id.show()
    }

    /// Does the hold still stand, as far as its clock goes?
    pub fn hold_alive(&self, now: OffsetDateTime) -> bool {
        self.state == BookingState::Held && now < self.expires_at
    }

    /// The extension that opening an attempt at `now` gives: never shortens, never beyond the limit.
    pub fn extended(&self, now: OffsetDateTime, terms: &Terms) -> OffsetDateTime {
        let wanted = now + Duration::milliseconds(terms.extension_ms);
        let limit = self.expires_at + Duration::milliseconds(terms.extension_limit_ms);
        self.reclaim_at.max(wanted.min(limit))
    }
}

//! The addresses that we give out: of a booking's status and of its ticket, with a token that opens them
//! without a login.

use boxoffice_saga::booking::Booking;
use boxoffice_tickets::StatusTokens;
use time::Duration;

/// Makes addresses. The same booking always gets the same ones.
#[derive(Clone, Debug)]
pub struct Addresses {
    base: String,
    tokens: StatusTokens,
    life: Duration,
}

impl Addresses {
    /// Addresses below `base` (empty: plain paths) that open for `life` after the hold was placed.
    pub fn new(base: &str, tokens: StatusTokens, life: Duration) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            tokens,
            life,
        }
    }

    /// What checks the tokens.
    pub const fn tokens(&self) -> &StatusTokens {
        &self.tokens
    }

    /// Where the booking's status is.
    pub fn status(&self, booking: &Booking) -> String {
        self.address(booking, "")
    }

    /// Where its ticket is.
    pub fn ticket(&self, booking: &Booking) -> String {
        self.address(booking, "/ticket")
    }

    /// Where the picture of its ticket is.
    pub fn ticket_picture(&self, booking: &Booking) -> String {
        self.address(booking, "/ticket.png")
    }

    fn address(&self, booking: &Booking, what: &str) -> String {
        let token = self
            .tokens
            .issue(booking.id.uuid(), booking.held_at + self.life);
        format!(
            "{}/v1/bookings/{}{what}?token={token}",
            self.base, booking.id
        )
    }
}

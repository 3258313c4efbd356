//! Who may look at one booking: its owner by bearer token, or whoever has its status address.

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, UserId};
use boxoffice_tickets::StatusTokenError;
use http::HeaderMap;

use crate::api::Api;
use crate::clock;
use crate::problem::{Code, Problem};

/// What the request has shown. Checked before anything is read.
#[derive(Debug)]
pub enum Access {
    /// A token for this very booking.
    Link,
    /// Who asks; whether the booking is theirs is seen when it is read.
    User(UserId),
}

impl Access {
    /// By the `token` of the address if there is one, else by the bearer token.
    ///
    /// # Errors
    /// `unauthorised`.
    pub async fn of(
        api: &Api,
        booking: BookingId,
        token: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let Some(token) = token else {
            return Ok(Self::User(api.verifier.caller(headers).await?));
        };
        match api
            .addresses
            .tokens()
            .check(token, booking.uuid(), clock::now())
        {
            Ok(()) => Ok(Self::Link),
            Err(StatusTokenError::Expired) => Err(Problem::new(
                Code::Unauthorised,
                "This link has expired. Log in to see the booking.",
            )),
            Err(StatusTokenError::Malformed | StatusTokenError::Forged) => Err(Problem::new(
                Code::Unauthorised,
                "This link's token is not valid for this booking.",
            )),
        }
    }

    /// May this booking be seen?
    pub fn allows(&self, booking: &Booking) -> bool {
        match self {
            Self::Link => true,
            Self::User(user) => booking.user == *user,
        }
    }
}

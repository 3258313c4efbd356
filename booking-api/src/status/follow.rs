//! Following booking events: the wake-up for those who wait for what another process changes.

use std::sync::{Arc, Weak};

use boxoffice_producers::envelope::{SEQUENCE, SUBJECT};
use boxoffice_saga::identity::BookingId;
use boxoffice_stream::{Follower, StreamError};
use boxoffice_turn::outgoing::BOOKING_EVENTS;

use crate::api::Api;

/// Wakes who waits for a booking whenever an event tells of it.
pub(crate) fn follow(
    api: &Arc<Api>,
    brokers: &str,
    extra: &[(String, String)],
) -> Result<Follower, StreamError> {
    let api: Weak<Api> = Arc::downgrade(api);
    Follower::start(
        brokers,
        BOOKING_EVENTS,
        "boxoffice-booking-api",
        extra,
        move |heard| {
            let booking = heard
                .header_str(SUBJECT)
                .and_then(|subject| subject.parse::<BookingId>().ok());
            let sequence = heard
                .header_str(SEQUENCE)
                .and_then(|text| text.parse().ok());
            if let (Some(api), Some(booking)) = (api.upgrade(), booking) {
                // Of what cannot be read, nothing is known.
                api.heard(booking, sequence.unwrap_or(u32::MAX));
            }
        },
    )
}

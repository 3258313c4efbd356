//! What is read of a booking event: only what is counted, so that events may grow around it.

use boxoffice_saga::identity::{BookingId, SeatName, ShowId};
use boxoffice_saga::money::Money;
use serde::Deserialize;
use time::{Date, OffsetDateTime, UtcOffset};

/// A booking event, as far as it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Event {
    /// The booking.
    pub(crate) booking_id: BookingId,
    /// Its show.
    pub(crate) show_id: ShowId,
    /// Gapless per booking, from 1.
    pub(crate) sequence: u32,
    /// When it was decided.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    /// What happened.
    #[serde(flatten)]
    pub(crate) what: What,
}

impl Event {
    /// The day it belongs to: the UTC day of the event's own time, however late it is read.
    pub(crate) fn day(&self) -> Date {
        self.at.to_offset(UtcOffset::UTC).date()
    }
}

/// What happened. The names are those on the wire; a new type that is to be counted is one line here and one in
/// [`What::counts`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum What {
    HoldPlaced,
    HoldExpiring,
    HoldExpired,
    HoldReleased {
        replaced: bool,
    },
    PaymentCompleted,
    PaymentFailed,
    BookingConfirmed {
        seats: Vec<SeatName>,
        amount: Money,
    },
    BookingCancelled,
    #[serde(rename = "BookingFailed_InitiateRefund")]
    BookingFailedInitiateRefund,
    #[serde(rename = "PaymentRejected_InitiateRefund")]
    PaymentRejectedInitiateRefund,
    RefundInitiated,
    RefundCompleted {
        amount: Money,
    },
    /// By another way than the gateway: it is with the customer all the same.
    RefundSettledElsewhere {
        amount: Money,
    },
    RefundFailed,
    RefundReopened,
    RefundSentAnotherWay,
    RefundWithdrawn,
    PaymentAuthorised,
    PaymentVoided,
    DisputeOpened,
    DisputeWon,
    DisputeLost,
    /// A type that this build does not know. It counts nothing, and its sequence is seen like any other.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::date;

    use super::*;

    fn event(body: Value) -> Result<Event, serde_json::Error> {
        let mut event = json!({
            "booking_id": BookingId::pack(1, ShowId::try_from(7_u64).unwrap(), 1),
            "show_id": 7, "sequence": 3, "at": "2026-02-03T04:05:06.789Z",
        });
        event
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        serde_json::from_value(event)
    }

    #[test]
    fn every_published_type_is_known() {
        let schemas = boxoffice_contracts::Schemas::in_tree().unwrap();
        for name in schemas.of("bookings.events.v1").into_keys() {
            let all = json!({ "type": name, "replaced": false, "seats": ["A-1"],
                "amount": { "minor": 1, "currency": "INR" } });
            assert_ne!(event(all).unwrap().what, What::Unknown, "{name}");
        }
    }

    #[test]
    fn a_type_that_nobody_has_thought_of_yet_is_read_with_its_sequence() {
        let read = event(json!({ "type": "BookingFramed", "frame": "oak" })).unwrap();
        assert_eq!((read.sequence, read.what), (3, What::Unknown));
    }

    #[test]
    fn a_known_type_without_what_is_counted_cannot_be_read() {
        for body in [
            json!({ "type": "BookingConfirmed", "seats": ["A-1"] }),
            json!({ "type": "HoldReleased" }),
            json!({}),
        ] {
            assert!(event(body.clone()).is_err(), "{body}");
        }
    }

    #[test]
    fn the_day_is_the_utc_day_of_the_events_own_time() {
        for (at, day) in [
            ("2026-02-03T23:59:59.999Z", date!(2026 - 02 - 03)),
            ("2026-02-04T01:30:00+05:30", date!(2026 - 02 - 03)),
            ("2026-02-03T20:00:00-04:00", date!(2026 - 02 - 04)),
        ] {
            let read = event(json!({ "type": "HoldPlaced", "at": at })).unwrap();
            assert_eq!(read.day(), day, "{at}");
        }
    }
}

//! What is read of a booking event: only what is counted, so that events may grow around it.

use std::borrow::Cow;

use boxoffice_saga::identity::{BookingId, SeatName, ShowId};
use boxoffice_saga::money::Money;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;
use time::{Date, OffsetDateTime, UtcOffset};

/// A booking event, as far as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The booking.
    pub(crate) booking_id: BookingId,
    /// Its show.
    pub(crate) show_id: ShowId,
    /// Gapless per booking, from 1.
    pub(crate) sequence: u32,
    /// When it was decided.
    pub(crate) at: OffsetDateTime,
    /// What happened.
    pub(crate) what: What,
}

/// As it is on the wire. What only some types have is read for those alone: in others it may be anything.
#[derive(Deserialize)]
struct Wire<'a> {
    booking_id: BookingId,
    show_id: ShowId,
    sequence: u32,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    seats: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    replaced: Option<&'a RawValue>,
}

impl Event {
    /// Reads the value of a record.
    ///
    /// # Errors
    /// Where it is no event, or lacks what is counted of its type.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, serde_json::Error> {
        let wire: Wire<'_> = serde_json::from_slice(payload)?;
        Ok(Self {
            booking_id: wire.booking_id,
            show_id: wire.show_id,
            sequence: wire.sequence,
            at: wire.at,
            what: What::of(&wire)?,
        })
    }

    /// The day it belongs to: the UTC day of the event's own time, however late it is read.
    pub(crate) fn day(&self) -> Date {
        self.at.to_offset(UtcOffset::UTC).date()
    }
}

/// What happened. A new type that is to be counted is one line here, one in [`What::of`] and one in [`What::counts`].
#[derive(Clone, Debug, PartialEq, Eq)]
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
    BookingFailedInitiateRefund,
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
    Unknown,
}

impl What {
    /// By the names on the wire.
    fn of(wire: &Wire<'_>) -> Result<Self, serde_json::Error> {
        let amount = || part(wire.amount, "amount");
        Ok(match &*wire.kind {
            "HoldPlaced" => Self::HoldPlaced,
            "HoldExpiring" => Self::HoldExpiring,
            "HoldExpired" => Self::HoldExpired,
            "HoldReleased" => Self::HoldReleased {
                replaced: part(wire.replaced, "replaced")?,
            },
            "PaymentCompleted" => Self::PaymentCompleted,
            "PaymentFailed" => Self::PaymentFailed,
            "BookingConfirmed" => Self::BookingConfirmed {
                seats: part(wire.seats, "seats")?,
                amount: amount()?,
            },
            "BookingCancelled" => Self::BookingCancelled,
            "BookingFailed_InitiateRefund" => Self::BookingFailedInitiateRefund,
            "PaymentRejected_InitiateRefund" => Self::PaymentRejectedInitiateRefund,
            "RefundInitiated" => Self::RefundInitiated,
            "RefundCompleted" => Self::RefundCompleted { amount: amount()? },
            "RefundSettledElsewhere" => Self::RefundSettledElsewhere { amount: amount()? },
            "RefundFailed" => Self::RefundFailed,
            "RefundReopened" => Self::RefundReopened,
            "RefundSentAnotherWay" => Self::RefundSentAnotherWay,
            "RefundWithdrawn" => Self::RefundWithdrawn,
            "PaymentAuthorised" => Self::PaymentAuthorised,
            "PaymentVoided" => Self::PaymentVoided,
            "DisputeOpened" => Self::DisputeOpened,
            "DisputeWon" => Self::DisputeWon,
            "DisputeLost" => Self::DisputeLost,
            _ => Self::Unknown,
        })
    }
}

/// A part that events of this type have.
fn part<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    name: &'static str,
) -> Result<T, serde_json::Error> {
    let raw = raw.ok_or_else(|| serde_json::Error::missing_field(name))?;
    serde_json::from_str(raw.get())
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
        Event::read(event.to_string().as_bytes())
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
        for more in [
            json!({}),
            json!({ "frame": "oak", "amount": "a lot", "seats": {} }),
        ] {
            let mut body = json!({ "type": "BookingFramed" });
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let read = event(body).unwrap();
            assert_eq!((read.sequence, read.what), (3, What::Unknown));
        }
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

//! The letters, one file each. A file holds the letter's data and its whole text, per language.
//!
//! The reader is anxious: money has left their account. So each letter says first what is the case, then
//! what happens next without them, and promises nothing that we do not know.

mod booking_confirmed;
mod booking_failed_refunding;
mod refunded;

pub use booking_confirmed::BookingConfirmed;
pub use booking_failed_refunding::{BookingFailedRefunding, ReturnReason};
pub use refunded::Refunded;

use super::letter::{BookingFacts, english_time};

const ENGLISH_HELP: &str = "Questions? We are glad to help:";
const ENGLISH_STATUS: &str = "See how your booking stands";

/// The rows of the booking itself, in English.
fn english_facts(booking: &BookingFacts) -> Vec<(&'static str, String)> {
    let seats = if booking.seats.len() == 1 {
        "Seat"
    } else {
        "Seats"
    };
    let mut facts = vec![("Show", booking.show_title.clone())];
    facts.extend(booking.starts_at.map(|at| ("Starts", english_time(at))));
    facts.extend(booking.venue.clone().map(|venue| ("Venue", venue)));
    facts.push((seats, booking.seats.join(", ")));
    facts.push(("Booking reference", booking.booking_id.to_string()));
    facts
}

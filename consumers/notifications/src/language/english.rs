//! English.

use super::Words;

pub(super) const WORDS: Words = Words {
    show: "Show",
    starts: "Starts",
    venue: "Venue",
    seat: "Seat",
    seats: "Seats",
    seats_counted: "seats",
    reference: "Booking reference",
    status: "See how your booking stands",
    help: "Questions? We are glad to help:",
    weekdays: [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    short_months: [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ],
};

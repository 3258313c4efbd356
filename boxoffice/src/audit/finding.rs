//! What an audit finds, and where to look then.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::promises::{Promise, Violation};
use serde::Serialize;

/// What is broken: a promise, or something that no promise names and that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A promise.
    Promise(Promise),
    /// Rows belong to one another: no refund without its payment, no payment without its booking.
    Rows,
    /// The gateway's books say the same as ours.
    Gateway,
}

impl Rule {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promise(promise) => promise.name(),
            Self::Rows => "ROWS",
            Self::Gateway => "GATEWAY",
        }
    }

    /// Which tables to compare, or what to do.
    const fn look(self) -> &'static str {
        match self {
            Self::Promise(Promise::Seat1 | Promise::Seat2) => "show_seats, bookings",
            Self::Promise(Promise::Money1) => "ledger, payments, refunds",
            Self::Promise(Promise::Money2) => "refunds, journal, the gateway's dashboard",
            Self::Promise(Promise::Money3) => "payments, refunds, attention, tasks",
            Self::Promise(Promise::Saga1) => "journal, payments, bookings",
            Self::Promise(Promise::Event1) => "outbox, relay_cursor, bookings.sequence",
            Self::Promise(Promise::Ingress1) => {
                "consumer_positions, parked_records, dead_letters, the topic payments.webhooks.v1"
            }
            Self::Rows => "the rows that are named",
            Self::Gateway => "the gateway's dashboard",
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Something that must hold and does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is broken.
    pub promise: Rule,
    /// Over which booking, where it is one.
    pub booking: Option<BookingId>,
    /// One sentence, with the ids that matter.
    pub what: String,
    /// Where to look.
    pub look: String,
}

impl Finding {
    /// `what` breaks `rule`, over a booking or not.
    pub fn new(rule: Rule, booking: Option<BookingId>, what: impl Into<String>) -> Self {
        let look = match booking {
            Some(booking) => format!("boxoffice saga show {booking}; {}", rule.look()),
            None => rule.look().to_owned(),
        };
        Self {
            promise: rule,
            booking,
            what: what.into(),
            look,
        }
    }
}

impl From<Violation> for Finding {
    fn from(violation: Violation) -> Self {
        let rule = Rule::Promise(violation.promise);
        Self::new(rule, violation.booking, violation.what)
    }
}

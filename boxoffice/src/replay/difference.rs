//! What this build would do otherwise.

use std::collections::BTreeMap;

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::Seat;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One thing that this build would do otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The show.
    pub show: ShowId,
    /// The booking; none for a seat that is nobody's.
    pub booking: Option<BookingId>,
    /// The journal's entry; none for what the entries have led to.
    pub entry: Option<i64>,
    /// What differs: an input, or a row and its field.
    pub what: String,
    /// As it was recorded, or stands in the tables.
    pub recorded: String,
    /// As this build makes it.
    pub replayed: String,
}

/// A row by its fields, for comparing.
pub type Fields = BTreeMap<&'static str, String>;

fn time(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

fn money(amount: Option<Money>) -> String {
    amount.map(|amount| amount.to_string()).unwrap_or_default()
}

/// What of a booking follows from its journal. Its contact does not: the journal goes without.
pub fn booking(row: &Booking) -> Fields {
    BTreeMap::from([
        ("user", row.user.to_string()),
        ("seats", row.seats.join(" ")),
        ("amount", money(Some(row.amount))),
        ("state", row.state.name().to_owned()),
        ("held_at", time(Some(row.held_at))),
        ("expires_at", time(Some(row.expires_at))),
        ("reclaim_at", time(Some(row.reclaim_at))),
        ("waiting_since", time(row.waiting_since)),
        ("confirmed_at", time(row.confirmed_at)),
        ("cancel_until_ms", row.cancel_until_ms.to_string()),
        ("cancel_fee_bp", row.cancel_fee_bp.to_string()),
        ("sequence", row.sequence.to_string()),
        ("version", row.version.to_string()),
        ("updated_at", time(Some(row.updated_at))),
    ])
}

/// A payment.
pub fn payment(row: &Payment) -> Fields {
    let verdict = row.verdict.map(|verdict| verdict.name().to_owned());
    BTreeMap::from([
        ("account", row.account.to_string()),
        (
            "gateway_payment_id",
            row.gateway_payment_id.clone().unwrap_or_default(),
        ),
        ("capture", row.capture.name().to_owned()),
        ("standing", row.standing.name().to_owned()),
        ("expected", money(Some(row.expected))),
        ("captured", money(row.captured)),
        ("verdict", verdict.unwrap_or_default()),
        ("retained", row.retained.to_string()),
        (
            "disputes",
            serde_json::to_string(&row.disputes).unwrap_or_default(),
        ),
        ("opened_at", time(Some(row.opened_at))),
        ("decided_at", time(row.decided_at)),
    ])
}

/// A refund.
pub fn refund(row: &Refund) -> Fields {
    BTreeMap::from([
        ("payment", row.payment.to_string()),
        ("amount", money(Some(row.amount))),
        ("cause", row.cause.name().to_owned()),
        ("standing", row.standing.name().to_owned()),
        ("generation", row.generation.to_string()),
        (
            "gateway_refund_id",
            row.gateway_refund_id.clone().unwrap_or_default(),
        ),
        ("other_way", row.other_way.clone().unwrap_or_default()),
        ("proof", row.proof.clone().unwrap_or_default()),
        ("requested_at", time(Some(row.requested_at))),
        ("done_at", time(row.done_at)),
    ])
}

/// A seat.
pub fn seat(row: &Seat) -> Fields {
    let booking = row.booking.map(|booking| booking.to_string());
    BTreeMap::from([
        ("state", row.state.name().to_owned()),
        ("booking", booking.unwrap_or_default()),
        ("reclaim_at", time(row.reclaim_at)),
    ])
}

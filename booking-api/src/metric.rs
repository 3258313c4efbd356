//! The names of this crate's metrics, and what they mean.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Holds placed.
pub const BOOKINGS_CREATED: &str = "bookings_created_total";
/// Seats locked by holds that were placed.
pub const SEATS_LOCKED: &str = "seats_locked_total";
/// Holds refused because a seat was somebody else's. Normal in a hot show, so counted apart from failures.
pub const HOLD_CONFLICTS: &str = "boxoffice_hold_conflicts_total";
/// Those of [`HOLD_CONFLICTS`] that were refused without taking a lock.
pub const HOLD_CONFLICTS_AT_A_GLANCE: &str = "boxoffice_hold_conflicts_at_a_glance_total";
/// Holds turned away because a queue was full or the wait too long.
pub const HOLDS_TURNED_AWAY: &str = "boxoffice_holds_turned_away_total";
/// Holds that failed for a reason of ours: the database, a bug. Conflicts are not among them.
pub const HOLD_FAILURES: &str = "boxoffice_hold_failures_total";
/// Requests per batch of the hold desk.
pub const DESK_BATCH: &str = "boxoffice_desk_batch_requests";
/// Requests that wait for the hold desk.
pub const DESK_QUEUE: &str = "boxoffice_desk_queue_requests";
/// Bookings per read of status documents.
pub const STATUS_BATCH: &str = "boxoffice_status_batch_bookings";
/// Clients in a long poll.
pub const STATUS_WAITING: &str = "boxoffice_status_waiting_clients";
/// HTTP latency by method, route and status class.
pub const HTTP_SECONDS: &str = "http_request_duration_seconds";
/// Requests turned away, by reason: `overloaded`, `waiting` (no room to wait in), `user`, `address`.
pub const REQUESTS_TURNED_AWAY: &str = "boxoffice_requests_turned_away_total";
/// Calls to gateways that open a payment, by gateway and outcome.
pub const PAYMENTS_OPENED: &str = "boxoffice_payment_creations_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_counter!(BOOKINGS_CREATED, Unit::Count, "Holds placed.");
    describe_counter!(
        SEATS_LOCKED,
        Unit::Count,
        "Seats of holds that were placed."
    );
    describe_counter!(
        HOLD_CONFLICTS,
        Unit::Count,
        "Holds refused because a seat was somebody else's."
    );
    describe_counter!(
        HOLD_CONFLICTS_AT_A_GLANCE,
        Unit::Count,
        "Holds refused without a lock, from committed rows."
    );
    describe_counter!(
        HOLDS_TURNED_AWAY,
        Unit::Count,
        "Holds answered with high_demand."
    );
    describe_counter!(
        HOLD_FAILURES,
        Unit::Count,
        "Holds that failed for a reason of ours."
    );
    describe_histogram!(
        DESK_BATCH,
        Unit::Count,
        "Requests per batch of the hold desk."
    );
    describe_gauge!(
        DESK_QUEUE,
        Unit::Count,
        "Requests that wait for the hold desk, by window: `usual`, and `hot` for shows of which a crowd wants the same seats."
    );
    describe_histogram!(
        STATUS_BATCH,
        Unit::Count,
        "Bookings per read of status documents."
    );
    describe_gauge!(STATUS_WAITING, Unit::Count, "Clients in a long poll.");
    describe_histogram!(
        HTTP_SECONDS,
        Unit::Seconds,
        "HTTP latency by method, route and status."
    );
    describe_counter!(
        REQUESTS_TURNED_AWAY,
        Unit::Count,
        "Requests turned away, by reason."
    );
    describe_counter!(
        PAYMENTS_OPENED,
        Unit::Count,
        "Payments asked for at gateways, by outcome."
    );
}

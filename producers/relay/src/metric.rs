//! The names of what is measured here, in one place.

use metrics::{Unit, describe_counter, describe_gauge};

/// Counter: records that Kafka acknowledged, repeats included.
pub const PUBLISHED: &str = "boxoffice_relay_published_total";
/// Counter: windows that were published wholly.
pub const WINDOWS: &str = "boxoffice_relay_windows_total";
/// Counter, by `reason`: how often the relay had to start again at its last position.
pub const STOPS: &str = "boxoffice_relay_stops_total";
/// Counter: how often the database was found on another timeline.
pub const TIMELINES: &str = "boxoffice_relay_timeline_changes_total";
/// Gauge: 1 where this process holds the cursor.
pub const HOLDS_CURSOR: &str = "boxoffice_relay_holds_cursor";
/// Gauge: positions drawn and not yet published, at most.
pub const BACKLOG: &str = "boxoffice_relay_backlog_rows";
/// Gauge: how old the oldest row is that is not published.
pub const OLDEST_SECONDS: &str = "boxoffice_relay_oldest_seconds";
/// Counter: tables of the outbox that were emptied.
pub const RECYCLED: &str = "boxoffice_relay_recycled_tables_total";

/// Describes them to the installed recorder.
pub fn describe() {
    describe_counter!(
        PUBLISHED,
        Unit::Count,
        "Outbox records acknowledged by Kafka, repeats included"
    );
    describe_counter!(WINDOWS, Unit::Count, "Outbox windows wholly published");
    describe_counter!(
        STOPS,
        Unit::Count,
        "Restarts of the relay at its last position, by reason"
    );
    describe_counter!(
        TIMELINES,
        Unit::Count,
        "Changes of the database's timeline that the relay found"
    );
    describe_gauge!(
        HOLDS_CURSOR,
        Unit::Count,
        "1 where this process publishes the outbox"
    );
    describe_gauge!(
        BACKLOG,
        Unit::Count,
        "Outbox rows not yet published, at most"
    );
    describe_gauge!(
        OLDEST_SECONDS,
        Unit::Seconds,
        "Age of the oldest outbox row not yet published"
    );
    describe_counter!(
        RECYCLED,
        Unit::Count,
        "Outbox tables emptied behind the cursor"
    );
}

pub(crate) fn show_backlog(rows: i64, oldest_seconds: f64) {
    // A gauge is a float; that many rows never are.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    metrics::gauge!(BACKLOG).set(rows.max(0) as f64);
    metrics::gauge!(OLDEST_SECONDS).set(oldest_seconds.max(0.0));
}

//! The relay's metrics.

use metrics::{Unit, describe_counter, describe_gauge};

/// Records published, repeats included.
pub const PUBLISHED: &str = "boxoffice_relay_published_total";
/// Windows published whole.
pub const WINDOWS: &str = "boxoffice_relay_windows_total";
/// Seconds since the oldest record of the window in hand was decided; 0 when there is none.
pub const OLDEST_SECONDS: &str = "boxoffice_relay_oldest_seconds";
/// 1 while this process holds the cursor.
pub const HOLDS_CURSOR: &str = "boxoffice_relay_holds_cursor";
/// Times that the relay had to stop and start again at the last position.
pub const STOPS: &str = "boxoffice_relay_stops_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_counter!(PUBLISHED, Unit::Count, "Outbox records published, repeats included.");
    describe_counter!(WINDOWS, Unit::Count, "Outbox windows published whole.");
    describe_gauge!(OLDEST_SECONDS, Unit::Seconds, "Age of the oldest outbox record in the window in hand.");
    describe_gauge!(HOLDS_CURSOR, Unit::Count, "1 while this process publishes the outbox.");
    describe_counter!(STOPS, Unit::Count, "Times the relay started again at its last position, by reason.");
}

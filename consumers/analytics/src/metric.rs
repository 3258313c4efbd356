//! The names of what is measured here, in one place.

use metrics::{Unit, describe_counter};

/// Counter: events counted, without repeats.
pub const COUNTED: &str = "boxoffice_analytics_events_counted_total";
/// Counter, by `kind`: must stay zero; a person should look. `gap`: a booking's sequence was skipped.
/// `unreadable`: a record is no booking event that this build can read. `refused`: the database took an event's
/// numbers for impossible. What was passed over is counted by a rebuild once its cause is gone.
pub const ALARMS: &str = "boxoffice_analytics_alarms_total";

/// Describes them to the installed recorder. Call once, after it is installed.
pub fn describe() {
    describe_counter!(COUNTED, Unit::Count, "Events counted, without repeats");
    describe_counter!(
        ALARMS,
        Unit::Count,
        "Things that must not happen; a person should look"
    );
}

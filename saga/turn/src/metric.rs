//! The turn's metrics.

use metrics::{Unit, describe_counter, describe_histogram};

/// Seconds that a turn took, by role.
pub const TURN_SECONDS: &str = "boxoffice_turn_seconds";
/// Turns that lost a race and were tried again, by role. Deadlocks count here: it must stay near zero.
pub const TURN_RETRIES: &str = "boxoffice_turn_retries_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_histogram!(
        TURN_SECONDS,
        Unit::Seconds,
        "How long a turn took, from claim to commit, by role."
    );
    describe_counter!(
        TURN_RETRIES,
        Unit::Count,
        "Turns tried again after losing a race (40001, 40P01), by role."
    );
}

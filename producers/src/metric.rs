//! The names of what is measured here, in one place.

use metrics::{Unit, describe_counter};

/// Counter, by `client`: records that Kafka acknowledged.
pub const ACKNOWLEDGED: &str = "boxoffice_producer_acknowledged_total";
/// Counter, by `client` and `kind` (see [`SendError::name`](crate::SendError::name)): records that were not.
pub const FAILED: &str = "boxoffice_producer_failed_total";

/// Describes them to the installed recorder. Call once, after it is installed and before a producer is made.
pub fn describe() {
    describe_counter!(ACKNOWLEDGED, Unit::Count, "Records that Kafka acknowledged");
    describe_counter!(
        FAILED,
        Unit::Count,
        "Records that were not acknowledged, by reason"
    );
}

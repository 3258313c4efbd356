//! The coordinator's metrics.

use metrics::{Unit, describe_counter};

/// Records by what became of them.
pub const RECORDS: &str = "boxoffice_webhook_records_total";
/// Payments decided, by verdict.
pub const VERDICTS: &str = "boxoffice_verdicts_total";
/// Records whose signature did not hold when it was checked again. Must stay zero.
pub const FORGED: &str = "boxoffice_forged_records_total";

/// Bookings with open business that nobody was at work on. Should stay zero.
pub const SWEPT: &str = "boxoffice_swept_bookings_total";

/// Rows that were older than their retention, by table.
pub const FORGOTTEN: &str = "boxoffice_forgotten_rows_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_counter!(
        RECORDS,
        Unit::Count,
        "Webhook records read from Kafka, by what became of them."
    );
    describe_counter!(
        VERDICTS,
        Unit::Count,
        "Captured payments decided, by verdict."
    );
    describe_counter!(
        SWEPT,
        Unit::Count,
        "Bookings with open business that nobody was at work on, taken up again; should stay 0."
    );
    describe_counter!(
        FORGOTTEN,
        Unit::Count,
        "Rows of the inbox and of idempotency keys that were older than their retention, and are removed."
    );
    describe_counter!(
        FORGED,
        Unit::Count,
        "Records whose signature did not hold when checked again; must stay 0."
    );
}

//! The names of what is measured here, in one place.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Gauge, by `group`, `topic` and `partition`: records between our committed position and the end.
pub const LAG: &str = "boxoffice_stream_lag_records";
/// Gauge, by `group`: how many partitions are ours and running.
pub const OWNED: &str = "boxoffice_stream_partitions_running";
/// Histogram, by `group`: how many records a turn took.
pub const BATCH: &str = "boxoffice_stream_batch_records";
/// Histogram, by `group`: how long a turn took, with all its attempts.
pub const TURN_SECONDS: &str = "boxoffice_stream_turn_seconds";
/// Counter, by `group`: records decided and committed.
pub const RECORDS: &str = "boxoffice_stream_records_total";
/// Counter, by `group` and `kind` (`position_lost`, `data`, `unavailable`): attempts at a turn that failed.
pub const TURN_FAILURES: &str = "boxoffice_stream_turn_failures_total";
/// Counter, by `group`: records put aside.
pub const DEAD_LETTERS: &str = "boxoffice_stream_dead_letters_total";
/// Counter, by `group`: how often a partition was paused because its queue was full.
pub const PAUSES: &str = "boxoffice_stream_pauses_total";
/// Counter, by `group` and `kind` (`assigned`, `revoked`, `lost`): partitions that changed hands.
pub const REBALANCED: &str = "boxoffice_stream_rebalanced_partitions_total";
/// Counter, by `group` and `kind` (`out_of_range`, `gap`, `dead_letter_refused`): must stay zero; a person
/// should look.
pub const ALARMS: &str = "boxoffice_stream_alarms_total";
/// Gauge, by `topic`: 1 while the follower reads, 0 while it hears nothing.
pub const FOLLOWER_ALIVE: &str = "boxoffice_follower_alive";

/// Describes them to the installed recorder. Call once, after it is installed.
pub fn describe() {
    describe_gauge!(
        LAG,
        Unit::Count,
        "Records between the committed position and the partition's end"
    );
    describe_gauge!(OWNED, Unit::Count, "Partitions that are ours and running");
    describe_histogram!(BATCH, Unit::Count, "Records in a turn");
    describe_histogram!(
        TURN_SECONDS,
        Unit::Seconds,
        "Time of a turn with all its attempts"
    );
    describe_counter!(RECORDS, Unit::Count, "Records decided and committed");
    describe_counter!(TURN_FAILURES, Unit::Count, "Attempts at a turn that failed");
    describe_counter!(
        DEAD_LETTERS,
        Unit::Count,
        "Records put aside as dead letters"
    );
    describe_counter!(
        PAUSES,
        Unit::Count,
        "Times that a partition was paused because its queue was full"
    );
    describe_counter!(REBALANCED, Unit::Count, "Partitions that changed hands");
    describe_counter!(
        ALARMS,
        Unit::Count,
        "Things that must not happen; a person should look"
    );
    describe_gauge!(FOLLOWER_ALIVE, Unit::Count, "1 while the follower reads");
}

//! The executor's metrics.

use metrics::{Unit, describe_counter, describe_histogram};

/// Calls made, by kind.
pub const CALLS: &str = "boxoffice_task_calls_total";
/// Seconds that a call took, by kind.
pub const CALL_SECONDS: &str = "boxoffice_task_call_seconds";
/// Tasks leased again because an earlier lease ran out: a process died or was stopped, by kind.
pub const TAKEN_OVER: &str = "boxoffice_tasks_taken_over_total";
/// Answers whose turn failed and is tried again, by executor.
pub const ANSWER_RETRIES: &str = "boxoffice_task_answer_retries_total";

/// Calls that took longer than they may, by kind.
pub const CUT_OFF: &str = "boxoffice_task_calls_cut_off_total";

/// Tasks given back because their call was held back, by kind.
pub const HELD_BACK: &str = "boxoffice_tasks_held_back_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_counter!(CALLS, Unit::Count, "Calls made for tasks, by kind.");
    describe_histogram!(
        CALL_SECONDS,
        Unit::Seconds,
        "How long a task's call took, by kind."
    );
    describe_counter!(
        TAKEN_OVER,
        Unit::Count,
        "Tasks leased again after an earlier lease ran out, by kind."
    );
    describe_counter!(
        CUT_OFF,
        Unit::Count,
        "Calls that took longer than they may, by kind."
    );
    describe_counter!(
        HELD_BACK,
        Unit::Count,
        "Tasks given back because their call was not made, by kind."
    );
    describe_counter!(
        ANSWER_RETRIES,
        Unit::Count,
        "Turns with answers that had to be tried again."
    );
}

//! The reconciliation's metrics. Only the process that holds an account's lease has its lag above zero.

use metrics::{Unit, describe_counter, describe_gauge};

/// How far behind now an account is reconciled, by gateway account.
pub const LAG: &str = "boxoffice_reconciliation_lag_seconds";
/// Payments that windows came to, by gateway account and result: matched, repaired, needs_person, not_ours, unanswered.
pub const PAYMENTS: &str = "boxoffice_reconciliation_payments_total";
/// Windows, by gateway account and how they ended: done, unanswered, failed.
pub const WINDOWS: &str = "boxoffice_reconciliation_windows_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_gauge!(
        LAG,
        Unit::Seconds,
        "How far behind now a gateway account is reconciled; above 0 only where the lease is held."
    );
    describe_counter!(
        PAYMENTS,
        Unit::Count,
        "Payments that the reconciliation came to, by gateway account and result."
    );
    describe_counter!(
        WINDOWS,
        Unit::Count,
        "Windows of time that the reconciliation walked, by gateway account and how they ended."
    );
}

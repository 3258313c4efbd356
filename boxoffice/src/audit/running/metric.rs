//! The running check's metrics. Only the process that holds the check's lease has them above zero.

use metrics::{Unit, describe_counter, describe_gauge};

/// Broken promises that are not mended yet, by promise. Must stay zero.
pub const VIOLATIONS: &str = "boxoffice_promise_violations";
/// Payment attempts without a verdict, by currency: what they ask for, in minor units.
pub const UNDECIDED_MINOR: &str = "boxoffice_undecided_minor";
/// The age of the oldest of them, by currency.
pub const UNDECIDED_OLDEST: &str = "boxoffice_undecided_oldest_seconds";
/// The ledger's balances, by currency and account.
pub const MONEY: &str = "boxoffice_money_minor";
/// Refunds that the gateway should act on, by standing.
pub const REFUNDS_OPEN: &str = "boxoffice_refunds_open";
/// The age of the oldest of them, by standing.
pub const REFUNDS_OLDEST: &str = "boxoffice_refunds_open_oldest_seconds";
/// Journal entries that are drawn and not evaluated yet.
pub const LAG: &str = "boxoffice_check_lag_entries";
/// Bookings evaluated.
pub const BOOKINGS: &str = "boxoffice_check_bookings_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_gauge!(
        VIOLATIONS,
        Unit::Count,
        "Broken promises that are not mended yet, by promise; must stay 0."
    );
    describe_gauge!(
        UNDECIDED_MINOR,
        Unit::Count,
        "What payment attempts without a verdict ask for, in minor units, by currency."
    );
    describe_gauge!(
        UNDECIDED_OLDEST,
        Unit::Seconds,
        "The age of the oldest payment attempt without a verdict, by currency."
    );
    describe_gauge!(
        MONEY,
        Unit::Count,
        "The ledger's balances in minor units, by currency and account."
    );
    describe_gauge!(
        REFUNDS_OPEN,
        Unit::Count,
        "Refunds that the gateway should act on, by standing."
    );
    describe_gauge!(
        REFUNDS_OLDEST,
        Unit::Seconds,
        "The age of the oldest such refund, by standing."
    );
    describe_gauge!(
        LAG,
        Unit::Count,
        "Journal entries that the running check has not evaluated yet."
    );
    describe_counter!(
        BOOKINGS,
        Unit::Count,
        "Bookings evaluated by the running check."
    );
}

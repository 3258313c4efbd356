//! The worker's metrics.

use metrics::{Unit, describe_counter};

/// Messages by channel, template and outcome (`delivered`, `not_sent`, `refused`, `later`, `unknown`); one that
/// is tried again counts again.
pub(crate) const MESSAGES: &str = "boxoffice_messages_total";
/// Events that were too old to be written about.
pub(crate) const OLD_NEWS: &str = "boxoffice_old_news_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_counter!(
        MESSAGES,
        Unit::Count,
        "Tries to tell a customer something, by channel, template and outcome."
    );
    describe_counter!(
        OLD_NEWS,
        Unit::Count,
        "Events that were too old to be written about."
    );
}

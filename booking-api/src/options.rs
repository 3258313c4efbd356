//! What an operator may set.

use std::time::Duration;

use serde::Deserialize;

/// How the booking API behaves. Every field has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where the public reaches this API, for example `https://booking.example.org`; put before the paths of
    /// status and ticket addresses. Empty: they are plain paths.
    pub public_base_url: String,
    /// At most so many holds make a turn. 200.
    pub desk_batch: usize,
    /// At most so many holds wait per show; the next is told `high_demand`. 10,000.
    pub desk_queue_per_show: usize,
    /// At most so many holds wait in all. 50,000.
    pub desk_queue: usize,
    /// From so many requests in a batch on, committed rows are looked at without locks first, and whoever is
    /// sure to lose is told so. 8.
    pub desk_glance_from: usize,
    /// A hold that has waited this long, in milliseconds, is told `high_demand`. 5,000.
    pub desk_patience_ms: u32,
    /// For how many days after the hold a status address opens the status. 30.
    pub status_link_days: u16,
    /// How long answers under way may take once the process is asked to stop, in seconds. 20.
    pub drain_seconds: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public_base_url: String::new(),
            desk_batch: 200,
            desk_queue_per_show: 10_000,
            desk_queue: 50_000,
            desk_glance_from: 8,
            desk_patience_ms: 5_000,
            status_link_days: 30,
            drain_seconds: 20,
        }
    }
}

impl Options {
    /// See [`Options::desk_patience_ms`].
    pub(crate) fn desk_patience(&self) -> Duration {
        Duration::from_millis(self.desk_patience_ms.into())
    }

    /// See [`Options::drain_seconds`].
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }
}

//! What an operator may set.

use std::time::Duration;

use crate::limits::{Rate, TrustedProxies};

/// How the booking API behaves. Every field has a default.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the public reaches this API, for example `https://booking.example.org`; put before the paths of
    /// status and ticket addresses. Empty: they are plain paths.
    pub public_base_url: String,
    /// At most so many holds make a turn. 200.
    pub desk_batch: usize,
    /// At most so many holds wait per show; the next is told `high_demand`. 10,000.
    pub desk_queue_per_show: usize,
    /// At most so many holds wait in all, at each of the two windows. 50,000.
    pub desk_queue: usize,
    /// From so many requests in a batch on, committed rows are looked at without locks first, and whoever is
    /// sure to lose is told so. 8.
    pub desk_glance_from: usize,
    /// A hold that has waited this long, in milliseconds, is told `high_demand`. 5,000.
    pub desk_patience_ms: u32,
    /// At most so many requests are under way, those who wait not counted; the next is told `overloaded`. 4,096.
    pub requests_under_way: usize,
    /// At most so many clients wait in long polls and event streams; the next does not wait. 50,000.
    pub waiting_clients: usize,
    /// An event stream ends after so many seconds, and its client comes back. 600.
    pub event_stream_seconds: u32,
    /// How often one user may act (every POST).
    pub user_rate: Rate,
    /// How often one address may ask, whatever it is.
    pub address_rate: Rate,
    /// Whose word about the client's address counts.
    pub trusted_proxies: TrustedProxies,
    /// Web pages of which origins may call from a browser (CORS); `*` for all.
    pub allowed_origins: Vec<String>,
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
            requests_under_way: 4_096,
            waiting_clients: 50_000,
            event_stream_seconds: 600,
            user_rate: Rate {
                per_second: 10,
                burst: 50,
            },
            address_rate: Rate {
                per_second: 200,
                burst: 1_000,
            },
            trusted_proxies: TrustedProxies::default(),
            allowed_origins: Vec::new(),
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

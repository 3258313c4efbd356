//! The one place where this crate reads the system clock. Nothing that it says decides about seats or money:
//! it stamps booking ids (where the order is a convenience) and tells whether a status link has expired.

use time::OffsetDateTime;

/// Now, by this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of this crate's boundary"
)]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Milliseconds since 1970.
pub fn unix_ms() -> u64 {
    u64::try_from(now().unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

//! The time that a signature covers.

use time::OffsetDateTime;

use crate::port::Refusal;

/// Unix seconds as gateways write them: digits only. None for a sign, for anything else, and beyond i64.
pub(crate) fn seconds(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whether what was signed at `seconds` and received at `at` is neither too old nor from the future. To be asked
/// only of what is genuine, so that the two counters mean clocks and queues, not guesses.
///
/// # Errors
/// [`Refusal::Stale`], [`Refusal::Future`].
pub(crate) fn fresh(
    seconds: i64,
    at: OffsetDateTime,
    tolerance_seconds: u32,
) -> Result<(), Refusal> {
    let age = i128::from(at.unix_timestamp()) - i128::from(seconds);
    let tolerance = i128::from(tolerance_seconds);
    if age > tolerance {
        Err(Refusal::Stale)
    } else if age < -tolerance {
        Err(Refusal::Future)
    } else {
        Ok(())
    }
}

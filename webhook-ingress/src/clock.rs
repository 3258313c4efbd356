//! The one clock of this crate.

use time::OffsetDateTime;

/// The time of receipt. Cut to the microsecond, because that is what the record keeps, and the coordinator
/// must come to the same verdict from the record.
pub(crate) fn now() -> OffsetDateTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "a signature's tolerance is judged when it arrives, and the door must not ask the database"
    )]
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(now.nanosecond() / 1_000 * 1_000)
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    #[test]
    fn microseconds_and_no_finer() {
        assert_eq!(super::now().nanosecond() % 1_000, 0);
    }
}

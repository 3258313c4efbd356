//! Text from outside, made fit to be stored and shown. PostgreSQL refuses NUL in text, Kafka headers and
//! log lines want no line breaks, and an index row has a largest size; a webhook that is signed may still
//! hold all of these.

use crate::port::Unreadable;

/// The longest id that we take, in bytes. Stripe promises at most 255.
const LONGEST_ID: usize = 255;

/// An id, unchanged: 1 to 255 visible ASCII characters.
pub(crate) fn id(text: &str, what: &'static str) -> Result<String, Unreadable> {
    if (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(Unreadable::Value { what })
    }
}

/// Words, cut to `longest` characters, control characters made visible as U+FFFD.
pub(crate) fn words(text: &str, longest: usize) -> String {
    text.chars()
        .take(longest)
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

//! The header that bears a signature.

use http::HeaderMap;

use crate::port::{LONGEST_HEADER, Refusal};

/// The value of a header that must be there once, not empty and not oversized. A header that is there twice
/// is refused: two readers of it could each believe another one.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a [u8], Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Refusal::Missing)?.as_bytes();
    if values.next().is_some() || value.len() > LONGEST_HEADER {
        return Err(Refusal::Malformed);
    }
    if value.is_empty() {
        Err(Refusal::Missing)
    } else {
        Ok(value)
    }
}

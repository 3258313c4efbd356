//! The headers that bear a signature.

use http::{HeaderMap, HeaderName, HeaderValue};

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

/// The values of a header that may be there several times, at most `most`, none of them oversized. Empty ones are
/// passed over.
pub(crate) fn several<'a>(
    headers: &'a HeaderMap,
    name: &str,
    most: usize,
) -> Result<impl Iterator<Item = &'a [u8]>, Refusal> {
    let values = || headers.get_all(name).iter().map(HeaderValue::as_bytes);
    if values().all(<[u8]>::is_empty) {
        return Err(Refusal::Missing);
    }
    if values().count() > most || values().any(|value| value.len() > LONGEST_HEADER) {
        return Err(Refusal::Malformed);
    }
    Ok(values().filter(|value| !value.is_empty()))
}

/// The values of these headers, all of them, and no others.
pub(crate) fn copied<'a>(
    headers: &HeaderMap,
    names: impl IntoIterator<Item = &'a HeaderName>,
) -> HeaderMap {
    let mut copy = HeaderMap::new();
    for name in names {
        for value in headers.get_all(name) {
            copy.append(name, value.clone());
        }
    }
    copy
}
